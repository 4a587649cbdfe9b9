/** Streams that a client stumbles over, each with one thing wrong, and one with nothing wrong. */
import { expect, test } from "vitest";

import { foldStream, readStream } from "./stream.ts";
import { Failure } from "./verdict.ts";

const head = {
  type: "message",
  id: "msg_01",
  role: "assistant",
  model: "some-model",
  stop_sequence: null,
  content: [],
  stop_reason: null,
  usage: { input_tokens: 10, output_tokens: 1 },
};
const start = { type: "message_start", message: head };
const text = { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } };
const words = {
  type: "content_block_delta",
  index: 0,
  delta: { type: "text_delta", text: "Hello." },
};
const close = { type: "content_block_stop", index: 0 };
const container = { id: "container_01", expires_at: "2026-04-24T11:13:36.730129Z" };
const delta = {
  type: "message_delta",
  delta: { stop_reason: "end_turn", stop_sequence: null, container },
  usage: { output_tokens: 5 },
};
const stop = { type: "message_stop" };
const use = {
  type: "content_block_start",
  index: 0,
  content_block: {
    type: "server_tool_use",
    id: "srvtoolu_01",
    name: "code_execution",
    input: {},
  },
};
const input = (partial_json: string): object => ({
  type: "content_block_delta",
  index: 0,
  delta: { type: "input_json_delta", partial_json },
});
const good = [start, text, words, close, delta, stop];

function encode(events: readonly object[], eventLine = true): ReadableStream<Uint8Array> {
  const lines = events.map((event) => {
    const { type } = event as { type: string };
    return `${eventLine ? `event: ${type}\n` : ""}data: ${JSON.stringify(event)}\n\n`;
  });
  return new Response(lines.join("")).body!;
}

const fold = async (events: readonly object[]) => foldStream(await readStream(encode(events)));

test("a stream folds into its message", async () => {
  const { message } = await fold([start, { type: "ping" }, text, words, close, delta, stop]);
  expect(message).toEqual({
    ...head,
    content: [{ type: "text", text: "Hello." }],
    stop_reason: "end_turn",
    container,
    usage: { input_tokens: 10, output_tokens: 5 },
  });
});

test("input comes in pieces, also behind an empty one", async () => {
  const { message } = await fold([
    start,
    use,
    input(""),
    input('{"code": '),
    input('"1"}'),
    close,
    delta,
    stop,
  ]);
  expect(message.content).toEqual([{ ...use.content_block, input: { code: "1" } }]);
});

test("calls of running code may stand in message_start", async () => {
  const call = { type: "tool_use", id: "toolu_01", name: "f", input: {} };
  const message = { ...head, content: [call], stop_reason: "tool_use", container };
  expect((await fold([{ type: "message_start", message }, stop])).message.content).toEqual([call]);
});

test("without event: lines official clients see nothing", async () => {
  await expect(readStream(encode(good, false))).rejects.toThrow("no event: line");
});

test.each<[string, object[], RegExp]>([
  ["no start", good.slice(1), /first event/],
  ["no message_stop", good.slice(0, -1), /last event/],
  ["no message_delta", [start, text, words, close, stop], /no message_delta/],
  ["an open block", [start, text, words, delta, stop], /never closed/],
  ["two starts", [start, start, ...good.slice(1)], /message_start/],
  [
    "a delta without usage",
    [start, text, close, { type: "message_delta", delta: delta.delta }, stop],
    /usage/,
  ],
  [
    "an index that jumps",
    [start, { ...text, index: 1 }, { ...close, index: 1 }, delta, stop],
    /another index/,
  ],
  ["an unknown event", [start, { type: "tool_progress" }, ...good.slice(1)], /tool_progress/],
  [
    "an unknown block",
    [start, { ...text, content_block: { type: "code_execution_result" } }, close, delta, stop],
    /content_block_start/,
  ],
  [
    "an invented delta",
    [
      start,
      text,
      { ...words, delta: { type: "bash_result_delta", stdout: "" } },
      close,
      delta,
      stop,
    ],
    /content_block_delta/,
  ],
  [
    "a delta of another kind",
    [
      start,
      text,
      { ...words, delta: { type: "thinking_delta", thinking: "" } },
      close,
      delta,
      stop,
    ],
    /clients lose/,
  ],
  [
    "null citations",
    [
      start,
      { ...text, content_block: { type: "text", text: "", citations: null } },
      close,
      delta,
      stop,
    ],
    /citations/,
  ],
  [
    "an input that begins with a blank",
    [start, use, input(' {"code":"1"}'), close, delta, stop],
    /brace/,
  ],
  ["an empty input as a delta", [start, use, input("{}"), close, delta, stop], /empty input/],
  ["an input that is no JSON", [start, use, input('{"code":'), close, delta, stop], /not JSON/],
  [
    "a caller that clients do not know",
    [
      start,
      {
        ...use,
        content_block: {
          ...use.content_block,
          caller: { type: "code_execution_20260521", tool_id: "srvtoolu_02" },
        },
      },
      input('{"code":"1"}'),
      close,
      delta,
      stop,
    ],
    /caller/,
  ],
  [
    "an error event",
    [start, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }],
    /ended in an error/,
  ],
])("%s is found", async (_name, events, problem) => {
  const folded = fold(events);
  await expect(folded).rejects.toBeInstanceOf(Failure);
  await expect(folded).rejects.toThrow(problem);
});
