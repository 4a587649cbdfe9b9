import { expect, test } from "vitest";

import {
  collectExecution,
  collectExecutionJson,
  withTexts,
  type ExecutionEnd,
  type ExecutionPart,
  type WholePart,
} from "./execution.ts";

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
  expect((await collectExecutionJson(run())).toString()).toBe(JSON.stringify(whole));
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
  await expect(collectExecutionJson(cut())).rejects.toThrow("without its last event");
});
