/**
 * Python clients against a real server: the official SDK, the same before it took the container from
 * `message_delta`, and pydantic-ai. Only their base URL and their key are changed.
 */
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, expect, test } from "vitest";

import { loadConfig } from "../../src/config.ts";
import type { ModelRequest } from "../../src/providers/provider.ts";
import { calls, says, type ScriptStep } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import { knownGoodScript } from "../fixtures/known-good-model.ts";
import { readJsonLines, runProgram, type ProgramResult } from "../fixtures/program.ts";
import { LESSON_REQUESTS, judge, toOutcome, type AnswerBlock } from "../real/requests.ts";
import { startServer, type TestServer } from "../real/server.ts";
import { ensurePythonClients, type PythonClients } from "./python-clients.ts";

interface Message {
  id: string;
  content: AnswerBlock[];
  stop_reason: string;
  container: { id: string; expires_at: string } | null;
  usage: { input_tokens: number; output_tokens: number };
}

const director = createDirector();
let server: TestServer;
let clients: PythonClients;

beforeAll(async () => {
  clients = await ensurePythonClients(loadConfig().cache);
  server = await startServer({ provider: director.provider });
});

afterAll(() => server?.close());

function runPython(
  name: string,
  { python, packages }: PythonClients = clients,
): Promise<ProgramResult> {
  const program = fileURLToPath(new URL(`python/${name}`, import.meta.url));
  return runProgram(python, [program], {
    env: {
      ANTHROPIC_BASE_URL: server.url,
      ANTHROPIC_API_KEY: "any",
      PYTHONPATH: packages,
      // The lesson's model has an old name, which the SDK remarks.
      PYTHONWARNINGS: "ignore::DeprecationWarning",
    },
  });
}

/** The known programs, and the weather through the client's own tool. */
function playAll(request: ModelRequest): ScriptStep[] {
  const text = JSON.stringify(request.messages);
  if (text.includes("Copy weather.csv")) return copyScript(request);
  if (text.includes("Ask for degrees")) return askFromCode(request);
  if (!text.includes("get_weather")) return knownGoodScript(request);
  if (!text.includes("tool_result")) return [calls("get_weather", { city: "Paris" })];
  return [says("It is 21 degrees in Paris.")];
}

function askFromCode({ messages }: ModelRequest): ScriptStep[] {
  if (JSON.stringify(messages).includes("tool_result")) return [says("Two cities.")];
  const code = `import asyncio
print(await asyncio.gather(*[get_degrees({"city": city}) for city in ["Paris", "Rome"]]))`;
  return [calls("code_execution", { code })];
}

function copyScript({ messages }: ModelRequest): ScriptStep[] {
  if (JSON.stringify(messages).includes("tool_result")) return [says("Copied.")];
  const code = `import os, shutil\nshutil.copy(os.path.join(os.environ["INPUT_DIR"], "weather.csv"), os.path.join(os.environ["OUTPUT_DIR"], "copy.csv"))`;
  return [calls("code_execution", { code })];
}

test("the lesson's Python runs word for word and prints results and charts", async () => {
  director.play(knownGoodScript);
  const { code, stdout, stderr } = await runPython("lesson.py");
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toContain("Sample standard deviation: 13.4907");
  const lines = stdout.split("\n");
  const printed = lines.slice(lines.indexOf("I will write Python code for this."));
  expect(printed.slice(0, 7)).toEqual([
    "I will write Python code for this.",
    "Let me compute that.",
    "Weighted return: 7.70%",
    "Value after 5 years: $72,451.69",
    "Value after 10 years: $104,984.95",
    "[Chart generated]",
    "Here is the result:",
  ]);
  expect(lines).not.toContain("None");
});

test("create, stream, async, beta, turns, errors and the tool runner", async () => {
  director.play(playAll);
  const { code, stdout, stderr } = await runPython("client.py");
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const told = readJsonLines(stdout);
  const part = (name: string): unknown => told.find((line) => line.part === name);

  const created = part("create") as { message: Message; request_id: string };
  expect(judgeFirst(created.message)).toBeNull();
  expect(created.request_id).toMatch(/^req_/);
  expect(created.message.id).toMatch(/^msg_/);
  expect(created.message.stop_reason).toBe("end_turn");
  expect(created.message.container?.id).toMatch(/^container_/);
  expect(created.message.usage.input_tokens).toBeGreaterThan(0);
  expect(created.message.usage.output_tokens).toBeGreaterThan(0);

  const streamed = part("stream") as { texts: string[]; message: Message; request_id: string };
  expect(judgeFirst(streamed.message)).toBeNull();
  expect(streamed.texts.join("")).toContain("Let me compute that.");
  expect(streamed.texts.length).toBeGreaterThan(4);
  expect(streamed.message.container?.id).toMatch(/^container_/);
  expect(streamed.request_id).toMatch(/^req_/);
  expect(typesOf(streamed.message)).toEqual(typesOf(created.message));
  // The SDK takes over only what it knows of a stream's usage.
  expect(created.message.usage).toMatchObject(streamed.message.usage);

  const { types } = part("raw stream") as { types: string[] };
  expect(types[0]).toBe("message_start");
  expect(types.slice(-2)).toEqual(["message_delta", "message_stop"]);

  const beta = part("beta") as { message: Message; streamed: Message };
  expect(typesOf(beta.message)).toEqual([
    "thinking",
    "text",
    "server_tool_use",
    "code_execution_tool_result",
    "text",
  ]);
  expect(typesOf(beta.streamed)).toEqual(typesOf(beta.message));
  expect(beta.streamed.container?.id).toMatch(/^container_/);
  expect(JSON.stringify(beta.message.content[3])).toContain("13.4907");

  const turns = told.filter((line) => line.part === "turns") as {
    containers: string[];
    contents: AnswerBlock[][];
  }[];
  expect(turns).toHaveLength(2);
  for (const { containers, contents } of turns) {
    expect(containers[1]).toBe(containers[0]);
    expect(JSON.stringify(contents[0])).toContain("13.4907");
    expect(JSON.stringify(contents[1])).toContain("2,779.16");
    expect(JSON.stringify(contents[2])).toContain("76127");
  }

  const { errors } = part("errors") as { errors: Record<string, unknown>[] };
  expect(errors).toEqual([
    expect.objectContaining({ class: "BadRequestError", status: 400 }),
    expect.objectContaining({ class: "NotFoundError", status: 404 }),
    expect.objectContaining({ class: "BadRequestError", status: 400 }),
  ]);
  for (const { request_id, message } of errors) {
    expect(request_id).toMatch(/^req_/);
    expect(message).toMatch(/max_tokens|container_gone|messages/);
  }

  const runner = part("tool runner") as { cities: string[]; message: Message };
  expect(runner.cities).toEqual(["Paris"]);
  expect(JSON.stringify(runner.message.content)).toContain("It is 21 degrees in Paris.");

  const programmatic = told.filter((line) => line.part === "programmatic calls") as {
    cities: string[];
    containers: string[];
    message: Message;
  }[];
  expect(programmatic).toHaveLength(2);
  for (const { cities, containers, message } of programmatic) {
    expect(cities.toSorted()).toEqual(["Paris", "Rome"]);
    expect(containers.length).toBeGreaterThan(1);
    expect(new Set(containers).size).toBe(1);
    expect(JSON.stringify(message.content)).toContain("['5 degrees', '4 degrees']");
  }

  const files = part("files") as {
    uploaded: { id: string; filename: string };
    read: object;
    listed: string[];
    made: object;
    text: string;
    refused: string;
    gone: boolean;
  };
  expect(files.uploaded).toMatchObject({ filename: "weather.csv", size_bytes: 22 });
  expect(files.read).toEqual(files.uploaded);
  expect(files.listed).toContain(files.uploaded.id);
  expect(files.made).toMatchObject({ filename: "copy.csv", downloadable: true });
  expect(files.text).toBe("city,degrees\nParis,21\n");
  expect(files.refused).toContain("not downloadable");
  expect(files.gone).toBe(true);
  const models = part("models") as { listed: string[]; bare: number; full: number };
  expect(models).toMatchObject({ listed: ["scripted"], type: "model" });
  expect(models.full).toBeGreaterThan(models.bare);
  const asyncFiles = part("async files") as { id: string; listed: string[] };
  expect(asyncFiles.listed).toContain(asyncFiles.id);

  const parallel = part("async") as { contents: AnswerBlock[][]; texts: string[] };
  expect(parallel.contents).toHaveLength(3);
  for (const content of parallel.contents) expect(JSON.stringify(content)).toContain("13.4907");
  expect(parallel.texts.join("")).toContain("Let me compute that.");
});

test("an older SDK finds the container in a stream when it exists already", async () => {
  director.play(playAll);
  const old = await ensurePythonClients(loadConfig().cache, "clients-old");
  const { code, stdout, stderr } = await runPython("old_client.py", old);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const [told] = readJsonLines(stdout);
  expect(told?.version).toBe("0.84.0");
  expect(told?.types).toContain("code_execution_tool_result");
  expect(told?.created).toMatch(/^container_/);
  expect(told?.new_beta).toMatch(/^container_/);
  expect(told?.new_beta).not.toBe(told?.created);
  expect(told?.reused_beta).toBe(told?.created);
  expect(told?.reused).toBe(told?.created);
});

function playAgent(request: ModelRequest): ScriptStep[] {
  const text = JSON.stringify(request.messages);
  const results = text.split('"tool_result"').length - 1;
  const shell = (command: string): ScriptStep[] => [
    calls("bash_code_execution", { command }, { chunk: 5 }),
  ];
  if (text.includes("Say something")) return [says("One, two and three.", { chunk: 4 })];
  if (text.includes("Add one") && results < 2)
    return shell('echo "$(($(cat /tmp/number) + 1)) now"');
  if (text.includes("Add one")) return [says("It is 42 now.")];
  if (text.includes("Keep a number") && results === 0)
    return shell("echo 41 > /tmp/number; echo kept");
  if (text.includes("Keep a number")) return [says("Kept.", { chunk: 2 })];
  return playAll(request);
}

test("pydantic-ai: a client's tool, text in pieces, code execution in two turns", async () => {
  director.play(playAgent);
  const { code, stdout, stderr } = await runPython("pydantic_agent.py");
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const told = readJsonLines(stdout);
  const part = (name: string) => told.find((line) => line.part === name);
  expect(part("client tool")).toMatchObject({
    cities: ["Paris"],
    output: "It is 21 degrees in Paris.",
    kinds: ["user-prompt", "tool-call", "tool-return", "text"],
  });
  const ran = part("code") as { outputs: string[]; containers: string[]; parts: unknown };
  expect(ran.outputs).toEqual(["Kept.", "It is 42 now."]);
  expect(ran.containers).toEqual([expect.stringMatching(/^container_/), ran.containers[0]]);
  expect(JSON.stringify(ran.parts)).toContain('"stdout":"42 now\\n"');
  const codeStreamed = part("code streamed") as { pieces: string[]; parts: unknown };
  expect(codeStreamed.pieces.join("")).toContain("Kept.");
  expect(JSON.stringify(codeStreamed.parts)).toContain('"stdout":"kept\\n"');
  const { pieces } = part("streamed") as { pieces: string[] };
  expect(pieces.length).toBeGreaterThan(2);
  expect(pieces.join("")).toBe("One, two and three.");
});

function judgeFirst({ content }: Message): string | null {
  return judge(LESSON_REQUESTS[0]!, toOutcome(content));
}

function typesOf({ content }: Message): string[] {
  return content.map(({ type }) => type);
}
