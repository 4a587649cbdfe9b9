import { expect, test } from "vitest";

import { GatewayError } from "../errors.ts";
import { toErrorAnswer } from "../wire/errors.ts";
import { streamExecution } from "./execution-stream.ts";
import type { WholePart } from "./execution.ts";

const stdout: WholePart = { event: "stdout", data: { type: "stdout", text: "x" } };

test("a silent program's stream has pings, and an error is its last event", async () => {
  const program = Promise.withResolvers<void>();
  async function* parts(): AsyncGenerator<WholePart, void, void> {
    yield stdout;
    await program.promise;
    throw new GatewayError("overloaded", "Too much.");
  }
  const { reader } = start(parts(), { pingMs: 1, stallMs: 60_000 });
  expect(await read(reader)).toBe('event: stdout\ndata: {"type":"stdout","text":"x"}\n\n');
  expect(await read(reader)).toBe('event: ping\ndata: {"type":"ping"}\n\n');
  program.resolve();
  let last: string | undefined;
  for (let text = await read(reader); text !== undefined; text = await read(reader)) last = text;
  expect(last).toContain('event: error\ndata: {"type":"error","error":{"type":"overloaded_error"');
});

test("a program waits for its reader, and a reader that takes nothing is given up", async () => {
  let produced = 0;
  async function* parts(): AsyncGenerator<WholePart, void, void> {
    for (; ; produced += 1) yield stdout;
  }
  const { reader, abort } = start(parts(), { pingMs: 60_000, stallMs: 20 });
  await read(reader);
  await new Promise((resolve) => abort.signal.addEventListener("abort", resolve));
  expect(produced).toBeLessThan(4);
  await expect(read(reader)).rejects.toThrow("took nothing");
});

function start(
  parts: AsyncGenerator<WholePart, void, void>,
  options: { pingMs: number; stallMs: number },
) {
  const abort = new AbortController();
  const toEnvelope = (error: unknown) => toErrorAnswer(error, "req_1").body;
  const answer = streamExecution(parts, { abort, toEnvelope, ...options });
  return { abort, reader: answer.body!.getReader() };
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string | undefined> {
  const { value } = await reader.read();
  return value && new TextDecoder().decode(value);
}
