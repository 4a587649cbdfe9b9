import fc from "fast-check";
import { expect, test } from "vitest";

import { createEscape } from "./json-escape.ts";

const escape = createEscape();
const plain = (text: string) => JSON.stringify(text).slice(1, -1);

test.each([
  ["nothing", ""],
  ["each byte below 128", String.fromCharCode(...Array.from({ length: 128 }, (_, code) => code))],
  ["only what is escaped", '\n"\\\u0000'.repeat(30_000)],
  ["three bytes a character, across the room for one pass", `a${"€".repeat(70_000)}`],
  ["characters of two halves, across it", `abc${"\u{1F600}".repeat(40_000)}`],
  ["half a character", "a\ud800b\n"],
  ["line separators", "\u2028\u2029\u007f"],
])("%s is written as JSON.stringify writes it", (_name, text) => {
  expect(escape(text).toString() === plain(text)).toBe(true);
});

test("so is any text, of any length and at any place in a vector", () => {
  const character = fc.oneof(
    fc.constantFrom('"', "\\", "\n", "\u0001", "\u001f", "é", "€", "\u{1F600}"),
    fc.integer({ min: 0, max: 40 }).map((length) => "x".repeat(length)),
  );
  fc.assert(
    fc.property(fc.array(character, { maxLength: 40 }), (parts) => {
      const text = parts.join("");
      expect(escape(text).toString()).toBe(plain(text));
    }),
    { numRuns: 500 },
  );
});
