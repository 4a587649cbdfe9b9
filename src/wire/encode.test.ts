import fc from "fast-check";
import { expect, test } from "vitest";

import type { TurnEvent } from "../agent/events.ts";
import { createSources } from "../search/sources.ts";
import type { ExecutionOutput } from "../tools/execution-output.ts";
import { lesson } from "./code-execution/lesson.ts";
import { native } from "./code-execution/native.ts";
import type { Rendering } from "./code-execution/rendering.ts";
import { collectMessage } from "./collect.ts";
import { encodeTurn } from "./encode.ts";
import type { WireEvent } from "./events.ts";

const USAGE = { inputTokens: 10, outputTokens: 1 };
const CONTAINER = { id: "container_1", expiresAt: new Date("2026-11-22T12:00:00Z") };
const START: TurnEvent = { type: "turn-start", model: "m", usage: USAGE, container: null };
const END: TurnEvent = {
  type: "turn-end",
  stopReason: "end_turn",
  stopSequence: null,
  usage: { inputTokens: 30, outputTokens: 20, cacheReadInputTokens: 5 },
  container: CONTAINER,
};
const OUTPUT: ExecutionOutput = {
  kind: "execution",
  parts: [
    { type: "text", text: "4.8", isError: false },
    { type: "image", mediaType: "image/png", data: "iVBORw0KGgo=" },
    { type: "text", text: "Traceback", isError: true },
  ],
  stdout: "4.8\n",
  stderr: "Traceback\n",
  returnCode: 1,
  tookTooLong: false,
  fileIds: ["file_1"],
};

async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

async function encode(events: TurnEvent[], rendering: Rendering = lesson): Promise<WireEvent[]> {
  const encoded: WireEvent[] = [];
  const options = { messageId: "msg_1", sources: createSources(), rendering, caller: null };
  for await (const event of encodeTurn(each(events), options)) encoded.push(event);
  return encoded;
}

const collect = async (events: TurnEvent[], rendering: Rendering = lesson) =>
  collectMessage(each(await encode(events, rendering)));

const use = (json: string[], serverTool = true): TurnEvent[] => [
  { type: "tool-use-start", id: "srvtoolu_1", name: "code_execution", serverTool },
  ...json.map((partialJson): TurnEvent => ({ type: "tool-use-delta", partialJson })),
  { type: "block-end" },
];
const result = (output: ExecutionOutput | null): TurnEvent => ({
  type: "tool",
  toolUseId: "srvtoolu_1",
  name: "code_execution",
  event: { type: "result", content: [], isError: false, output },
});
const say = (...texts: string[]): TurnEvent[] => [
  { type: "text-start" },
  ...texts.map((text): TurnEvent => ({ type: "text-delta", text })),
  { type: "block-end" },
];
const think = (thinking: string, signature: string): TurnEvent[] => [
  { type: "thinking-start" },
  { type: "thinking-delta", thinking },
  { type: "thinking-signature", signature },
  { type: "block-end" },
];

test("the events of a streamed turn", async () => {
  expect(
    await encode([START, ...use(['{"co', 'de": "1"}']), result(OUTPUT), ...say("It", " is."), END]),
  ).toEqual([
    {
      type: "message_start",
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "m",
        content: [],
        stop_reason: null,
        stop_sequence: null,
        stop_details: null,
        usage: {
          input_tokens: 10,
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: 0,
          output_tokens: 1,
          server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 },
          service_tier: "standard",
        },
      },
    },
    {
      type: "content_block_start",
      index: 0,
      content_block: {
        type: "server_tool_use",
        id: "srvtoolu_1",
        name: "code_execution",
        input: {},
        caller: { type: "direct" },
      },
    },
    {
      type: "content_block_delta",
      index: 0,
      delta: { type: "input_json_delta", partial_json: '{"co' },
    },
    {
      type: "content_block_delta",
      index: 0,
      delta: { type: "input_json_delta", partial_json: 'de": "1"}' },
    },
    { type: "content_block_stop", index: 0 },
    {
      type: "content_block_start",
      index: 1,
      content_block: {
        type: "code_execution_result",
        tool_use_id: "srvtoolu_1",
        output: { type: "text", text: "4.8" },
        text: "4.8",
        is_error: false,
      },
    },
    { type: "content_block_stop", index: 1 },
    {
      type: "content_block_start",
      index: 2,
      content_block: {
        type: "code_execution_result",
        tool_use_id: "srvtoolu_1",
        output: { type: "image", media_type: "image/png", data: "iVBORw0KGgo=" },
        text: "[Chart generated]",
        is_error: false,
      },
    },
    { type: "content_block_stop", index: 2 },
    {
      type: "content_block_start",
      index: 3,
      content_block: {
        type: "code_execution_result",
        tool_use_id: "srvtoolu_1",
        output: { type: "text", text: "Traceback" },
        text: "Traceback",
        is_error: true,
      },
    },
    { type: "content_block_stop", index: 3 },
    { type: "content_block_start", index: 4, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 4, delta: { type: "text_delta", text: "It" } },
    { type: "content_block_delta", index: 4, delta: { type: "text_delta", text: " is." } },
    { type: "content_block_stop", index: 4 },
    {
      type: "message_delta",
      delta: {
        stop_reason: "end_turn",
        stop_sequence: null,
        stop_details: null,
        container: { id: "container_1", expires_at: "2026-11-22T12:00:00.000Z" },
      },
      usage: {
        input_tokens: 30,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 5,
        output_tokens: 20,
        server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 },
      },
    },
    { type: "message_stop" },
  ]);
});

test("the native rendering has one result with ids", async () => {
  const { content } = await collect([START, ...use(['{"code":"1"}']), result(OUTPUT), END], native);
  expect(content).toEqual([
    {
      type: "server_tool_use",
      id: "srvtoolu_1",
      name: "code_execution",
      input: { code: "1" },
      caller: { type: "direct" },
    },
    {
      type: "code_execution_tool_result",
      tool_use_id: "srvtoolu_1",
      content: {
        type: "code_execution_result",
        stdout: "4.8\n",
        stderr: "Traceback\n",
        return_code: 1,
        content: [{ type: "code_execution_output", file_id: "file_1" }],
      },
    },
  ]);
});

test("thinking has the lesson's name beside the SDK's, and only there", async () => {
  const events = [START, ...think("Hm.", "sig"), ...say("a"), END];
  expect((await collect(events, lesson)).content[0]).toEqual({
    type: "thinking",
    thinking: "Hm.",
    text: "Hm.",
    signature: "sig",
  });
  expect((await collect(events, native)).content[0]).toEqual({
    type: "thinking",
    thinking: "Hm.",
    signature: "sig",
  });
});

test("a rejection in either rendering", async () => {
  const rejected: TurnEvent = {
    type: "tool",
    toolUseId: "srvtoolu_1",
    name: "code_execution",
    event: { type: "rejected", errorCode: "unavailable", message: "No place." },
  };
  const events = [START, ...use(["{}"]), rejected, result(null), END];
  expect((await collect(events, lesson)).content[1]).toMatchObject({
    output: { type: "text", text: "No place." },
    text: "No place.",
    is_error: true,
  });
  expect((await collect(events, native)).content[1]).toMatchObject({
    content: { type: "code_execution_tool_result_error", error_code: "unavailable" },
  });
});

test("empty and blank blocks are left out, and indexes stay contiguous", async () => {
  const events = await encode([
    START,
    ...say(),
    ...say("\n", " "),
    ...think("", ""),
    ...say("\n", "a"),
    END,
  ]);
  const starts = events.filter((event) => event.type === "content_block_start");
  expect(starts).toMatchObject([{ index: 0, content_block: { type: "text" } }]);
  expect((await collectMessage(each(events))).content).toEqual([{ type: "text", text: "\na" }]);
});

test.each([
  [
    ["", " ", "{", '"a"', ":1}"],
    ['{"a"', ":1}"],
  ],
  [["{", "}"], []],
  [[], []],
  [['{"a":{}}'], ['{"a":{}}']],
])("input %j is sent as %j", async (pieces, sent) => {
  const deltas = (await encode([START, ...use(pieces), END])).filter(
    (event) => event.type === "content_block_delta",
  );
  expect(deltas.map((event) => event.delta)).toEqual(
    sent.map((partial_json) => ({ type: "input_json_delta", partial_json })),
  );
});

test("a container that exists already stands in both places; without one there is no key", async () => {
  const [start] = await encode([{ ...START, container: CONTAINER }, END]);
  expect(start).toMatchObject({ message: { container: { id: "container_1" } } });
  expect(await collect([START, { ...END, container: null }])).not.toHaveProperty("container");
});

test("a stream without its end is no message", async () => {
  await expect(collectMessage(each([]))).rejects.toThrow("before it was whole");
  const events = await encode([START, END]);
  await expect(collectMessage(each(events.slice(0, -1)))).rejects.toThrow("before it was whole");
});

test("however the model's words are split, the message is the same", async () => {
  const code = JSON.stringify({ code: 'print("ü\\n")\nx = {1: "}"}' });
  const pieces = (text: string) =>
    fc.array(fc.nat(text.length), { maxLength: 8 }).map((cuts) => {
      const at = [0, ...cuts.toSorted((left, right) => left - right), text.length];
      return at.slice(1).map((end, index) => text.slice(at[index], end));
    });
  const turn = (said: string[], input: string[]) => [
    START,
    ...say(...said),
    ...use(input),
    result(OUTPUT),
    ...say("ok"),
    END,
  ];
  const whole = await collect(turn([" Let me see. "], [code]));
  expect(whole.content).toHaveLength(6);
  await fc.assert(
    fc.asyncProperty(pieces(" Let me see. "), pieces(code), async (said, input) => {
      const events = await encode(turn(said, input));
      expect(await collectMessage(each(events))).toEqual(whole);
      const first = events.find(
        (event) => event.type === "content_block_delta" && event.index === 1,
      );
      expect(first).toMatchObject({
        delta: { partial_json: expect.stringMatching(/^\{\s*[^\s}]/) },
      });
    }),
    { numRuns: 100 },
  );
});

test("an input that is no object has no pieces: clients could not parse them", async () => {
  const events = await encode([
    { type: "turn-start", model: "m", usage: { inputTokens: 1, outputTokens: 0 }, container: null },
    { type: "tool-use-start", id: "srvtoolu_1", name: "code_execution", serverTool: true },
    ...[" ", "[1", ", 2]", "{}"].map((partialJson) => ({
      type: "tool-use-delta" as const,
      partialJson,
    })),
    { type: "block-end" },
  ]);
  expect(events.map(({ type }) => type)).toEqual([
    "message_start",
    "content_block_start",
    "content_block_stop",
  ]);
});
