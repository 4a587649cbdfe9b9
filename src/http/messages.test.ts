import Anthropic from "@anthropic-ai/sdk";
import { noWeb } from "../../test/support/no-web.ts";
import { expect, test, vi } from "vitest";

import { loadConfig, type Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import type { ModelEvent, ModelRequest, Provider } from "../providers/provider.ts";
import type { Container, Containers, ExecutionEvent } from "../sandbox/sandbox.ts";
import { createMessagesHandler, type MessagesDeps } from "./messages.ts";

const USAGE = { inputTokens: 10, outputTokens: 5 };
const PNG = "iVBORw0KGgo=";
const START: ModelEvent = { type: "start", model: "m", usage: USAGE };
const DONE: ExecutionEvent = {
  type: "done",
  status: "ok",
  error: null,
  return_code: 0,
  usage: { wall_ms: 1, cpu_ms: 1, peak_memory_bytes: 1 },
  truncated: false,
  notice: null,
};
const ANSWER: ModelEvent[] = [
  START,
  { type: "text-start" },
  { type: "text-delta", text: "It is 12.3153." },
  { type: "block-end" },
  { type: "end", stopReason: "end_turn", stopSequence: null, usage: USAGE },
];
const COMPUTE: ModelEvent[] = [
  START,
  { type: "thinking-start" },
  { type: "thinking-delta", thinking: "I will write " },
  { type: "thinking-delta", thinking: "code." },
  { type: "block-end" },
  { type: "tool-use-start", id: "call_0", name: "code_execution" },
  { type: "tool-use-delta", partialJson: '{"code":' },
  { type: "tool-use-delta", partialJson: '"show()"}' },
  { type: "block-end" },
  { type: "end", stopReason: "tool_use", stopSequence: null, usage: USAGE },
];

type Script = (request: ModelRequest, signal: AbortSignal) => AsyncIterable<ModelEvent>;

/** Asks for code once, then answers, as long as the conversation has no result for its last question. */
async function* lessonScript({ messages }: ModelRequest): AsyncIterable<ModelEvent> {
  const hasResult = messages.at(-1)?.content.some((block) => block.type === "tool_result") === true;
  yield* hasResult ? ANSWER : COMPUTE;
}

async function* notebook(): AsyncIterable<ExecutionEvent> {
  yield { type: "stdout", text: "12.3153\n" };
  yield {
    type: "output",
    output: { type: "display_data", data: { "image/png": PNG }, metadata: {} },
  };
  yield DONE;
}

function containersOf(execute: Container["execute"]): Containers {
  const container = {
    id: "container_1",
    expiresAt: new Date("2026-11-22T12:00:00Z"),
    execute,
    listFiles: async () => [],
  };
  return {
    create: async () => container as unknown as Container,
    get: async () => container as unknown as Container,
    list: () => [],
    delete: async () => {},
    close: async () => {},
  };
}

interface Setup {
  script?: Script;
  execute?: Container["execute"];
  config?: Partial<Config>;
}

function setup({ script = lessonScript, execute = notebook, config = {} }: Setup = {}) {
  const asked: ModelRequest[] = [];
  const logged: { level: string; fields: Record<string, unknown> }[] = [];
  const provider: Provider = {
    kind: "scripted",
    model: null,
    async *stream(request, signal) {
      asked.push(request);
      yield* script(request, signal);
    },
    countTokens: async () => 0,
    close: async () => {},
  };
  const deps: MessagesDeps = {
    config: { ...loadConfig({ env: {}, flags: { data: "/nonexistent" } }), ...config },
    provider,
    containers: containersOf(execute),
    ledger: { append: () => {} },
    web: noWeb,
    clock: { now: () => 0 },
    log: {
      info: (fields) => void logged.push({ level: "info", fields: { ...fields } }),
      error: (fields) => void logged.push({ level: "error", fields: { ...fields } }),
    },
  };
  const handler = createMessagesHandler(deps);
  const handle = (request: Request) => handler(request, { requestId: "req_1" });
  const client = new Anthropic({
    apiKey: "any",
    baseURL: "http://curta.test",
    maxRetries: 0,
    fetch: async (url, init) => handle(new Request(url, init)),
  });
  return { handle, client, asked, logged };
}

function post(body: unknown, { headers, signal }: RequestInit = {}): Request {
  return new Request("http://curta.test/v1/messages", {
    method: "POST",
    headers: { "content-type": "application/json", ...(headers as Record<string, string>) },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal,
  });
}

const LESSON = {
  model: "claude-sonnet-4-20250514",
  max_tokens: 4096,
  tools: [{ type: "code_execution_20250522", name: "code_execution" }],
  messages: [
    { role: "user", content: "Calculate the standard deviation of: 4, 8, 15, 16, 23, 42" },
  ],
};
const LESSON_PARAMS = LESSON as unknown as Anthropic.MessageCreateParamsNonStreaming;

const LESSON_CONTENT = [
  { type: "thinking", thinking: "I will write code.", text: "I will write code.", signature: "" },
  {
    type: "server_tool_use",
    id: expect.stringMatching(/^srvtoolu_01\w{22}$/),
    name: "code_execution",
    input: { code: "show()" },
    caller: { type: "direct" },
  },
  {
    type: "code_execution_result",
    tool_use_id: expect.stringMatching(/^srvtoolu_/),
    output: { type: "text", text: "12.3153" },
    text: "12.3153",
    is_error: false,
  },
  {
    type: "code_execution_result",
    tool_use_id: expect.stringMatching(/^srvtoolu_/),
    output: { type: "image", media_type: "image/png", data: PNG },
    text: "[Chart generated]",
    is_error: false,
  },
  { type: "text", text: "It is 12.3153." },
];

test("the lesson's request through the official SDK", async () => {
  const { client } = setup();
  const message = await client.messages.create(LESSON_PARAMS);
  expect(message).toMatchObject({
    id: expect.stringMatching(/^msg_01\w{22}$/),
    type: "message",
    role: "assistant",
    model: LESSON.model,
    content: LESSON_CONTENT,
    stop_reason: "end_turn",
    stop_sequence: null,
    container: { id: "container_1", expires_at: "2026-11-22T12:00:00.000Z" },
    usage: {
      input_tokens: 20,
      output_tokens: 10,
      server_tool_use: { web_search_requests: 0, web_fetch_requests: 0 },
    },
  });
  expect(message._request_id).toBe("req_1");
});

test("the same streamed", async () => {
  const { client } = setup();
  const message = await client.messages.stream(LESSON_PARAMS).finalMessage();
  // The SDK appends thinking to `thinking` only; the lesson's name for it stays as the block began.
  const [thinking, ...rest] = LESSON_CONTENT;
  expect(message.content).toEqual([{ ...thinking, text: "" }, ...rest]);
  expect(message.container).toEqual({ id: "container_1", expires_at: "2026-11-22T12:00:00.000Z" });
});

test("the whole content sent back is what the model saw", async () => {
  const { client, asked } = setup();
  const message = await client.messages.create(LESSON_PARAMS);
  const messages = [
    ...LESSON.messages,
    { role: "assistant", content: message.content },
    { role: "user", content: "And now?" },
  ];
  await client.messages.create({
    ...LESSON_PARAMS,
    messages: messages as Anthropic.MessageParam[],
  });
  const seen = asked[1]?.messages ?? [];
  const replayed = asked[2]?.messages ?? [];
  expect(seen).toHaveLength(3);
  // This model sees no images, so the chart is in words both times.
  expect(replayed.slice(0, 3)).toEqual(seen);
});

test("with the beta header the answer is native", async () => {
  const { handle } = setup();
  const response = await handle(
    post(LESSON, { headers: { "anthropic-beta": "a,code-execution-2025-05-22" } }),
  );
  const { content } = (await response.json()) as { content: unknown[] };
  expect(content[2]).toMatchObject({
    type: "code_execution_tool_result",
    content: {
      type: "code_execution_result",
      stdout: "12.3153\n",
      stderr: "",
      return_code: 0,
      content: [],
    },
  });
});

test.each([
  ["not json", "{", 400, "invalid_request_error", /body is not valid JSON/],
  [
    "no max_tokens",
    { ...LESSON, max_tokens: undefined },
    400,
    "invalid_request_error",
    /^max_tokens: Field required$/,
  ],
  [
    "too large",
    { ...LESSON, x: "x".repeat(1024 * 1024) },
    413,
    "request_too_large",
    /1048576 bytes at most|larger than 1 MiB/,
  ],
])("a body that is %s gets the envelope", async (_, body, status, type, message) => {
  const { handle } = setup({ config: { requestMb: 1 } });
  const response = await handle(post(body));
  expect(response.status).toBe(status);
  expect(response.headers.get("request-id")).toBe("req_1");
  expect(await response.json()).toEqual({
    type: "error",
    error: { type, message: expect.stringMatching(message) },
    request_id: "req_1",
  });
});

test.each([[true], [false]])(
  "a model that fails before its first event is an HTTP error (stream: %s)",
  async (stream) => {
    const { handle } = setup({
      // eslint-disable-next-line require-yield
      async *script() {
        throw new GatewayError("rate_limit", "Slow down.", { retryAfterSeconds: 7 });
      },
    });
    const response = await handle(post({ ...LESSON, stream }));
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("7");
  },
);

test("a failure is one line of the log, with its reason when it is not the sender's", async () => {
  const { handle, logged } = setup({
    // oxlint-disable-next-line require-yield -- it fails first
    async *script() {
      throw new GatewayError("upstream", "The model's server is away.");
    },
  });
  await handle(post({ model: "private words" }));
  await handle(post(LESSON));
  expect(logged.map(({ fields }) => ({ ...fields, ms: 0 }))).toEqual([
    { requestId: "req_1", outcome: "failed", ms: 0, status: 400, code: "invalid_request" },
    {
      requestId: "req_1",
      outcome: "failed",
      ms: 0,
      status: 502,
      code: "upstream",
      reason: "The model's server is away.",
    },
  ]);
});

test("a model that fails later is an error event, without detail that is not for clients", async () => {
  const { client, handle, logged } = setup({
    async *script() {
      yield START;
      throw new Error("secret");
    },
  });
  await expect(client.messages.stream(LESSON_PARAMS).finalMessage()).rejects.toThrow(
    "Internal server error",
  );
  const body = await (await handle(post({ ...LESSON, stream: true }))).text();
  expect(body).toContain(
    'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"Internal server error"}',
  );
  expect(body).not.toContain("secret");
  expect(logged).toMatchObject([
    { level: "error" },
    { level: "error", fields: { requestId: "req_1", outcome: "failed" } },
  ]);
});

/** A model that waits for the end of its request. */
function waiting() {
  const began = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const script: Script = async function* (_, signal) {
    yield START;
    began.resolve();
    try {
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      );
    } finally {
      ended.resolve();
    }
  };
  return { script, began: began.promise, ended: ended.promise };
}

test.each([[true], [false]])(
  "a client that goes away ends the model's work (stream: %s)",
  async (stream) => {
    const { script, began, ended } = waiting();
    const { handle, logged } = setup({ script });
    const client = new AbortController();
    const response = handle(post({ ...LESSON, stream }, { signal: client.signal }));
    await began;
    if (stream) await (await response).body?.cancel();
    else client.abort();
    await ended;
    await response;
    await vi.waitFor(() =>
      expect(logged).toMatchObject([{ level: "info", fields: { outcome: "gone" } }]),
    );
  },
);

test("a client that goes away stops its code", async () => {
  const stopped = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  const { handle } = setup({
    async *execute(_, signal) {
      yield { type: "stdout", text: "a" };
      const aborted = new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => resolve()),
      );
      began.resolve();
      await aborted;
      stopped.resolve();
      yield { ...DONE, status: "killed" };
    },
  });
  const client = new AbortController();
  const response = handle(post(LESSON, { signal: client.signal }));
  await began.promise;
  client.abort();
  await expect(stopped.promise).resolves.toBeUndefined();
  await response;
});

test("a request beyond the places is refused, and a place comes back", async () => {
  const { script, began, ended } = waiting();
  const { handle } = setup({ script, config: { requests: 1 } });
  const response = await handle(post({ ...LESSON, stream: true }));
  await began;
  const refused = await handle(post(LESSON));
  expect(refused.status).toBe(529);
  expect(refused.headers.get("retry-after")).toBe("5");
  await response.body?.cancel();
  await ended;
  expect((await handle(post("{"))).status).toBe(400);
});

test("a request that takes too long ends with a time-out", async () => {
  const { script } = waiting();
  const { handle } = setup({ script, config: { requestSeconds: 0.02 } });
  const response = await handle(post(LESSON));
  expect(response.status).toBe(504);
  expect(await response.json()).toMatchObject({
    error: { type: "timeout_error", message: "The request took longer than 0.02 seconds." },
  });
});

test("the lesson's way of reading an answer", async () => {
  const { client } = setup();
  const message = await client.messages.create(LESSON_PARAMS);
  expect(processCodeExecutionResponse(message as unknown as { content: LessonBlock[] })).toEqual({
    text: ["12.3153", "It is 12.3153."],
    images: [{ format: "image/png", data: PNG }],
    code: ["show()"],
    errors: [],
  });
});

interface LessonBlock {
  type: string;
  name: string;
  text: string;
  input: { code: string };
  output: { type: string; text: string; media_type: string; data: string };
  is_error: boolean;
}

/** Reads the blocks as the lesson's readers do: by `type`, `output.type` and `is_error`. */
function processCodeExecutionResponse({ content }: { content: LessonBlock[] }) {
  const results = content.filter((block) => block.type === "code_execution_result");
  return {
    text: content.flatMap((block) =>
      block.type === "text"
        ? block.text
        : results.includes(block) && block.output.type === "text"
          ? block.output.text
          : [],
    ),
    images: results.flatMap(({ output }) =>
      output.type === "image" ? { format: output.media_type, data: output.data } : [],
    ),
    code: content.flatMap((block) => (block.type === "server_tool_use" ? block.input.code : [])),
    errors: results.flatMap((block) => (block.is_error ? block.output.text : [])),
  };
}
