/**
 * Vercel's AI SDK against a real server, in both versions that are in use: only its base URL and its key
 * are changed. It validates every block and every event, so one wrong field would end the call.
 */
import * as anthropic4 from "@ai-sdk/anthropic";
import * as ai7 from "ai";
import * as anthropic3 from "ai-sdk-anthropic-v3";
import * as ai6 from "ai-v6";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

import { GatewayError } from "../../src/errors.ts";
import { calls, says, thinks, type ScriptStep } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import { startSearchEngine, type SearchEngine } from "../fixtures/search-engine.ts";
import { startServer, type TestServer } from "../real/server.ts";

/** The older versions' types differ in places that these tests do not touch. */
const SDKS = [
  ["ai 7 with @ai-sdk/anthropic 4", ai7, anthropic4],
  [
    "ai 6 with @ai-sdk/anthropic 3",
    ai6 as unknown as typeof ai7,
    anthropic3 as unknown as typeof anthropic4,
  ],
] as const;

const MODEL = "claude-sonnet-4-5";
const director = createDirector();
let server: TestServer;
let engine: SearchEngine;

beforeAll(async () => {
  engine = await startSearchEngine();
  server = await startServer({ provider: director.provider, env: engine.env });
});

afterAll(async () => {
  await server?.close();
  await engine?.[Symbol.asyncDispose]();
});

/** A version of the tool: how the model uses it, and what the SDK makes of the call. */
interface Version {
  name: "codeExecution_20250522" | "codeExecution_20250825" | "codeExecution_20260120";
  run: (code: string) => ScriptStep;
  result: string;
}

const runShell = (code: string): ScriptStep =>
  calls(
    "bash_code_execution",
    { command: `python3 - <<'PROGRAM'\n${code}\nPROGRAM` },
    { chunk: 5 },
  );

const VERSIONS: Version[] = [
  {
    name: "codeExecution_20250522",
    run: (code) => calls("code_execution", { code }, { chunk: 5 }),
    result: "code_execution_result",
  },
  { name: "codeExecution_20250825", run: runShell, result: "bash_code_execution_result" },
  { name: "codeExecution_20260120", run: runShell, result: "bash_code_execution_result" },
];

test("ai 7: a file is uploaded and deleted through the provider", async () => {
  const api = anthropic4.createAnthropic({ baseURL: `${server.url}/v1`, apiKey: "any" }).files();
  const data = Buffer.from("a,b\n1,2\n");
  const file = await ai7.uploadFile({ api, data, mediaType: "text/csv", filename: "t.csv" });
  expect(file).toMatchObject({ filename: "t.csv", mediaType: "text/csv", byteSize: 8 });
  const id = file.providerReference.anthropic;
  expect(id).toMatch(/^file_/);
  const path = `${server.url}/v1/files/${id}`;
  expect((await fetch(path)).status).toBe(200);
  await api.deleteFile!({ file: file.providerReference });
  expect((await fetch(path)).status).toBe(404);
});

describe.each(SDKS)(
  "%s",
  (_name, ai, { createAnthropic, forwardAnthropicContainerIdFromLastStep }) => {
    const connect = () => createAnthropic({ baseURL: `${server.url}/v1`, apiKey: "any" });

    describe.each(VERSIONS)("$name", ({ name, run, result }) => {
      const scene = (code = "print(6 * 7)"): ScriptStep[][] => [
        [thinks("I will compute it."), says("Let me compute it.", { chunk: 4 }), run(code)],
        [says("It is 42.", { chunk: 4 })],
      ];

      /** What is sent with every call. */
      function request() {
        const anthropic = connect();
        return {
          model: anthropic(MODEL),
          tools: { code_execution: anthropic.tools[name]() },
          maxRetries: 0,
        };
      }

      test("generateText: reasoning, call, result, text and the container", async () => {
        director.play(scene());
        const answer = await ai.generateText({ ...request(), prompt: "What is 6 * 7?" });
        expect(answer.content.map(({ type }) => type)).toEqual([
          "reasoning",
          "text",
          "tool-call",
          "tool-result",
          "text",
        ]);
        expect(answer.text).toContain("It is 42.");
        expect(answer.finishReason).toBe("stop");
        expect(answer.toolCalls[0]).toMatchObject({
          toolName: "code_execution",
          providerExecuted: true,
        });
        expect(answer.toolCalls[0]).not.toHaveProperty("invalid");
        expect(answer.toolResults[0]?.output).toMatchObject({
          type: result,
          stdout: "42\n",
          return_code: 0,
        });
        expect(containerOf(answer.providerMetadata)).toMatch(/^container_/);
        expect(answer.usage.inputTokens).toBeGreaterThan(0);
        expect(answer.usage.outputTokens).toBeGreaterThan(0);
      });

      test("streamText: the same, in pieces, without an error part", async () => {
        director.play(scene());
        const stream = ai.streamText({ ...request(), prompt: "What is 6 * 7?", onError() {} });
        const types: string[] = [];
        for await (const part of stream.fullStream) {
          expect(part.type === "error" ? part.error : null).toBeNull();
          types.push(part.type);
        }
        expect(types.filter((type) => type === "tool-input-delta").length).toBeGreaterThan(1);
        expect(types.filter((type) => type === "text-delta").length).toBeGreaterThan(2);
        expect(types.indexOf("tool-result")).toBeGreaterThan(types.indexOf("tool-call"));
        const [call] = await stream.toolCalls;
        expect(call).toMatchObject({ toolName: "code_execution" });
        expect(call).not.toHaveProperty("invalid");
        const [found] = await stream.toolResults;
        expect(found?.output).toMatchObject({ type: result, stdout: "42\n" });
        expect(containerOf(await stream.providerMetadata)).toMatch(/^container_/);
      });

      test("a program that fails is a result, and the turn goes on", async () => {
        director.play(scene('raise ValueError("on purpose")'));
        const answer = await ai.generateText({ ...request(), prompt: "Fail." });
        expect(JSON.stringify(answer.toolResults[0]?.output)).toContain("on purpose");
        expect(answer.text).toContain("It is 42.");
      });

      test.each([
        ["generateText", false],
        ["streamText", true],
      ])("%s: a second turn with all messages and the container", async (_kind, streams) => {
        const ask = { role: "user" as const, content: "Keep a number." };
        const call = async (messages: ai7.ModelMessage[], container?: string) => {
          const options = {
            ...request(),
            messages,
            ...(container !== undefined && {
              providerOptions: { anthropic: { container: { id: container } } },
            }),
          };
          if (!streams) return ai.generateText(options);
          const stream = ai.streamText(options);
          await stream.consumeStream();
          return {
            response: await stream.response,
            providerMetadata: await stream.providerMetadata,
            text: await stream.text,
          };
        };
        director.play(scene('open("/tmp/number.txt", "w").write("41")\nprint("kept")'));
        const first = await call([ask]);
        const container = containerOf(first.providerMetadata);
        director.play([
          [run('print(int(open("/tmp/number.txt").read()) + 1)')],
          [says("It is 42 now.")],
        ]);
        const second = await call(
          [ask, ...first.response.messages, { role: "user", content: "Add one." }],
          container,
        );
        expect(containerOf(second.providerMetadata)).toBe(container);
        expect(JSON.stringify(second.response.messages)).toContain('"stdout":"42\\n"');
        // The model reads its first program and what that printed.
        const told = JSON.stringify(director.asked[0]?.messages);
        expect(told).toContain("number.txt");
        expect(told).toMatch(/"tool_result".*kept/);
      });

      test("a client's tool between two programs, the container forwarded from step to step", async () => {
        director.play([
          [run('open("/tmp/city.txt", "w").write("Paris")\nprint("kept")')],
          [calls("get_weather", { city: "Paris" })],
          [run('print(open("/tmp/city.txt").read(), "is warm")')],
          [says("Paris is warm.")],
        ]);
        const { tools, ...rest } = request();
        const cities: string[] = [];
        const answer = await ai.generateText({
          ...rest,
          tools: {
            ...tools,
            get_weather: ai.tool({
              description: "The weather of a city",
              inputSchema: z.object({ city: z.string() }),
              execute({ city }) {
                cities.push(city);
                return "21 degrees";
              },
            }),
          },
          prompt: "How is the weather?",
          stopWhen: ai.stepCountIs(4),
          prepareStep: ({ steps }) => forwardAnthropicContainerIdFromLastStep({ steps }),
        });
        expect(cities).toEqual(["Paris"]);
        expect(answer.steps).toHaveLength(2);
        expect(containerOf(answer.steps[0]?.providerMetadata)).toMatch(/^container_/);
        expect(containerOf(answer.providerMetadata)).toBe(
          containerOf(answer.steps[0]?.providerMetadata),
        );
        expect(JSON.stringify(answer.content)).toContain("Paris is warm\\n");
      });
    });

    test.each([
      ["generateText", false],
      ["streamText", true],
    ])("%s: code calls the client's tools", async (_kind, streams) => {
      const anthropic = connect();
      const code = `import asyncio
print(await asyncio.gather(*[get_weather({"city": city}) for city in ["Paris", "Rome"]]))`;
      director.play([
        [says("I will ask."), calls("code_execution", { code }, { chunk: 5 })],
        [says("Both warm.")],
      ]);
      const cities: string[] = [];
      const options = {
        model: anthropic(MODEL),
        maxRetries: 0,
        tools: {
          code_execution: anthropic.tools.codeExecution_20260120(),
          get_weather: ai.tool({
            description: "The weather of a city",
            inputSchema: z.object({ city: z.string() }),
            execute({ city }) {
              cities.push(city);
              return `warm in ${city}`;
            },
            providerOptions: { anthropic: { allowedCallers: ["code_execution_20260120"] } },
          }),
        },
        prompt: "How is the weather?",
        stopWhen: ai.stepCountIs(5),
        prepareStep: ({
          steps,
        }: {
          steps: Parameters<typeof forwardAnthropicContainerIdFromLastStep>[0]["steps"];
        }) => forwardAnthropicContainerIdFromLastStep({ steps }),
      };
      const stream = streams ? ai.streamText(options) : null;
      await stream?.consumeStream();
      const steps = await (stream ?? (await ai.generateText(options))).steps;
      expect(cities).toEqual(["Paris", "Rome"]);
      const told = JSON.stringify(steps.map(({ content }) => content));
      expect(told).toContain("warm in Rome']");
      expect(told).toContain("Both warm.");
      expect(director.asked).toHaveLength(2);
    });

    test.each([
      ["generateText", false],
      ["streamText", true],
    ])("%s: the text editor, its results and its errors", async (_kind, streams) => {
      const anthropic = connect();
      const path = "/tmp/poem.txt";
      const edit = (input: Record<string, unknown>): ScriptStep =>
        calls("text_editor_code_execution", { path, ...input }, { chunk: 6 });
      director.play([
        [edit({ command: "create", file_text: "one\ntwo\n" })],
        [edit({ command: "str_replace", old_str: "two", new_str: "2" })],
        [edit({ command: "view" })],
        [edit({ command: "view", path: "/tmp/none.txt" })],
        [says("Done.")],
      ]);
      const options = {
        model: anthropic(MODEL),
        tools: { code_execution: anthropic.tools.codeExecution_20250825() },
        prompt: "Edit a file.",
        maxRetries: 0,
      };
      const stream = streams ? ai.streamText(options) : null;
      await stream?.consumeStream();
      const answer = stream ?? (await ai.generateText(options));
      const uses = await answer.toolCalls;
      expect(uses).toHaveLength(4);
      for (const use of uses) expect(use).not.toHaveProperty("invalid");
      const outputs = (await answer.toolResults).map(({ output }) => output);
      expect(outputs).toMatchObject([
        { type: "text_editor_code_execution_create_result", is_file_update: false },
        { type: "text_editor_code_execution_str_replace_result", lines: [" one", "-two", "+2"] },
        { type: "text_editor_code_execution_view_result", content: "one\n2" },
        { type: "text_editor_code_execution_tool_result_error", error_code: "file_not_found" },
      ]);
    });

    test.each([
      ["generateText", false],
      ["streamText", true],
    ])("%s: web search, its results and a second turn", async (_kind, streams) => {
      const anthropic = connect();
      const ask = { role: "user" as const, content: "What are pines?" };
      const call = (messages: ai7.ModelMessage[]) => {
        const options = {
          model: anthropic(MODEL),
          maxRetries: 0,
          tools: { web_search: anthropic.tools.webSearch_20250305({ maxUses: 2 }) },
          messages,
        };
        return streams ? ai.streamText(options) : ai.generateText(options);
      };
      director.play([
        [calls("web_search", { query: "pines" }, { chunk: 5 })],
        [says("Evergreen trees.")],
      ]);
      const first = await call([ask]);
      if ("consumeStream" in first) await first.consumeStream();
      const [found] = await first.toolResults;
      expect(found?.output).toMatchObject([
        { type: "web_search_result", url: "https://example.org/pines", title: "Pines" },
        { type: "web_search_result", url: "https://example.org/oaks" },
      ]);
      expect((await first.sources).map((source) => "url" in source && source.url)).toContain(
        "https://example.org/pines",
      );
      director.play([[says("As I said.")]]);
      const { messages } = await first.response;
      const second = await call([ask, ...messages, { role: "user", content: "Sure?" }]);
      expect(await second.text).toContain("As I said.");
      expect(JSON.stringify(director.asked[0]?.messages)).toContain("evergreen trees");
    });

    test.each([
      ["generateText", false],
      ["streamText", true],
    ])("%s: web search called by code, and a second turn", async (_kind, streams) => {
      const anthropic = connect();
      const ask = { role: "user" as const, content: "What are pines and oaks?" };
      const call = (messages: ai7.ModelMessage[]) => {
        const options = {
          model: anthropic(MODEL),
          maxRetries: 0,
          tools: {
            web_search: anthropic.tools.webSearch_20260209({ maxUses: 2 }),
            code_execution: anthropic.tools.codeExecution_20260120(),
          },
          messages,
        };
        return streams ? ai.streamText(options) : ai.generateText(options);
      };
      const code = `import asyncio, json
found = await asyncio.gather(web_search({"query": "pines"}), web_search({"query": "oaks"}))
print(*[result["title"] for page in found for result in json.loads(page)])`;
      director.play([
        [calls("code_execution", { code }, { chunk: 5 })],
        [says("Trees, both of them [1].")],
      ]);
      const first = await call([ask]);
      if ("consumeStream" in first) await first.consumeStream();
      const results = await first.toolResults;
      expect(results.map(({ toolName }) => toolName).toSorted()).toEqual([
        "code_execution",
        "web_search",
        "web_search",
      ]);
      expect(JSON.stringify(results)).toContain("Pines Oaks Pines Oaks");
      const uses = await first.toolCalls;
      for (const use of uses) expect(use).not.toHaveProperty("invalid");
      expect(uses).toHaveLength(3);
      expect((await first.sources).map((source) => "url" in source && source.url)).toContain(
        "https://example.org/pines",
      );
      director.play([[says("As I said.")]]);
      const { messages } = await first.response;
      const second = await call([ask, ...messages, { role: "user", content: "Sure?" }]);
      expect(await second.text).toContain("As I said.");
      expect(JSON.stringify(director.asked[0]?.messages)).toContain("Pines Oaks Pines Oaks");
    });

    test("errors have their status, their type and the server's sentence", async () => {
      const anthropic = connect();
      const model = anthropic(MODEL);
      const failed = ai.generateText({
        model,
        prompt: "Hello",
        maxRetries: 0,
        providerOptions: { anthropic: { container: { id: "container_gone" } } },
        tools: { code_execution: anthropic.tools.codeExecution_20250522() },
      });
      await expect(failed).rejects.toMatchObject({
        statusCode: 404,
        message: expect.stringContaining("container_gone"),
        isRetryable: false,
      });

      director.play([[new GatewayError("overloaded", "Too much.")]]);
      await expect(
        ai.generateText({ model, prompt: "Hello", maxRetries: 0 }),
      ).rejects.toMatchObject({ statusCode: 529, message: "Too much.", isRetryable: true });
    });

    test("streamText: an error behind the start is an error part", async () => {
      director.play([[says("Let me"), new GatewayError("overloaded", "Too much.")]]);
      const stream = ai.streamText({
        model: connect()(MODEL),
        prompt: "Hello",
        maxRetries: 0,
        onError() {},
      });
      const errors: unknown[] = [];
      for await (const part of stream.fullStream)
        if (part.type === "error") errors.push(part.error);
      expect(JSON.stringify(errors)).toContain("Too much.");
    });
  },
);

function containerOf(metadata: ai7.ProviderMetadata | undefined): string {
  const container = metadata?.anthropic?.container as { id?: string } | null | undefined;
  return container?.id ?? "none";
}
