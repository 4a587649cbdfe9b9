import { expect, test } from "vitest";

import type { ModelRequest } from "../provider.ts";
import { decide, wantsChart, wantsResults } from "./decide.ts";

const TOOL = { name: "code_execution", description: "", input_schema: {} };

function ask(text: string, more: Partial<ModelRequest> = {}): string {
  const request: ModelRequest = {
    model: "any",
    system: [],
    messages: [],
    tools: [TOOL],
    maxTokens: 100,
    stopSequences: [],
    attachments: [],
    ...more,
  };
  return decide(request, { request: text, attachments: [], searches: [], steps: [], answer: "" });
}

test.each([
  ["Hello!", {}, "ask"],
  ["Calculate 17 * 23", {}, "program"],
  ["What is the sum of all prime numbers below 1000?", {}, "program"],
  ["Draw a pie chart of apples and pears", {}, "program"],
  ["ارسم مخطط المبيعات", {}, "program"],
  ["Calculate 17 * 23", { tools: [] }, "words"],
  ["Calculate 17 * 23", { toolChoice: { type: "none" as const } }, "words"],
  ["Hello!", { toolChoice: { type: "any" as const } }, "program"],
  ["Hello!", { toolChoice: { type: "tool" as const, name: "code_execution" } }, "program"],
  ["Calculate 17 * 23", { toolChoice: { type: "tool" as const, name: "weather" } }, "words"],
])("%s with %j: %s", (text, more, decision) => {
  expect(ask(text, more)).toBe(decision);
});

test("a chart alone needs no printed result", () => {
  const alone = "Create a chart of sales: May 3, June 4";
  expect([wantsChart(alone), wantsResults(alone)]).toEqual([true, false]);
  const both = "Draw a histogram and tell me the mean";
  expect([wantsChart(both), wantsResults(both)]).toEqual([true, true]);
});
