import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ChannelError } from "./channel.ts";
import { createFrameParser, isSanePng, parseKernelFrame } from "./protocol.ts";

const nothing = Buffer.alloc(0);
const png = (width: number, height: number) => {
  const bytes = Buffer.alloc(40);
  Buffer.from("89504e470d0a1a0a0000000d49484452", "hex").copy(bytes);
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  return bytes;
};
const display = (parts: [string, number][], payload: Buffer, metadata: object = {}) =>
  parseKernelFrame({
    header: { t: "display", kind: "display_data", parts, metadata },
    payload,
    start: 0,
  });

test.each<[string, unknown]>([
  ["no object", 5],
  ["an unknown word", { t: "exec" }],
  ["a third stream", { t: "stream", s: 3, o: 0 }],
  ["an offset below zero", { t: "stream", s: 1, o: -1 }],
  ["an offset beyond the integers", { t: "stream", s: 1, o: 1e300 }],
  [
    "a part that is longer than the payload",
    { t: "display", kind: "display_data", parts: [["text/plain", 1]], metadata: {} },
  ],
  [
    "sixty-five parts",
    {
      t: "display",
      kind: "display_data",
      parts: Array.from({ length: 65 }, () => ["a/b", 0]),
      metadata: {},
    },
  ],
  [
    "a return code above a byte",
    {
      t: "done",
      n: 1,
      status: "ok",
      code: 256,
      wall: 0,
      cpu: 0,
      peak: 0,
      files: false,
      shown: [],
      truncated: false,
      rollback: false,
      same: false,
    },
  ],
])("%s is a ChannelError", (_name, header) => {
  expect(() => parseKernelFrame({ header, payload: nothing, start: 0 })).toThrow(ChannelError);
});

test("the parts of a frame are placed by where they begin, and a header of another is checked", () => {
  const parse = createFrameParser(true);
  const header = { t: "stream", s: 2, o: 100 };
  const offsetOf = (start: number, of: unknown = header) => {
    const event = parse({ header: of, payload: nothing, start });
    return event.type === "stream" ? event.offset : null;
  };
  expect([offsetOf(0), offsetOf(70), offsetOf(90)]).toEqual([100, 170, 190]);
  expect(() => offsetOf(95, { t: "stream", s: 3, o: 0 })).toThrow(ChannelError);
});

test("any JSON gives an event or a ChannelError", () => {
  const words = fc.constantFrom("ready", "restored", "stream", "display", "error", "calls", "done");
  const fields = fc.dictionary(
    fc.constantFrom("s", "o", "n", "kind", "calls", "parts", "metadata", "name", "code", "shown"),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(words, fields, fc.uint8Array({ maxLength: 64 }), (t, rest, payload) => {
      let failure: unknown = null;
      try {
        parseKernelFrame({ header: { ...rest, t }, payload: Buffer.from(payload), start: 0 });
      } catch (error) {
        failure = error;
      }
      expect(failure === null || failure instanceof ChannelError).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("half a million bad parts are refused at once", () => {
  const started = performance.now();
  const header = {
    t: "display",
    kind: "display_data",
    parts: Array(500_000).fill(1),
    metadata: {},
  };
  expect(() => parseKernelFrame({ header, payload: nothing, start: 0 })).toThrow(ChannelError);
  expect(performance.now() - started).toBeLessThan(200);
});

test("metadata too deep to be written again is left out", () => {
  let deep: object = {};
  for (let depth = 0; depth < 50_000; depth += 1) deep = { deep };
  const event = display([["text/plain", 1]], Buffer.from("x"), deep);
  expect(event).toMatchObject({ data: { "text/plain": "x" }, metadata: {} });
  expect(display([], nothing, { isolated: { width: 3 } })).toMatchObject({
    metadata: { isolated: { width: 3 } },
  });
});

test.each([
  ["a PNG", "image/png", png(10, 10), true],
  ["a PNG of fifty thousand pixels squared", "image/png", png(50_000, 50_000), false],
  ["text that says it is a PNG", "image/png", Buffer.from("<script>"), false],
  ["a JPEG that is a GIF", "image/jpeg", Buffer.from("GIF89a........"), false],
  [
    "a GIF of four billion pixels",
    "image/gif",
    Buffer.from("474946383961ffffffff000000", "hex"),
    false,
  ],
  ["a small GIF", "image/gif", Buffer.from("4749463839610a000a00000000", "hex"), true],
  [
    "a JPEG of four billion pixels",
    "image/jpeg",
    Buffer.from("ffd8ffc0001108ffffffff03012200021101031101", "hex"),
    false,
  ],
  [
    "a small JPEG",
    "image/jpeg",
    Buffer.from("ffd8ffe000044a46ffc0001108000a000a03012200021101031101", "hex"),
    true,
  ],
  [
    "a WebP of sixteen thousand pixels squared",
    "image/webp",
    Buffer.from("524946460000000057454250565038580a00000000000000ffffffffffff", "hex"),
    false,
  ],
])("%s", (_name, mime, bytes, shown) => {
  const event = display([[mime, bytes.length]], bytes);
  expect(event.type === "display" && mime in event.data).toBe(shown);
});

test.each([
  "image/png; charset=x",
  "text",
  "TEXT/HTML",
  "a/b\nc",
  `text/${"x".repeat(1000)}`,
  "__proto__",
])("the MIME type %j is left out", (mime) => {
  expect(display([[mime, 1]], Buffer.from("x"))).toMatchObject({ data: {} });
});

test("a PNG needs a size", () => {
  expect(isSanePng(png(0, 5))).toBe(false);
});

describe("calls of functions", () => {
  const callsOf = (inputs: string[], lengths = inputs.map((input) => Buffer.byteLength(input))) => {
    const payload = Buffer.from(inputs.join(""));
    const list = lengths.map((length, index) => [index + 1, "query", length]);
    const event = parseKernelFrame({
      header: { t: "calls", n: 1, calls: list },
      payload,
      start: 0,
    });
    return event.type === "calls" ? event.calls.map(({ input }) => input) : null;
  };

  test.each([
    ["an object", '{"sql": "é"}', { sql: "é" }],
    ["a list", "[1]", null],
    ["a number", "1", null],
    ["null", "null", null],
    ["no JSON", "{", null],
    ["nothing", "", null],
    ["an object too deep", `{"a":${"[".repeat(80)}${"]".repeat(80)}}`, null],
    ["one far too deep", `{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`, null],
    ["one too large", `{"a":"${"x".repeat(1 << 20)}"}`, null],
  ])("%s", (_, input, expected) => {
    expect(callsOf([input, "{}"])).toEqual([expected, {}]);
  });

  test("a call longer than its frame ends the channel", () => {
    expect(() => callsOf(["{}"], [3])).toThrow(ChannelError);
  });
});

test("any bytes under any name of a picture give a picture that is one, or none", () => {
  const mimes = fc.constantFrom("image/png", "image/jpeg", "image/gif", "image/webp");
  const beginnings = fc.constantFrom(
    "",
    "89504e470d0a1a0a0000000d49484452",
    "ffd8ffe000104a464946",
    "474946383961",
    "524946460000000057454250565038580a000000",
  );
  fc.assert(
    fc.property(mimes, beginnings, fc.uint8Array({ maxLength: 60 }), (mime, hex, rest) => {
      const bytes = Buffer.concat([Buffer.from(hex, "hex"), rest]);
      const event = display([[mime, bytes.length]], bytes);
      const shown = event.type === "display" ? event.data[mime] : undefined;
      // Base64 of something that begins as its type does.
      expect(shown ?? "iVBORw0KGgo").toMatch(/^(iVBORw0KGg|\/9j\/|R0lGOD|UklGR)/);
    }),
    { numRuns: 1000 },
  );
});

test("any bundle gives strings under sane names, and no more bytes than it had", () => {
  const names = fc.oneof(
    fc.constantFrom("text/plain", "image/svg+xml", "application/json", "__proto__", "constructor"),
    fc.string({ maxLength: 30 }),
  );
  const parts = fc.array(fc.tuple(names, fc.integer({ min: 0, max: 20 })), { maxLength: 8 });
  fc.assert(
    fc.property(parts, fc.uint8Array({ maxLength: 120 }), (list, payload) => {
      let event: ReturnType<typeof display> | null = null;
      try {
        event = display(list, Buffer.from(payload));
      } catch (error) {
        expect(error).toBeInstanceOf(ChannelError);
      }
      const entries = event?.type === "display" ? Object.entries(event.data) : [];
      for (const [name, value] of entries) {
        expect(name).toMatch(/^[a-z0-9.+-]+\/[a-z0-9.+-]+$/);
        expect(typeof value).toBe("string");
      }
      const bytes = entries.reduce((sum, [, value]) => sum + value.length, 0);
      expect(bytes).toBeLessThanOrEqual(2 * payload.length + 4 * list.length);
    }),
    { numRuns: 1000 },
  );
});
