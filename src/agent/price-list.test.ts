import { expect, test } from "vitest";

import { bill, countImageTokens, type PriceList } from "./price-list.ts";

const USAGE = { inputTokens: 1000, outputTokens: 100 };
const EXECUTIONS = [
  { codeTokens: 10, resultTokens: 20, imageTokens: 400 },
  { codeTokens: 1, resultTokens: 2, imageTokens: 0 },
];

const cases: [string, PriceList["policy"], string[], object][] = [
  [
    "code as input, results and images as output",
    "lesson",
    ["code_execution"],
    { isFree: false, inputTokens: 1011, outputTokens: 522 },
  ],
  [
    "nothing beside web search",
    "lesson",
    ["code_execution", "web_search"],
    { isFree: true, ...USAGE },
  ],
  ["nothing beside web fetch", "lesson", ["web_fetch"], { isFree: true, ...USAGE }],
  ["always", "always", ["web_search"], { isFree: false, inputTokens: 1011, outputTokens: 522 }],
  ["never", "free", ["code_execution"], { isFree: true, ...USAGE }],
];

test.each(cases)("executions count: %s", (_name, policy, tools, expected) => {
  expect(bill({ policy, imagePixelsPerToken: 750 }, tools, USAGE, EXECUTIONS)).toEqual(expected);
});

test.each([
  [{ width: 1000, height: 750 }, 1000],
  [{ width: 1, height: 1 }, 1],
  [null, 0],
])("an image of %o counts as %d tokens", (size, tokens) => {
  expect(countImageTokens({ policy: "lesson", imagePixelsPerToken: 750 }, size)).toBe(tokens);
});
