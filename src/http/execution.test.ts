import { expect, test } from "vitest";

import {
  collectExecution,
  withTexts,
  type ExecutionEnd,
  type ExecutionPart,
  type WholePart,
} from "./execution.ts";
import { toExecutionBody } from "./execution-body.ts";
import { createEscape } from "./json-escape.ts";

const end: ExecutionEnd = {
  type: "execution",
  id: "exec_1",
  status: "ok",
  return_code: 0,
  outputs: [{ type: "display_data", data: { "text/plain": 'a "b"' }, metadata: {} }],
  error: null,
  files: [],
  usage: { wall_ms: 1, cpu_ms: 2, peak_memory_bytes: 3 },
  truncated: false,
  notice: null,
};

const escape = createEscape();
const options = { escape, onFailure() {} };
const noting = (failures: unknown[]) => ({
  escape,
  onFailure: (error: unknown) => void failures.push(error),
});

async function* run(): AsyncGenerator<ExecutionPart, void, void> {
  yield say("stdout", 'plain, "quoted", \\ and €\n');
  yield say("stderr", "\u0000\u001b[31m red \u{1F600}");
  yield say("stdout", "\t\u2028 the end");
  yield { event: "done", data: end };
}

function say(type: "stdout" | "stderr", text: string): ExecutionPart {
  return { event: type, data: { type, text } };
}

test("the JSON that is made in pieces is that of the whole execution, field by field in order", async () => {
  const whole = await collectExecution(run());
  expect(whole.stdout).toBe('plain, "quoted", \\ and €\n\t\u2028 the end');
  const body = await toExecutionBody(run(), options);
  expect(await new Response(body).text()).toBe(JSON.stringify(whole));
});

const LARGE = '€ "\n'.repeat(300_000);

async function* runLarge(): AsyncGenerator<ExecutionPart, void, void> {
  yield say("stderr", "before \n");
  yield say("stdout", LARGE);
  yield say("stderr", "between");
  yield say("stdout", LARGE);
  yield { event: "done", data: end };
}

test("a large answer begins to leave before its end, and has the same fields", async () => {
  const beyond = Promise.withResolvers<void>();
  async function* held(): AsyncGenerator<ExecutionPart, void, void> {
    for await (const part of runLarge()) {
      if (part.event === "done") await beyond.promise;
      yield part;
    }
  }
  const body = await toExecutionBody(held(), options);
  expect(body).toBeInstanceOf(ReadableStream);
  beyond.resolve();
  const json = (await new Response(body).json()) as object;
  expect(json).toEqual(await collectExecution(runLarge()));
});

test("an answer that has begun to leave ends with a failure, which is reported", async () => {
  async function* failing(): AsyncGenerator<ExecutionPart, void, void> {
    yield say("stdout", LARGE);
    throw new Error("no disk");
  }
  const failures: unknown[] = [];
  const body = await toExecutionBody(failing(), noting(failures));
  await expect(new Response(body).text()).rejects.toThrow("no disk");
  expect(failures).toEqual([new Error("no disk")]);
});

test.each([
  ["small", run],
  ["large", runLarge],
])("a %s answer lets go of what it was made from", async (_name, parts) => {
  let isFreed = false;
  async function* watched(): AsyncGenerator<ExecutionPart, void, void> {
    try {
      yield* parts();
    } finally {
      isFreed = true;
    }
  }
  await new Response(await toExecutionBody(watched(), options)).text();
  expect(isFreed).toBe(true);
});

test("code whose reader has gone is followed to its end all the same", async () => {
  const ended = Promise.withResolvers<void>();
  async function* watched(): AsyncGenerator<ExecutionPart, void, void> {
    try {
      yield* runLarge();
    } finally {
      ended.resolve();
    }
  }
  const failures: unknown[] = [];
  const body = await toExecutionBody(watched(), noting(failures));
  await (body as ReadableStream<Uint8Array>).cancel();
  await ended.promise;
  expect(failures).toEqual([]);
});

test("a stream's last part has what was printed", async () => {
  const parts: WholePart[] = [];
  for await (const part of withTexts(run())) parts.push(part);
  expect(parts.map(({ event }) => event)).toEqual(["stdout", "stderr", "stdout", "done"]);
  expect(parts.at(-1)!.data).toEqual(await collectExecution(run()));
});

test("an execution that ends without its last event is a fault", async () => {
  async function* cut(): AsyncGenerator<ExecutionPart, void, void> {
    yield say("stdout", "x");
  }
  await expect(collectExecution(cut())).rejects.toThrow("without its last event");
  await expect(toExecutionBody(cut(), options)).rejects.toThrow("without its last event");
});
