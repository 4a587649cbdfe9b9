import { expect, test } from "vitest";

import { createStopScanner } from "./stop-scanner.ts";

function scan(stops: string[], pieces: string[]): { text: string; stop: string | null } {
  const scanner = createStopScanner(stops);
  let text = "";
  for (const piece of pieces) {
    const found = scanner.push(piece);
    text += found.text;
    if (found.stop !== null) return { text, stop: found.stop };
  }
  return { text: text + scanner.flush(), stop: null };
}

test.each([
  [["```"], ["a`", "``b"], { text: "a", stop: "```" }],
  [["```"], ["a``", "b"], { text: "a``b", stop: null }],
  [["END", "N"], ["xEN", "D"], { text: "xE", stop: "N" }],
  [["ab"], ["aab"], { text: "a", stop: "ab" }],
  [[], ["a", "b"], { text: "ab", stop: null }],
])("%j in %j", (stops, pieces, expected) => {
  expect(scan(stops, pieces)).toEqual(expected);
});
