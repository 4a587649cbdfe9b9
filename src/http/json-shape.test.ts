import { expect, test } from "vitest";

import { checkJsonShape } from "./json-shape.ts";

const check = (text: string) => () => checkJsonShape(Buffer.from(text));

test.each([
  ["lists without end", "[".repeat(30_000_000), /nested more than 100 levels/],
  ["objects without end", '{"a":'.repeat(1_000_000), /nested more than 100 levels/],
  ["lists after a string", `{"a":"\\\\","b":${"[".repeat(200)}`, /nested/],
  ["small lists", `[${"[],".repeat(600_000)}[]]`, /more than 500000 lists and objects/],
  ["numbers", `[${"1,".repeat(2_100_000)}1]`, /more than 2000000 values/],
])("%s are refused before they are parsed", (_name, text, message) => {
  expect(check(text)).toThrow(message);
});

test.each([
  ["brackets in a string", JSON.stringify({ text: "[".repeat(5000) })],
  ["an escaped quote before brackets", JSON.stringify({ text: `\\"${"[{".repeat(500)}` })],
  ["a string of backslashes", JSON.stringify(["\\".repeat(1001), "[".repeat(500)])],
  ["a string that does not end", `{"a":"${"[".repeat(500)}`],
  ["100 levels", `${"[".repeat(101)}${"]".repeat(101)}`],
  ["200 lists side by side", `[${"[],".repeat(199)}[]]`],
])("%s pass", (_name, text) => {
  expect(check(text)).not.toThrow();
});
