import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { fold } from "../../test/fixtures/upstream/fold.ts";
import type { Folded } from "../../test/fixtures/upstream/fold.ts";
import {
  cutAfter,
  json,
  silentAfter,
  sse,
  startServer,
  status,
} from "../../test/fixtures/upstream/server.ts";
import type { Answer, UpstreamServer } from "../../test/fixtures/upstream/server.ts";
import { toAnthropicRequest } from "./anthropic-request.ts";
import { createAnthropicProvider } from "./anthropic.ts";
import type { AnthropicOptions } from "./anthropic.ts";
import type { ModelRequest, Provider } from "./provider.ts";
import { RETRY_TIMING } from "./retry.ts";

const KEY = "sk-secret-1234";
const request: ModelRequest = {
  model: "claude-asked",
  system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
  messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
  tools: [],
  maxTokens: 100,
  stopSequences: [],
  attachments: [],
};

let waits: number[];
let provider: Provider;
let server: UpstreamServer;

beforeEach(() => {
  waits = [];
});

afterEach(async () => {
  await provider.close();
  await server?.[Symbol.asyncDispose]();
});

async function serve(
  answers: Answer[] | Record<string, Answer>,
  options: Partial<AnthropicOptions> = {},
): Promise<void> {
  server = await startServer(answers);
  provider = connect(server.url, options);
}

function connect(url: string, options: Partial<AnthropicOptions> = {}): Provider {
  return createAnthropicProvider({
    url,
    key: KEY,
    model: "",
    timeoutSeconds: 5,
    retries: 2,
    retryTiming: { ...RETRY_TIMING, baseMs: 1, maxMs: 2 },
    log: {
      debug: () => undefined,
      info: () => undefined,
      warn: (fields) => waits.push((fields as { waitMs: number }).waitMs),
    },
    ...options,
  });
}

function ask(
  changes: Partial<ModelRequest> = {},
  signal = new AbortController().signal,
): Promise<Folded> {
  return fold(provider.stream({ ...request, ...changes }, signal));
}

describe("the request", () => {
  test("carries key, version and the fields of the Messages API", async () => {
    await serve([sse("anthropic/full")]);
    await ask({
      tools: [{ name: "f", description: "d", input_schema: { type: "object" } }],
      toolChoice: { type: "any" },
      stopSequences: ["END"],
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      thinking: { type: "enabled", budget_tokens: 1024 },
      metadata: { user_id: "u" },
      serviceTier: "auto",
    });
    const [asked] = server.asked;
    expect(asked?.path).toBe("/v1/messages");
    expect(asked?.headers).toMatchObject({
      "anthropic-version": "2023-06-01",
      "x-api-key": KEY,
      authorization: `Bearer ${KEY}`,
      "content-type": "application/json",
    });
    expect(asked?.body).toEqual({
      model: "claude-asked",
      max_tokens: 100,
      stream: true,
      system: request.system,
      messages: request.messages,
      tools: [{ name: "f", description: "d", input_schema: { type: "object" } }],
      tool_choice: { type: "any" },
      stop_sequences: ["END"],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      thinking: { type: "enabled", budget_tokens: 1024 },
      metadata: { user_id: "u" },
      service_tier: "auto",
    });
  });

  test("carries the schema of an answer, in words, too, where the server may not know it", async () => {
    const answerSchema = { type: "object", properties: { n: { type: "integer" } } };
    await serve([sse("anthropic/full")]);
    await ask({ answerSchema, effort: "low" });
    expect(server.asked[0]?.body).toMatchObject({
      system: [
        ...request.system,
        { type: "text", text: expect.stringMatching(/^Your final answer must be one JSON value/) },
      ],
      output_config: { format: { type: "json_schema", schema: answerSchema }, effort: "low" },
    });
    expect(
      toAnthropicRequest(
        { ...request, answerSchema, effort: "low" },
        { model: "claude-set", version: "2023-06-01", isAnthropic: true },
      ),
    ).toMatchObject({
      system: request.system,
      output_config: { format: { type: "json_schema", schema: answerSchema } },
    });
  });

  test("leaves out sampling parameters where the API version refuses them, and names the configured model", async () => {
    await serve([sse("anthropic/full")], { version: "2026-10-21", model: "claude-set" });
    await ask({ temperature: 0, topP: 1, topK: 1 });
    expect(server.asked[0]?.body).toEqual({
      model: "claude-set",
      max_tokens: 100,
      stream: true,
      system: request.system,
      messages: request.messages,
    });
  });

  test("returns signed thinking unchanged, drops what the API refuses, notes files", async () => {
    await serve([sse("anthropic/full")]);
    const image = {
      type: "image" as const,
      source: { type: "base64" as const, media_type: "image/png", data: "AA==" },
    };
    const pdf = {
      type: "document" as const,
      source: { type: "base64", media_type: "application/pdf", data: "AA==" },
    };
    await ask({
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "sum it" },
            {
              type: "document",
              title: "data.csv",
              source: { type: "base64", media_type: "text/csv", data: "YQ==" },
            },
            pdf,
          ],
        },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "signed", signature: "sig" },
            { type: "thinking", thinking: "not signed", signature: "" },
            { type: "redacted_thinking", data: "enc" },
            { type: "text", text: "" },
            { type: "tool_use", id: "toolu_1", name: "f", input: { a: 1 } },
          ],
        },
        {
          role: "user",
          content: [
            {
              type: "tool_result",
              tool_use_id: "toolu_1",
              content: [{ type: "text", text: "1" }, image],
              is_error: true,
            },
          ],
        },
        { role: "assistant", content: [{ type: "thinking", thinking: "alone", signature: "" }] },
      ],
      attachments: [{ filename: "data.csv", mediaType: "text/csv", sizeBytes: 1, preview: "a" }],
    });
    expect(server.asked[0]?.body.messages).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "sum it" },
          {
            type: "text",
            text: '[Attached file "data.csv" (text/csv, 1 bytes) in the working directory of the code]\nIt begins:\na',
          },
          pdf,
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "signed", signature: "sig" },
          { type: "redacted_thinking", data: "enc" },
          { type: "tool_use", id: "toolu_1", name: "f", input: { a: 1 } },
        ],
      },
      {
        role: "user",
        content: [
          {
            type: "tool_result",
            tool_use_id: "toolu_1",
            content: [{ type: "text", text: "1" }, image],
            is_error: true,
          },
        ],
      },
    ]);
  });

  test.each([
    ["", "/v1/messages"],
    ["/", "/v1/messages"],
    ["/v1", "/v1/messages"],
    ["/v1/messages", "/v1/messages"],
    ["/api/v1/", "/api/v1/messages"],
    ["/gateway", "/gateway/v1/messages"],
  ])("goes to the right path for a base of %j", async (base, path) => {
    server = await startServer([sse("anthropic/full")]);
    provider = connect(server.url + base);
    await ask();
    expect(server.asked[0]?.path).toBe(path);
  });
});

describe("retries", () => {
  test("500, then well", async () => {
    await serve([status(500, "boom"), sse("anthropic/full")]);
    expect((await ask()).end?.stopReason).toBe("tool_use");
    expect(server.asked).toHaveLength(2);
    expect(waits).toHaveLength(1);
  });

  test("429 waits as long as the server asks", async () => {
    await serve([
      status(429, "slow", { "retry-after-ms": "7" }),
      status(429, "slow", { "retry-after": "0" }),
      sse("anthropic/full"),
    ]);
    await ask();
    expect(waits).toEqual([7, 0]);
  });

  test("an error event and a break before the first event are tried again", async () => {
    await serve([
      sse("anthropic/error-first"),
      cutAfter("anthropic/full", 0),
      sse("anthropic/full"),
    ]);
    await ask();
    expect(server.asked).toHaveLength(3);
  });

  test("429 with a long wait goes to the client at once", async () => {
    await serve([
      status(429, JSON.stringify({ error: { type: "rate_limit_error", message: "quota" } }), {
        "retry-after": "61",
      }),
    ]);
    await expect(ask()).rejects.toMatchObject({ code: "rate_limit", retryAfterSeconds: 61 });
    expect(server.asked).toHaveLength(1);
  });

  test.each([
    [529, "overloaded"],
    [503, "overloaded"],
    [500, "upstream"],
    [502, "upstream"],
    [429, "rate_limit"],
  ])("%i gives up after the configured number", async (code, expected) => {
    await serve([status(code, "no")]);
    await expect(ask()).rejects.toMatchObject({ code: expected });
    expect(server.asked).toHaveLength(3);
  });

  test("nothing is tried again after the first event", async () => {
    await serve([cutAfter("anthropic/full", 700), sse("anthropic/full")]);
    await expect(ask()).rejects.toMatchObject({
      code: "upstream",
      message: expect.stringContaining("broke off"),
    });
    expect(server.asked).toHaveLength(1);
  });

  test("a server can forbid it", async () => {
    await serve([status(500, "no", { "x-should-retry": "false" })]);
    await expect(ask()).rejects.toMatchObject({ code: "upstream", mayRetry: false });
    expect(server.asked).toHaveLength(1);
  });

  test("the wait ends when the request is given up", async () => {
    await serve([status(429, "slow", { "retry-after": "50" })]);
    const gone = new AbortController();
    const asked = ask({}, gone.signal);
    await expect.poll(() => waits).toEqual([50_000]);
    gone.abort(new Error("client gone"));
    await expect(asked).rejects.toThrow("client gone");
  });
});

describe("failures", () => {
  test.each([
    [401, false],
    [404, false],
    [500, true],
    [529, true],
  ])("after a %i the client may repeat its request: %s", async (code, mayRetry) => {
    await serve(Array.from({ length: 3 }, () => status(code, "no")));
    await expect(ask()).rejects.toMatchObject({ mayRetry });
  });

  const apiError = (type: string, message: string): string =>
    JSON.stringify({ type: "error", error: { type, message } });
  test.each([
    [
      401,
      apiError("authentication_error", "invalid x-api-key"),
      "upstream",
      /did not accept our key \(401\); check CURTA_UPSTREAM_KEY/,
    ],
    [403, "no", "upstream", /CURTA_UPSTREAM_KEY/],
    [
      404,
      apiError("not_found_error", "model: claude-asked"),
      "not_found",
      /does not know the model "claude-asked"/,
    ],
    [
      404,
      "404 page not found",
      "upstream",
      /has nothing at .*\/v1\/messages \(404\); check CURTA_UPSTREAM_URL/,
    ],
    [
      400,
      apiError("invalid_request_error", `bad ${KEY} thing`),
      "invalid_request",
      /refused the request: "bad … thing"/,
    ],
    [
      422,
      JSON.stringify({ detail: [{ loc: [], msg: "field required" }] }),
      "invalid_request",
      /"field required"/,
    ],
    [413, "", "request_too_large", /too large\.$/],
    [402, "pay", "upstream", /payment/],
    [504, "<html>Gateway</html>", "upstream_timeout", /ran out of time \(504\)\.$/],
    [301, "", "upstream", /failed \(301\)/],
  ])("%i %s", async (code, text, expected, message) => {
    await serve([status(code, text)]);
    const error = await ask().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: expected, message: expect.stringMatching(message) });
    expect(String(error)).not.toContain(KEY);
    expect(server.asked).toHaveLength(1);
  });

  test("a server that is down", async () => {
    const listener = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => listener.once("listening", resolve));
    const { port } = listener.address() as AddressInfo;
    await new Promise((resolve) => listener.close(resolve));
    provider = connect(`http://127.0.0.1:${port}`);
    await expect(ask()).rejects.toMatchObject({
      code: "upstream",
      message: `The model's server at http://127.0.0.1:${port} cannot be reached (ECONNREFUSED); see CURTA_UPSTREAM_URL.`,
    });
    expect(waits).toHaveLength(2);
  });

  test.each([
    ["before its headers", (): void => undefined],
    ["in the middle", silentAfter("anthropic/full", 700)],
  ])("a server that falls silent %s", async (_, answer) => {
    await serve([answer], { timeoutSeconds: 0.05 });
    await expect(ask()).rejects.toMatchObject({
      code: "upstream_timeout",
      message: expect.stringContaining("silent for 0.05 s"),
    });
  });

  test("a web page", async () => {
    await serve([
      (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html></html>"),
    ]);
    await expect(ask()).rejects.toMatchObject({
      code: "upstream",
      message: expect.stringContaining("web page"),
    });
  });

  test("an endless line", async () => {
    await serve([
      (response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.end(`data: ${"x".repeat(9 * 1024 * 1024)}`);
      },
    ]);
    await expect(ask()).rejects.toMatchObject({
      code: "upstream",
      message: expect.stringContaining("line longer than"),
    });
  });

  test("a request given up in the middle closes the connection", async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    await serve([
      (response, asked) => {
        response.on("close", resolve);
        silentAfter("anthropic/full", 700)(response, asked);
      },
    ]);
    const gone = new AbortController();
    const reason = new Error("client gone");
    const run = (async () => {
      for await (const event of provider.stream(request, gone.signal))
        if (event.type === "start") gone.abort(reason);
    })();
    await expect(run).rejects.toBe(reason);
    await closed;
  });

  test("a reader that leaves closes the connection", async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    await serve([
      (response, asked) => {
        response.on("close", resolve);
        silentAfter("anthropic/full", 700)(response, asked);
      },
    ]);
    for await (const event of provider.stream(request, new AbortController().signal))
      if (event.type === "start") break;
    await expect(closed).resolves.toBeUndefined();
  });
});

test("the connection is used again", async () => {
  await serve([sse("anthropic/full")]);
  await ask();
  await expect
    .poll(async () => {
      await ask();
      return server.asked.at(-1)?.port === server.asked.at(-2)?.port;
    })
    .toBe(true);
});

describe("countTokens", () => {
  const signal = new AbortController().signal;

  test("asks the server", async () => {
    await serve({ "/v1/messages/count_tokens": json({ input_tokens: 17 }) });
    expect(await provider.countTokens({ ...request, temperature: 1, metadata: {} }, signal)).toBe(
      17,
    );
    expect(server.asked[0]?.body).toEqual({
      model: "claude-asked",
      system: request.system,
      messages: request.messages,
    });
  });

  test("estimates where there is no such endpoint, and does not ask again", async () => {
    await serve([status(404, "404 page not found")]);
    expect(await provider.countTokens(request, signal)).toBeGreaterThan(5);
    await provider.countTokens(request, signal);
    expect(server.asked).toHaveLength(1);
  });

  test("tells of a wrong key", async () => {
    await serve([status(401, "")]);
    await expect(provider.countTokens(request, signal)).rejects.toThrow(/CURTA_UPSTREAM_KEY/);
  });
});

test.each(["ftp://host", "localhost:11434", "not a url", "http://user:pw@host"])(
  "refuses the base URL %j",
  (url) => {
    expect(() => connect(url)).toThrow(/^CURTA_UPSTREAM_URL must/);
  },
);
