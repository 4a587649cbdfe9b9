import fc from "fast-check";
import { expect, test } from "vitest";

import { createCitationMarks, type CitedText } from "./citation-marks.ts";

const KNOWN = 3;

function cite(pieces: readonly string[]): CitedText[] {
  const marks = createCitationMarks((number) => number >= 1 && number <= KNOWN);
  return [...pieces.flatMap((piece) => marks.push(piece)), ...marks.flush()];
}

const plain = (text: string): CitedText => ({ text, sources: [] });

test.each<[string, string, CitedText[]]>([
  [
    "a mark before the full stop",
    "It rose [1]. Next.",
    [{ text: "It rose.", sources: [1] }, plain(" Next.")],
  ],
  ["a mark behind it", "It rose. [2] Next.", [{ text: "It rose.", sources: [2] }, plain(" Next.")]],
  [
    "right at it",
    "It rose.[2][1]\nNext",
    [{ text: "It rose.", sources: [2, 1] }, plain("\n"), plain("Next")],
  ],
  ["several in one", "It rose [1, 3].", [{ text: "It rose.", sources: [1, 3] }]],
  ["a number that is no source's", "It rose [7].", [plain("It rose [7].")]],
  ["one known of two", "It rose [1, 7].", [plain("It rose [1, 7].")]],
  ["a link", "See [1](https://a.org).", [plain("See [1](https://a.org).")]],
  ["inline code", "Use `x [1]` here.", [plain("Use `x [1]` here.")]],
  ["a code block", "```\nx = y [1]\n```\n", [plain("```\n"), plain("x = y [1]\n"), plain("```\n")]],
  ["a decimal number", "It cost 3.50 then [1]!", [{ text: "It cost 3.50 then!", sources: [1] }]],
  [
    "no blanks between sentences",
    "価格は上がった。[1]次",
    [{ text: "価格は上がった。", sources: [1] }, plain("次")],
  ],
  ["a mark alone", "[1]\n", [plain("[1]\n")]],
  [
    "a list",
    "- a [1]\n- b [2]\n",
    [
      { text: "- a\n", sources: [1] },
      { text: "- b\n", sources: [2] },
    ],
  ],
])("%s", (_name, text, expected) => {
  expect(cite([text])).toEqual(expected);
  // However it is cut.
  expect(cite(text.split(""))).toEqual(expected);
});

test("text without marks of sources goes through to the letter, however it is cut", () => {
  const piece = fc.string({
    unit: fc.constantFrom("a", " ", ".", "[", "]", "9", "\n", "`", "。", "é"),
  });
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const found = cite(pieces);
      expect(found.map(({ text }) => text).join("")).toBe(pieces.join(""));
      expect(found.every(({ sources }) => sources.length === 0)).toBe(true);
    }),
  );
});

test("a text without an end is not held back for ever", () => {
  const marks = createCitationMarks(() => true);
  let given = 0;
  for (let index = 0; index < 1000; index += 1)
    for (const { text } of marks.push("word ".repeat(10))) given += text.length;
  expect(given).toBeGreaterThan(45_000);
});
