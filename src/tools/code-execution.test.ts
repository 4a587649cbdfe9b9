import { expect, test } from "vitest";

import { GatewayError } from "../errors.ts";
import type { Container, ExecuteOptions, ExecutionEvent, OutputFile } from "../sandbox/sandbox.ts";
import { createCodeExecutionTool } from "./code-execution.ts";
import type { ToolEvent } from "./tool.ts";

const DONE: ExecutionEvent = {
  type: "done",
  status: "ok",
  error: null,
  return_code: 0,
  usage: { wall_ms: 1, cpu_ms: 1, peak_memory_bytes: 1 },
  truncated: false,
  notice: null,
};

interface Setup {
  input: Record<string, unknown>;
  events?: ExecutionEvent[];
  failure?: unknown;
  signal?: AbortSignal;
  save?: (file: OutputFile) => Promise<string>;
}

async function run({ input, events = [DONE], failure, signal, save }: Setup) {
  const calls: ExecuteOptions[] = [];
  const failures: unknown[] = [];
  const container: Pick<Container, "execute"> = {
    async *execute(options) {
      calls.push(options);
      yield* events;
    },
  };
  const tool = createCodeExecutionTool({
    timeoutMs: 30_000,
    resultCharacters: 24_000,
    answerBytes: 1_000_000,
    save,
    onFailure: (cause) => failures.push(cause),
  });
  const seen: ToolEvent[] = [];
  const context = {
    container: async () => {
      if (failure !== undefined) throw failure;
      return container as Container;
    },
    putFile: async () => {},
    caller: "model" as const,
    signal: signal ?? new AbortController().signal,
  };
  for await (const event of tool.run(input, context)) seen.push(event);
  return { seen, calls, failures };
}

test("code runs with the limit and its output comes back", async () => {
  const { seen, calls } = await run({
    input: { code: "print(1)" },
    events: [{ type: "stdout", text: "1\n" }, DONE],
  });
  expect(calls).toEqual([{ code: "print(1)", language: "python", timeoutMs: 30_000, live: true }]);
  expect(seen.map((event) => event.type)).toEqual(["execution", "execution", "result"]);
  expect(seen.at(-1)).toMatchObject({ content: [{ type: "text", text: "1" }], isError: false });
});

test.each([[{}], [{ code: 1 }], [{ code: " " }], [{ code: "x".repeat(1_000_001) }]])(
  "input that is not code is a result the model can read (%#)",
  async (input) => {
    const { seen, calls } = await run({ input });
    expect(calls).toEqual([]);
    expect(seen).toMatchObject([
      { type: "rejected", errorCode: "invalid_tool_input" },
      { type: "result", isError: true, output: null },
    ]);
  },
);

test.each([
  [
    new GatewayError("overloaded", "64 containers are in use."),
    "too_many_requests",
    "64 containers",
  ],
  [new GatewayError("not_found", "The container is gone."), "unavailable", "is gone"],
  [new Error("secret detail"), "unavailable", "the sandbox failed"],
])(
  "a container that cannot be had is told, without detail that is not for clients (%#)",
  async (failure, errorCode, words) => {
    const { seen, failures } = await run({ input: { code: "1" }, failure });
    expect(seen[0]).toMatchObject({
      type: "rejected",
      errorCode,
      message: expect.stringContaining(words),
    });
    expect(seen[1]).toMatchObject({ type: "result", isError: true });
    expect(failures).toEqual(failure instanceof GatewayError ? [] : [failure]);
  },
);

test("the end of the request is thrown", async () => {
  const signal = AbortSignal.abort(new Error("client gone"));
  await expect(run({ input: { code: "1" }, failure: new Error("x"), signal })).rejects.toThrow(
    "client gone",
  );
});

test("files are kept under ids where there is a place for them", async () => {
  const saved: string[] = [];
  const save = async (file: OutputFile) => `file_${saved.push(file.filename)}`;
  const file: ExecutionEvent = {
    type: "file",
    file: { filename: "a.csv", mimeType: "text/csv", bytes: Buffer.from("a"), displayed: false },
  };
  const { seen } = await run({ input: { code: "1" }, events: [file, DONE], save });
  expect(saved).toEqual(["a.csv"]);
  expect(seen.at(-1)).toMatchObject({ output: { fileIds: ["file_1"] } });
});

test.each([
  [new GatewayError("storage_full", "The disk is full."), "The disk is full."],
  [new Error("secret detail"), "Something went wrong while it was stored."],
])("a file that cannot be kept costs the execution nothing else (%#)", async (failure, words) => {
  const save = async (): Promise<string> => {
    throw failure;
  };
  const file: ExecutionEvent = {
    type: "file",
    file: { filename: "a.csv", mimeType: "text/csv", bytes: Buffer.from("a"), displayed: false },
  };
  const { seen, failures } = await run({
    input: { code: "1" },
    events: [{ type: "stdout", text: "42\n" }, file, DONE],
    save,
  });
  expect(seen.at(-1)).toMatchObject({
    type: "result",
    isError: false,
    output: {
      stdout: "42\n",
      stderr: `[a.csv could not be kept: ${words}]\n`,
      returnCode: 0,
      fileIds: [],
    },
  });
  expect(failures).toEqual(failure instanceof GatewayError ? [] : [failure]);
});
