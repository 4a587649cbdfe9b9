import type { Socket } from "node:net";
import { duplexPair, type Duplex } from "node:stream";

import fc from "fast-check";
import { expect, test } from "vitest";

import { encodeFrame } from "../kernel/channel.ts";
import { createKeeper, type KeeperEvent } from "./keeper.ts";

const PAYLOAD_BYTES_MAX = 1 << 16;

function connect() {
  const [ours, theirs] = duplexPair();
  const keeper = createKeeper(ours as unknown as Socket, PAYLOAD_BYTES_MAX);
  const events: KeeperEvent[] = [];
  keeper.onEvent = (event) => events.push(event);
  theirs.on("error", () => {});
  theirs.resume();
  return { keeper, events, theirs };
}

async function settle(stream: Duplex): Promise<void> {
  stream.end();
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}

const words = fc.constantFrom(
  "died",
  "memory",
  "failed",
  "tail",
  "command_output",
  "command_done",
  "unknown",
);
const header = fc
  .tuple(
    fc.option(words, { nil: undefined }),
    fc.dictionary(
      fc.constantFrom(
        "re",
        "refused",
        "message",
        "signal",
        "code",
        "memory",
        "n",
        "cell",
        "s",
        "o",
      ),
      fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.integer({ min: 0, max: 3 }), fc.boolean()),
    ),
  )
  .map(([ev, fields]) => (ev === undefined ? fields : { ev, ...fields }));
const frame = fc
  .tuple(header, fc.uint8Array({ maxLength: 200 }))
  .map(([fields, payload]) => encodeFrame(fields, payload));
const noise = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
const huge = fc.constantFrom(
  Buffer.from("4000000040000000", "hex"),
  Buffer.from("00000002ffffffff7b7d", "hex"),
);
const pieces = fc.array(
  fc.oneof({ arbitrary: frame, weight: 6 }, { arbitrary: noise, weight: 1 }, huge),
  { maxLength: 12 },
);

test("whatever a keeper says, each request settles once and the server goes on", async () => {
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 40 }), async (list, cut) => {
      const { keeper, events, theirs } = connect();
      const answers = [keeper.request("list"), keeper.request("get"), keeper.request("put")].map(
        (answer) =>
          answer.then(
            () => "settled",
            () => "settled",
          ),
      );
      const bytes = Buffer.concat(list);
      for (let at = 0; at < bytes.length; at += cut) theirs.write(bytes.subarray(at, at + cut));
      await settle(theirs);
      keeper.close();
      expect(await Promise.all(answers)).toEqual(["settled", "settled", "settled"]);
      for (const event of events) expect(typeof event.type).toBe("string");
      expect(events.filter(({ type }) => type === "closed").length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 300 },
  );
});

test("a frame of a gigabyte ends the connection before it is kept", async () => {
  const { keeper, events, theirs } = connect();
  const answer = keeper.request("list").catch((error: unknown) => error);
  theirs.write(Buffer.from("0000000240000000", "hex"));
  await settle(theirs);
  expect(await answer).toBeInstanceOf(Error);
  expect(events.map(({ type }) => type)).toEqual(["closed"]);
});
