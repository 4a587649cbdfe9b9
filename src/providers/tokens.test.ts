import { expect, test } from "vitest";

import type { ModelRequest } from "./provider.ts";
import { countRequestTokens, estimateRequestTokens, estimateTokens } from "./tokens.ts";

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

const never = new AbortController().signal;

function saying(text: string): ModelRequest {
  return {
    model: "m",
    system: [],
    messages: [{ role: "user", content: [{ type: "text", text }] }],
    tools: [],
    maxTokens: 1,
    stopSequences: [],
    attachments: [],
  };
}

test.each([
  ["", 4],
  ["The quick brown fox jumps over the lazy dog.", 14],
  ["The quick brown fox jumps over the lazy dog. ".repeat(300).trim(), 3004],
  ["a <|endoftext|> in a text is text", 17],
])("%.50j is counted by a tokenizer", async (text, tokens) => {
  expect(await countRequestTokens(saying(text), never)).toBe(tokens);
});

test("megabytes are counted in proportion, and other work goes on", async () => {
  await countRequestTokens(saying("warm"), never);
  const unit = "漢字仮名" + "word ".repeat(20);
  let longestMs = 0;
  let lastMs = performance.now();
  const timer = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
  }, 1);
  const short = await countRequestTokens(saying(unit.repeat(100)), never);
  const long = await countRequestTokens(saying(unit.repeat(50_000)), never);
  const unbroken = await countRequestTokens(saying("漢".repeat(300_000)), never);
  clearInterval(timer);
  expect(long / short).toBeGreaterThan(480);
  expect(long / short).toBeLessThan(520);
  expect(unbroken).toBeGreaterThan(200_000);
  // Not a measurement: uncut, the last text alone takes minutes.
  expect(longestMs).toBeLessThan(2_000);
});

test("who goes away is not counted for", async () => {
  const request = saying("漢".repeat(300_000));
  await expect(countRequestTokens(request, AbortSignal.abort())).rejects.toThrow("aborted");
});
