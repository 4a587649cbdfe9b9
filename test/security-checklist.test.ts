/** Every number of the security checklist stands in the name of a test, in the file of its group. */
import { readFileSync, readdirSync } from "node:fs";

import { expect, test } from "vitest";

const folder = new URL("real/security/", import.meta.url);

/** The groups of the checklist, with the file that has to cover each of its numbers. */
const GROUPS: readonly (readonly [file: string, first: number, last: number])[] = [
  ["processes-and-resources", 1, 16],
  ["network", 17, 24],
  ["kernel-surface", 25, 34],
  ["files-and-information", 35, 42],
  ["guest-output", 43, 50],
  ["clones-and-time", 51, 55],
  ["must-still-work", 56, 56],
];

/** The numbers at the beginning of the names of tests: "3, 4 and nothing of them is left". */
function numbersIn(file: string): Set<number> {
  const text = readFileSync(new URL(`${file}.test.ts`, folder), "utf8");
  const names = text.matchAll(/(?:name: |test\(|describe\()\s*["'`](\d+(?:, \d+)*) /g);
  return new Set(Array.from(names, ([, numbers]) => numbers!.split(", ").map(Number)).flat());
}

test.each(GROUPS)("%s covers %i to %i", (file, first, last) => {
  const wanted = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const found = numbersIn(file);
  expect(wanted.filter((number) => !found.has(number))).toEqual([]);
});

test("the groups are 1 to 56, and each has its file", () => {
  expect(GROUPS.map(([, first]) => first)).toEqual([
    1,
    ...GROUPS.slice(0, -1).map(([, , last]) => last + 1),
  ]);
  expect(GROUPS.at(-1)![2]).toBe(56);
  const files = readdirSync(folder);
  for (const [file] of GROUPS) expect(files).toContain(`${file}.test.ts`);
});
