import { describe, expect, test } from "vitest";

import { fold } from "../../test/fixtures/upstream/fold.ts";
import type { Folded } from "../../test/fixtures/upstream/fold.ts";
import { fixture } from "../../test/fixtures/upstream/server.ts";
import { readChatCompletion, readChatStream } from "./openai-stream.ts";
import { parseServerSentEvents } from "./server-sent-events.ts";

const options = {
  context: { url: new URL("http://127.0.0.1:1"), model: "asked", key: "" },
  estimatedInputTokens: 99,
  stopSequences: ["three"],
};

function read(bytes: Uint8Array, splitAt = bytes.length): Promise<Folded> {
  return fold(readChatStream(parseServerSentEvents(inTwo(bytes, splitAt)), options));
}

async function* inTwo(bytes: Uint8Array, at: number): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, at);
  yield bytes.subarray(at);
}

const text = (words: string): object => ({ type: "text", text: words });
const thinking = (words: string): object => ({ type: "thinking", thinking: words });
const call = (id: unknown, code: string): object => ({
  type: "tool_use",
  id,
  name: "code_execution",
  input: { code },
});
const newId = expect.stringMatching(/^[a-z0-9]{9}$/);

test("a whole answer, split at every byte", async () => {
  const bytes = fixture("openai/full");
  for (let at = 0; at <= bytes.length; at++) {
    expect(await read(bytes, at)).toEqual({
      start: { type: "start", model: "qwen", usage: { inputTokens: 99, outputTokens: 0 } },
      blocks: [text("I'll run 😀 it."), call("call_abcdef", "print(6 * 7)")],
      end: {
        type: "end",
        stopReason: "tool_use",
        stopSequence: null,
        usage: { inputTokens: 57, outputTokens: 63, cacheReadInputTokens: 200 },
      },
    });
  }
});

describe("forms of tool calls", () => {
  test.each([
    ["ollama", [thinking("Let me see"), call("call_w1x2y3z4", "1"), call("call_q9w8e7r6", "2")]],
    ["ollama-no-index", [call("call_ejieksiz", "1"), call("call_zzzzzzzz", "2")]],
    ["same-index", [call("chatcmpl-tool-1", "1"), call("chatcmpl-tool-2", "2")]],
    [
      "vllm-interleaved",
      [thinking("Two things"), call("chatcmpl-tool-aaa", "1"), call("chatcmpl-tool-bbb", "2")],
    ],
    ["no-ids-objects", [call(newId, "1"), call(newId, "2")]],
    ["llama-cpp-old", [call("fc_abcdefgh", "1")]],
    ["counted-ids", [call(newId, "1"), call(newId, "2")]],
    ["text-after-call", [text("before"), call("call_abcdef", "1"), text("after")]],
    ["placeholder-arguments", [call("call_abcdef", "1")]],
    ["raw-newline", [call("call_abcdef", "a\nb")]],
    ["empty-arguments", [{ type: "tool_use", id: "call_abcdef", name: "list_files", input: {} }]],
    [
      "not-an-object",
      [
        {
          type: "tool_use",
          id: "call_abcdef",
          name: "code_execution",
          input: { INVALID_JSON: "print(1)" },
        },
      ],
    ],
  ])("%s", async (name, blocks) => {
    const folded = await read(fixture(`openai/${name}`));
    expect(folded.blocks).toEqual(blocks);
    expect(folded.end?.stopReason).toBe("tool_use");
  });
});

describe("ends", () => {
  test.each([
    ["think-tags", [thinking("Six times seven"), text("42")], "end_turn", null],
    ["no-done", [text("hello")], "end_turn", null],
    ["length", [call("call_abcdef", "print(1")], "max_tokens", null],
    ["stop-sequence", [text("one two")], "stop_sequence", "three"],
    ["content-filter", [text("no")], "refusal", null],
  ])("%s", async (name, blocks, stopReason, stopSequence) => {
    const folded = await read(fixture(`openai/${name}`));
    expect(folded.blocks).toEqual(blocks);
    expect(folded.end).toMatchObject({ stopReason, stopSequence });
  });

  test("usage is estimated where the server gives none", async () => {
    const { end } = await read(fixture("openai/no-done"));
    expect(end?.usage).toEqual({ inputTokens: 99, outputTokens: 2 });
  });

  test("a server that stays silent after its last words is not waited for", async () => {
    const { promise: never } = Promise.withResolvers<void>();
    async function* events(): AsyncGenerator<{ data: string }> {
      yield { data: '{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}' };
      await never;
    }
    const folded = await fold(readChatStream(events(), { ...options, lingerMs: 5 }));
    expect(folded.blocks).toEqual([text("hi")]);
  });
});

describe("failures", () => {
  test.each([
    ["error-inside", "upstream", /failed \(500\): "engine died"/],
    ["error-vllm-flat", "invalid_request", /refused the request: ".*maximum context length/],
    ["error-llama-cpp", "upstream", /"the slot failed"/],
    ["cut-off", "upstream", /broke off/],
    ["not-json", "upstream", /not JSON/],
    ["wrong-dialect", "upstream", /check CURTA_UPSTREAM_API/],
    ["empty-done", "upstream", /check CURTA_UPSTREAM_API/],
    ["broken-arguments", "upstream", /not JSON/],
    ["no-name", "upstream", /without a name/],
  ])("%s", async (name, code, message) => {
    await expect(read(fixture(`openai/${name}`))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

test("a completion from a server that does not stream", async () => {
  const completion = {
    model: "m",
    choices: [
      {
        message: {
          content: "hello",
          tool_calls: [
            { id: "call_abcdef", function: { name: "code_execution", arguments: '{"code":"1"}' } },
          ],
        },
        finish_reason: "stop",
      },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 4 },
  };
  const folded = await fold(readChatCompletion(completion, options));
  expect(folded.blocks).toEqual([text("hello"), call("call_abcdef", "1")]);
  expect(folded.end).toMatchObject({
    stopReason: "tool_use",
    usage: { inputTokens: 3, outputTokens: 4 },
  });
});
