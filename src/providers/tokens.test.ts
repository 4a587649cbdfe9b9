import { expect, test } from "vitest";

import { estimateRequestTokens, estimateTokens } from "./tokens.ts";

test.each([
  ["", 0],
  ["a", 1],
  ["The quick brown fox jumps over the lazy dog.", 13],
  ["数据分析", 4],
  ["データ", 3],
  ["안녕하세요", 5],
  ["ข้อมูล", 6],
  ["plot 数据", 4],
  ["👍", 1],
])("%j", (text, tokens) => {
  expect(estimateTokens(text)).toBe(tokens);
});

test("a request counts everything in it", () => {
  const tokens = estimateRequestTokens({
    model: "m",
    system: [{ type: "text", text: "a".repeat(35) }],
    messages: [
      {
        role: "user",
        content: [
          { type: "image", source: { type: "url", url: "u" } },
          {
            type: "tool_result",
            tool_use_id: "t",
            content: [{ type: "text", text: "b".repeat(7) }],
          },
          { type: "document", source: { type: "text", data: "c".repeat(7) } },
        ],
      },
    ],
    tools: [],
    maxTokens: 1,
    stopSequences: [],
    attachments: [],
  });
  expect(tokens).toBe(14 + 4 + 1000 + 4 + 2 + 2);
});
