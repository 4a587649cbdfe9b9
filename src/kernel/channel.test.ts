import fc from "fast-check";
import { expect, test } from "vitest";

import { ChannelError, encodeFrame, FrameReader, type Frame } from "./channel.ts";

const limits = { headerBytes: 4096, payloadBytes: 65_536 };
const token = Buffer.from("f1e2d3c4b5a69788796a5b4c3d2e1f00", "hex");
const frames = fc.array(
  fc.record({
    header: fc.dictionary(fc.string({ maxLength: 8 }), fc.integer(), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
    payload: fc.uint8Array({ maxLength: 3000 }),
  }),
  { minLength: 1, maxLength: 6 },
);
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

function split(bytes: Buffer, at: number[]): Buffer[] {
  const places = [...new Set(at.map((share) => Math.floor(share * bytes.length)))].toSorted(
    (a, b) => a - b,
  );
  return [0, ...places].map((start, index) =>
    Buffer.from(bytes.subarray(start, places[index] ?? bytes.length)),
  );
}

function failureOf(action: () => unknown): unknown {
  try {
    action();
    return null;
  } catch (error) {
    return error;
  }
}

const isAllowed = (error: unknown) => error === null || error instanceof ChannelError;

function readAll(reader: FrameReader, chunks: Buffer[]): Frame[] {
  return chunks.flatMap((chunk) => reader.read(chunk));
}

const encodeAll = (list: { header: object; payload: Uint8Array }[]) =>
  Buffer.concat(list.map(({ header, payload }) => encodeFrame(header, payload)));

test("frames come out as they went in, wherever the stream is cut", () => {
  fc.assert(
    fc.property(frames, cuts, (list, places) => {
      const read = readAll(new FrameReader(limits, token), split(encodeAll(list), places));
      expect(
        read.map(({ header, payload }) => ({ header, payload: new Uint8Array(payload) })),
      ).toEqual(list);
    }),
  );
});

test("of frames in parts each byte comes once and in order, and no part but the last is small", () => {
  const large = fc.record({
    header: fc.record({ t: fc.constantFrom("stream", "done") }),
    payload: fc
      .integer({ min: 0, max: 200_000 })
      .map((size) => Uint8Array.from({ length: size }, (_, at) => at % 251)),
  });
  const inParts = (header: unknown) => (header as { t: string }).t === "stream";
  fc.assert(
    fc.property(fc.array(large, { minLength: 1, maxLength: 4 }), cuts, (list, places) => {
      const reader = new FrameReader({ headerBytes: 4096, payloadBytes: 200_000, inParts }, token);
      const joined: { header: unknown; payload: Buffer }[] = [];
      let sizes: number[] = [];
      for (const { header, payload, start } of readAll(reader, split(encodeAll(list), places))) {
        if (start === 0) {
          sizes = [];
          joined.push({ header, payload: Buffer.alloc(0) });
        }
        const frame = joined.at(-1)!;
        expect(header).toEqual(frame.header);
        expect(start).toBe(frame.payload.length);
        expect(sizes.every((size) => size >= 32_768)).toBe(true);
        sizes.push(payload.length);
        frame.payload = Buffer.concat([frame.payload, payload]);
      }
      expect(joined).toHaveLength(list.length);
      for (const [index, { header, payload }] of list.entries()) {
        expect(joined[index]!.header).toEqual(header);
        expect(joined[index]!.payload.equals(payload)).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
});

test("one byte at a time costs no more memory than the bytes", () => {
  const frame = encodeFrame({ t: "stream" }, Buffer.alloc(60_000, 1));
  const reader = new FrameReader(limits, token);
  const read = Array.from(frame, (byte) => reader.read(Buffer.of(byte))).flat();
  expect(read).toHaveLength(1);
  expect(read[0]!.payload).toHaveLength(60_000);
});

test("after a cut frame the token brings the reader in step again, wherever the stream is cut", () => {
  fc.assert(
    fc.property(
      frames,
      frames,
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      cuts,
      (dead, alive, share, places) => {
        const first = encodeAll(dead);
        const cut = first.subarray(0, Math.floor(share * first.length));
        const read = readAll(
          new FrameReader(limits, token),
          split(Buffer.concat([cut, token, encodeAll(alive)]), places),
        );
        expect(read.slice(-alive.length).map(({ header }) => header)).toEqual(
          alive.map(({ header }) => header),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test.each([
  ["a header of 4 GB", Buffer.from("ffffffff00000000", "hex")],
  ["a payload of 4 GB", Buffer.from("00000002ffffffff7b7d", "hex")],
  ["a header that is not JSON", Buffer.from("00000002000000007b7b", "hex")],
])("%s is refused, what follows is dropped, and the token helps", (_name, bytes) => {
  const reader = new FrameReader(limits, token);
  expect(() => reader.read(bytes)).toThrow(ChannelError);
  expect(reader.read(encodeFrame({ t: "done" }))).toEqual([]);
  expect(reader.read(Buffer.alloc(1 << 20, 7))).toEqual([]);
  expect(reader.read(Buffer.concat([token, encodeFrame({ t: "ready" })]))).toHaveLength(1);
});

test("random bytes give frames or a ChannelError, nothing else", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
      const reader = new FrameReader(limits, token);
      for (const chunk of chunks) {
        expect(failureOf(() => reader.read(Buffer.from(chunk)))).toSatisfy(isAllowed);
      }
    }),
  );
});

test("a reader that was told to give up hears nothing until the token", () => {
  const reader = new FrameReader(limits, token);
  reader.lose();
  expect(reader.read(encodeFrame({ t: "ready" }))).toEqual([]);
  const rest = Buffer.concat([token.subarray(5), encodeFrame({ t: "ready" })]);
  expect([...reader.read(token.subarray(0, 5)), ...reader.read(rest)]).toHaveLength(1);
});
