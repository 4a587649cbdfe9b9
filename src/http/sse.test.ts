import { expect, test, vi } from "vitest";

import type { WireEvent } from "../wire/events.ts";
import { toEventStream, type EventStreamOptions } from "./sse.ts";

const STOP: WireEvent = { type: "message_stop" };
const text = (words: string): WireEvent => ({
  type: "content_block_delta",
  index: 0,
  delta: { type: "text_delta", text: words },
});

interface Ended {
  ends: [string, unknown][];
  closed: boolean;
}

function open(
  source: () => AsyncGenerator<WireEvent, void>,
  more: Partial<EventStreamOptions> = {},
) {
  const ended: Ended = { ends: [], closed: false };
  async function* watched(): AsyncGenerator<WireEvent, void> {
    try {
      yield* source();
    } finally {
      ended.closed = true;
    }
  }
  const iterator = watched();
  const stream = toEventStream(iterator.next(), iterator, {
    pingMs: 60_000,
    stallMs: 60_000,
    toError: (thrown) => ({
      type: "error",
      error: { type: "api_error", message: (thrown as Error).message },
      request_id: "req_1",
    }),
    onEnd: (end, cause) => void ended.ends.push([end, cause]),
    ...more,
  });
  return { stream, ended };
}

const read = (stream: ReadableStream<Uint8Array>) => new Response(stream).text();

test("every event has its name and its data", async () => {
  const { stream, ended } = open(async function* () {
    yield text("a\nb");
    yield STOP;
  });
  expect(await read(stream)).toBe(
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\nb"}}\n\n' +
      'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  );
  expect(ended).toEqual({ ends: [["whole", undefined]], closed: true });
});

test("an error is the last event", async () => {
  const failure = new Error("upstream is gone");
  const { stream, ended } = open(async function* () {
    yield text("a");
    throw failure;
  });
  expect(await read(stream)).toMatch(
    /\n\nevent: error\ndata: \{"type":"error","error":\{"type":"api_error","message":"upstream is gone"\},"request_id":"req_1"\}\n\n$/,
  );
  expect(ended.ends).toEqual([["failed", failure]]);
});

test("silence is filled with pings", async () => {
  const going = Promise.withResolvers<void>();
  const { stream } = open(
    async function* () {
      yield text("a");
      await going.promise;
      yield STOP;
    },
    { pingMs: 5 },
  );
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const seen: string[] = [];
  for (;;) {
    const step = await reader.read();
    if (step.done) break;
    seen.push(decoder.decode(step.value).split("\n")[0] ?? "");
    if (seen.length === 3) going.resolve();
  }
  expect(seen.slice(0, 3)).toEqual(["event: content_block_delta", "event: ping", "event: ping"]);
  expect(seen.at(-1)).toBe("event: message_stop");
});

test("a reader that leaves closes the turn", async () => {
  const { stream, ended } = open(async function* () {
    for (;;) yield text("a");
  });
  const reader = stream.getReader();
  await reader.read();
  await reader.cancel();
  expect(ended.ends).toEqual([["gone", undefined]]);
  await vi.waitFor(() => expect(ended.closed).toBe(true));
});

test("a reader that takes nothing pauses the turn, and is given up after a while", async () => {
  let made = 0;
  const { stream, ended } = open(
    async function* () {
      for (;;) {
        made += 1;
        yield text("x".repeat(10_000));
      }
    },
    { stallMs: 20, pingMs: 5 },
  );
  await vi.waitFor(() => expect(ended.ends).toEqual([["stalled", undefined]]));
  expect(made).toBeLessThan(10);
  await vi.waitFor(() => expect(ended.closed).toBe(true));
  await expect(read(stream)).rejects.toThrow("took nothing for too long");
});

test("a slow reader that does come back gets everything", async () => {
  const { stream } = open(
    async function* () {
      for (let number = 0; number < 50; number++) yield text("x".repeat(10_000));
      yield STOP;
    },
    { stallMs: 1000 },
  );
  await new Promise(setImmediate);
  expect((await read(stream)).split("event: content_block_delta")).toHaveLength(51);
});
