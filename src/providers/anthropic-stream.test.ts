import { describe, expect, test } from "vitest";

import { fold } from "../../test/fixtures/upstream/fold.ts";
import type { Folded } from "../../test/fixtures/upstream/fold.ts";
import { fixture } from "../../test/fixtures/upstream/server.ts";
import { readAnthropicMessage, readAnthropicStream } from "./anthropic-stream.ts";
import { parseServerSentEvents } from "./server-sent-events.ts";

const context = { url: new URL("http://127.0.0.1:1"), model: "asked", key: "sk-secret" };

function read(bytes: Uint8Array, splitAt = bytes.length): Promise<Folded> {
  return fold(readAnthropicStream(parseServerSentEvents(inTwo(bytes, splitAt)), context));
}

async function* inTwo(bytes: Uint8Array, at: number): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, at);
  yield bytes.subarray(at);
}

const FULL = {
  start: {
    type: "start",
    model: "claude-test",
    usage: {
      inputTokens: 2293,
      outputTokens: 1,
      cacheCreationInputTokens: 10,
      cacheReadInputTokens: 7,
    },
  },
  blocks: [
    { type: "thinking", thinking: "Let me count: 数", signature: "EusB" },
    { type: "redacted_thinking", data: "enc" },
    { type: "text", text: "I'll run 😀 it." },
    { type: "tool_use", id: "toolu_1", name: "code_execution", input: { code: 'print("6 * 7")' } },
  ],
  end: {
    type: "end",
    stopReason: "tool_use",
    stopSequence: null,
    usage: {
      inputTokens: 2293,
      outputTokens: 304,
      cacheCreationInputTokens: 10,
      cacheReadInputTokens: 7,
    },
  },
};

test("a whole answer, split at every byte", async () => {
  const bytes = fixture("anthropic/full");
  for (let at = 0; at <= bytes.length; at++) expect(await read(bytes, at)).toEqual(FULL);
});

test("a whole answer, byte by byte and with carriage returns", async () => {
  const text = fixture("anthropic/full").toString().replaceAll("\n", "\r\n");
  async function* single(): AsyncGenerator<Uint8Array> {
    for (const byte of Buffer.from(text)) yield Uint8Array.of(byte);
  }
  expect(await fold(readAnthropicStream(parseServerSentEvents(single()), context))).toEqual(FULL);
});

describe("forms that count", () => {
  test.each([
    ["stop-sequence", [{ type: "text", text: "one two" }], "stop_sequence", "three"],
    ["unknown-events", [{ type: "text", text: "hi" }], "end_turn", null],
    [
      "llama-cpp",
      [
        { type: "thinking", thinking: "hmm" },
        {
          type: "tool_use",
          id: expect.stringMatching(/^toolu_\w{24}$/),
          name: "code_execution",
          input: { code: "print(1)" },
        },
      ],
      "tool_use",
      null,
    ],
    [
      "odd-blocks",
      [
        { type: "thinking", thinking: "think" },
        { type: "text", text: "say" },
      ],
      "end_turn",
      null,
    ],
    [
      "max-tokens-in-tool",
      [{ type: "tool_use", id: "toolu_9", name: "code_execution", input: { code: "print(1" } }],
      "max_tokens",
      null,
    ],
  ])("%s", async (name, blocks, stopReason, stopSequence) => {
    const folded = await read(fixture(`anthropic/${name}`));
    expect(folded.blocks).toEqual(blocks);
    expect(folded.end).toMatchObject({ stopReason, stopSequence });
  });
});

describe("failures", () => {
  test.each([
    ["error-event", "overloaded", /overloaded \(529\): "Overloaded"/],
    ["error-first", "rate_limit", /"slow down"/],
    ["cut-off", "upstream", /broke off/],
    ["empty", "upstream", /broke off/],
    ["html", "upstream", /broke off/],
    ["not-json", "upstream", /not JSON: "{oops"/],
    ["broken-tool", "upstream", /tool call whose input is not JSON/],
  ])("%s", async (name, code, message) => {
    await expect(read(fixture(`anthropic/${name}`))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

test("a message from a server that does not stream", async () => {
  const message = {
    model: "m",
    content: [
      { type: "thinking", thinking: "t", signature: "s" },
      { type: "text", text: "hello" },
      { type: "tool_use", id: "toolu_1", name: "f", input: { a: 1 } },
    ],
    stop_reason: "tool_use",
    usage: { input_tokens: 3, output_tokens: 4 },
  };
  const folded = await fold(readAnthropicMessage(message, context));
  expect(folded.blocks).toEqual(message.content);
  expect(folded.end).toMatchObject({
    stopReason: "tool_use",
    usage: { inputTokens: 3, outputTokens: 4 },
  });
  expect(() => readAnthropicMessage({ choices: [] }, context)).toThrow(/check CURTA_UPSTREAM_API/);
});
