import fc from "fast-check";
import { expect, test } from "vitest";

import { findOccurrences, replaceOnce, splitLines, toHunk, viewLines } from "./text-edit.ts";

const TEN = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

test.each<[string, string, [number, number] | null, object | RegExp]>([
  ["the whole", "a\nb\n", null, { content: "a\nb", startLine: 1, lineCount: 2, totalLines: 2 }],
  ["without a final newline", "a\nb", null, { content: "a\nb", lineCount: 2, totalLines: 2 }],
  ["nothing", "", null, { content: "", startLine: 1, lineCount: 0, totalLines: 0 }],
  ["a range", TEN, [3, 5], { content: "3\n4\n5", startLine: 3, lineCount: 3, totalLines: 10 }],
  ["to the end", TEN, [9, -1], { content: "9\n10", startLine: 9, lineCount: 2 }],
  ["past the end", TEN, [9, 99], { content: "9\n10", lineCount: 2 }],
  ["the first of nothing", "", [1, -1], { content: "", lineCount: 0 }],
  ["from 0", TEN, [0, 5], /first must be from 1 to 10, not 0/],
  ["from beyond", TEN, [11, -1], /first must be from 1 to 10, not 11/],
  ["backwards", TEN, [5, 3], /last line must be -1 or at least the first, 5, not 3/],
])("a view of %s", (_name, text, range, expected) => {
  const viewed = viewLines(text, range);
  if (expected instanceof RegExp) expect(viewed).toMatch(expected);
  else expect(viewed).toMatchObject(expected);
});

test("a replacement is shown with three lines on each side", () => {
  expect(replaceOnce(TEN, "5\n6", "five\n6\nsix")).toEqual({
    text: "1\n2\n3\n4\nfive\n6\nsix\n7\n8\n9\n10\n",
    hunk: {
      oldStart: 2,
      oldLines: 8,
      newStart: 2,
      newLines: 9,
      lines: [" 2", " 3", " 4", "-5", "+five", " 6", "+six", " 7", " 8", " 9"],
    },
  });
});

test.each([
  [
    "at the beginning",
    "1\n",
    "one\n",
    { oldStart: 1, newStart: 1, lines: ["-1", "+one", " 2", " 3", " 4"] },
  ],
  [
    "at the end",
    "10\n",
    "ten",
    { oldStart: 7, oldLines: 4, newLines: 4, lines: [" 7", " 8", " 9", "-10", "+ten"] },
  ],
  ["with nothing", "2\n3\n", "", { oldLines: 6, newLines: 4 }],
  ["of everything", TEN, "", { oldStart: 1, oldLines: 10, newStart: 0, newLines: 0 }],
])("a replacement %s", (_name, old, next, hunk) => {
  expect(replaceOnce(TEN, old, next).hunk).toMatchObject(hunk);
});

test.each([
  ["a\nb\na\n", "a", [1, 3]],
  ["aaaa", "aa", [1, 1]],
  ["a\nb\n", "b\n", [2]],
  ["a", "x", []],
])("%j holds %j in lines %j", (text, wanted, lines) => {
  expect(findOccurrences(text, wanted)).toEqual(lines);
});

test("a hunk turns one text into the other, whatever they are", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c", ""), { maxLength: 14 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const { lines, oldStart, newStart, oldLines, newLines } = toHunk(before, after);
      const strip = (sign: string): string[] =>
        lines.filter((line) => !line.startsWith(sign)).map((line) => line.slice(1));
      const start = Math.max(oldStart, 1) - 1;
      expect(strip("+")).toEqual(
        before.slice(
          oldLines === 0 ? oldStart : start,
          (oldLines === 0 ? oldStart : start) + oldLines,
        ),
      );
      const from = newLines === 0 ? newStart : newStart - 1;
      expect(strip("-")).toEqual(after.slice(from, from + newLines));
      expect([...before.slice(0, from), ...strip("-"), ...before.slice(from + oldLines)]).toEqual(
        after,
      );
    }),
  );
});

test("lines", () => {
  expect(splitLines("a\n\n")).toEqual(["a", ""]);
});
