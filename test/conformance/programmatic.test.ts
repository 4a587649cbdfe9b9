/**
 * Programmatic tool calling through clients that run the loop themselves: the official SDKs' tool runners
 * and Vercel's AI SDK. They have to hand on the container, the callers and the results by themselves.
 */
import * as anthropic4 from "@ai-sdk/anthropic";
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import * as ai7 from "ai";
import * as anthropic3 from "ai-sdk-anthropic-v3";
import * as ai6 from "ai-v6";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { z } from "zod";

import { loadConfig } from "../../src/config.ts";
import { calls, says } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import { readJsonLines, runProgram } from "../fixtures/program.ts";
import { startServer, type TestServer } from "../real/server.ts";
import { ensurePythonClients } from "./python-clients.ts";

const CODE = `import asyncio
answers = await asyncio.gather(*[get_weather({"city": city}) for city in ["Rome", "Paris"]])
total = sum(int(answer.split()[0]) for answer in answers)
print(total, await get_weather({"city": "Warsaw"}))`;
const OUTPUT = "9 6 degrees\\n";
const CALLER = "code_execution_20260120";

const director = createDirector();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ provider: director.provider });
});

beforeEach(() =>
  director.play([[says("I ask."), calls("code_execution", { code: CODE })], [says("It is 9.")]]),
);

afterAll(() => server?.close());

test.each([false, true])("the TypeScript SDK's tool runner, stream: %s", async (stream) => {
  const client = new Anthropic({ baseURL: server.url, apiKey: "any" });
  const cities: string[] = [];
  const weather = betaTool({
    name: "get_weather",
    description: "The weather of a city",
    inputSchema: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    },
    run: ({ city }) => {
      cities.push(city);
      return `${city.length} degrees`;
    },
  });
  const runner = client.beta.messages.toolRunner({
    model: "any",
    max_tokens: 1024,
    messages: [{ role: "user", content: "Go." }],
    tools: [
      { ...weather, allowed_callers: [CALLER] },
      { type: CALLER, name: "code_execution" },
    ],
    max_iterations: 8,
    stream,
  });
  let final = "";
  for await (const step of runner) {
    const message = "finalMessage" in step ? await step.finalMessage() : step;
    final = JSON.stringify(message.content);
  }
  expect(cities).toEqual(["Rome", "Paris", "Warsaw"]);
  expect(final).toContain(`"stdout":"${OUTPUT}"`);
  expect(final).toContain("It is 9.");
  expect(director.asked).toHaveLength(2);
});

test("the Python SDK's tool runner", async () => {
  const { python, packages } = await ensurePythonClients(loadConfig().cache);
  const program = fileURLToPath(new URL("python/programmatic.py", import.meta.url));
  const env = {
    ANTHROPIC_BASE_URL: server.url,
    ANTHROPIC_API_KEY: "any",
    PYTHONPATH: packages,
  };
  const { stdout, stderr } = await runProgram(python, [program], { env });
  const [told] = readJsonLines(stdout);
  expect(stderr).toBe("");
  expect(told).toMatchObject({ cities: ["Rome", "Paris", "Warsaw"] });
  expect(JSON.stringify(told)).toContain("9 6 degrees");
});

test.each([
  ["ai 7", ai7, anthropic4],
  ["ai 6", ai6 as unknown as typeof ai7, anthropic3 as unknown as typeof anthropic4],
])("%s: generateText and streamText", async (_, ai, { createAnthropic, ...helpers }) => {
  const anthropic = createAnthropic({ baseURL: `${server.url}/v1`, apiKey: "any" });
  const cities: string[] = [];
  const options = () => ({
    model: anthropic("claude-sonnet-4-6"),
    prompt: "Go.",
    maxRetries: 0,
    tools: {
      code_execution: anthropic.tools.codeExecution_20260120(),
      get_weather: ai.tool({
        description: "The weather of a city",
        inputSchema: z.object({ city: z.string() }),
        execute: ({ city }: { city: string }) => {
          cities.push(city);
          return `${city.length} degrees`;
        },
        providerOptions: { anthropic: { allowedCallers: [CALLER] } },
      }),
    },
    stopWhen: ai.stepCountIs(8),
    prepareStep: helpers.forwardAnthropicContainerIdFromLastStep,
  });
  const answer = await ai.generateText(options());
  expect(cities).toEqual(["Rome", "Paris", "Warsaw"]);
  expect(answer.text).toBe("It is 9.");
  expect(JSON.stringify(answer.content)).toContain(OUTPUT);

  director.play([[calls("code_execution", { code: CODE }, { chunk: 7 })], [says("Nine.")]]);
  const stream = ai.streamText({ ...options(), onError() {} });
  const parts: string[] = [];
  for await (const part of stream.fullStream) {
    expect(part.type === "error" ? part.error : null).toBeNull();
    parts.push(JSON.stringify(part));
  }
  expect(cities).toHaveLength(6);
  expect(parts.join("\n")).toContain(OUTPUT);
  expect(await stream.text).toBe("Nine.");
});
