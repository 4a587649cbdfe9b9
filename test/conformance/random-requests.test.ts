/**
 * Random requests, valid and invalid: every answer is a valid message or a valid error, never a fault, and
 * every answer that Curta gives it takes back in a second turn.
 *
 * The model is scripted by the request, too: what it does is drawn with it and handed over in a system text.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";

import { LessonMessage, NativeMessage } from "../../src/conformance/message.ts";
import { ErrorEnvelope } from "../../src/conformance/objects.ts";
import { foldStream, readStream } from "../../src/conformance/stream.ts";
import type { ModelRequest } from "../../src/providers/provider.ts";
import {
  ScriptedProvider,
  calls,
  ends,
  says,
  thinks,
  type ScriptStep,
} from "../../src/providers/scripted.ts";
import { startServer, type TestServer } from "../real/server.ts";

const RUNS = 150;
/** A provider keeps what it was asked; each test has its own server's share of that. */
const SAMPLINGS = 3;

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    provider: new ScriptedProvider((request) => perform(request)),
    env: { CURTA_FILES_MB: "64" },
  });
});

afterAll(() => server?.close());

const Move = z.discriminatedUnion("do", [
  z.object({ do: z.literal("say"), text: z.string() }),
  z.object({ do: z.literal("think"), text: z.string(), signature: z.string() }),
  z.object({ do: z.literal("run"), code: z.string() }),
  z.object({ do: z.literal("shell"), command: z.string() }),
  z.object({ do: z.literal("edit"), input: z.record(z.string(), z.unknown()) }),
  z.object({ do: z.literal("search"), query: z.string() }),
  z.object({ do: z.literal("call"), city: z.string() }),
  z.object({ do: z.literal("misuse"), json: z.string() }),
]);
type Move = z.infer<typeof Move>;

/** The sampling's share of the moves that stand in the system text. */
function perform({ system, messages }: ModelRequest): ScriptStep[] {
  const script = system.map(({ text }) => text).find((text) => text.startsWith("moves:"));
  if (script === undefined) return [says("Done.")];
  const samplings = z.array(z.array(Move)).parse(JSON.parse(script.slice("moves:".length)));
  const done = messages.filter(
    ({ role, content }) => role === "user" && content.some(({ type }) => type === "tool_result"),
  ).length;
  const steps = (samplings[done] ?? []).map(toStep);
  return steps.length === 0 ? [says("Done."), ends("end_turn")] : steps;
}

function toStep(move: Move): ScriptStep {
  switch (move.do) {
    case "say":
      return says(move.text, { chunk: 3 });
    case "think":
      return thinks(move.text, { chunk: 3, signature: move.signature });
    case "run":
      return calls("code_execution", { code: move.code }, { chunk: 4 });
    case "shell":
      return calls("bash_code_execution", { command: move.command }, { chunk: 4 });
    case "edit":
      return calls("text_editor_code_execution", move.input, { chunk: 4 });
    case "search":
      return calls("web_search", { query: move.query }, { chunk: 4 });
    case "call":
      return calls("get_weather", { city: move.city }, { chunk: 4 });
    case "misuse":
      return [
        { type: "tool-use-start", id: "", name: "code_execution" },
        { type: "tool-use-delta", partialJson: move.json },
        { type: "block-end" },
      ];
  }
}

const word = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.constantFrom("", " ", "\n", "\u0000", "</antml>", "{", "event: x\n\ndata: y"),
);

const code = fc.oneof(
  word.map((text) => `print(${JSON.stringify(text).replaceAll("\\u0000", "")})`),
  fc.constantFrom(
    "1/0",
    "",
    "   ",
    "def f(:",
    "import sys; sys.exit(3)",
    "import os; open(os.path.join(os.environ['OUTPUT_DIR'], 'a.txt'), 'w').write('a')",
    "print('x' * 5000)",
    "import sys; print('é\\ud800'.encode('utf-8', 'surrogatepass')); sys.stdout.buffer.write(b'\\xff\\xfe')",
    "import matplotlib.pyplot as plt; plt.plot([1, 2])",
    "{'a': 1}",
    "print(await web_search({'query': 'pines'}))",
    "import asyncio; print(await asyncio.gather(web_search('a'), web_fetch('https://a.invalid/'), web_search('b'), web_search(''), return_exceptions=True))",
  ),
);

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ do: fc.constant("say" as const), text: word }),
  fc.record({
    do: fc.constant("think" as const),
    text: word,
    signature: fc.constantFrom("", "c2ln"),
  }),
  { arbitrary: fc.record({ do: fc.constant("run" as const), code }), weight: 2 },
  fc.record({
    do: fc.constant("shell" as const),
    command: fc.oneof(
      word,
      fc.constantFrom("exit 3", "printf 'a\\0b\\377'", 'echo a > "$OUTPUT_DIR/a"', "kill -9 $$"),
    ),
  }),
  fc.record({
    do: fc.constant("edit" as const),
    input: fc.record(
      {
        command: fc.constantFrom<unknown>("view", "create", "str_replace", "insert", 7),
        path: fc.oneof(word, fc.constantFrom("/tmp/a.txt", "/tmp", "/etc/passwd", "../x", "a/b")),
        file_text: word,
        old_str: word,
        new_str: word,
        view_range: fc.tuple(fc.integer(), fc.integer()),
      },
      { requiredKeys: ["command", "path"] },
    ),
  }),
  fc.record({ do: fc.constant("search" as const), query: word }),
  fc.record({ do: fc.constant("call" as const), city: word }),
  fc.record({
    do: fc.constant("misuse" as const),
    json: fc.constantFrom("{}", '{"code": 7}', '{"kode": "1"}', '{"code": "pri'),
  }),
);

const moves = fc.array(fc.array(move, { maxLength: 3 }), { maxLength: SAMPLINGS });

const block = fc.oneof(
  word.map((text) => ({ type: "text", text })),
  fc.constantFrom(
    { type: "text", text: "Hello", cache_control: { type: "ephemeral" }, citations: null },
    { type: "document", source: { type: "text", media_type: "text/plain", data: "Seven pines" } },
    {
      type: "document",
      source: { type: "base64", media_type: "text/csv", data: "YSxiCjEsMgo=" },
      title: "t.csv",
    },
    {
      type: "search_result",
      source: "https://example.org",
      title: "A page",
      content: [{ type: "text", text: "Words" }],
    },
  ),
);

const valid = fc.record(
  {
    model: fc.constant("some-model"),
    max_tokens: fc.integer({ min: 1, max: 2000 }),
    messages: fc
      .array(
        fc.record({
          role: fc.constantFrom("user", "assistant"),
          content: fc.oneof(word, fc.array(block, { minLength: 1, maxLength: 3 })),
        }),
        { maxLength: 3 },
      )
      .map((messages) => [...messages, { role: "user", content: "Go on." }]),
    stop_sequences: fc.constantFrom(null, [], ["STOP"]),
    temperature: fc.constantFrom(null, 0, 0.5, 1),
    metadata: fc.constantFrom(null, {}, { user_id: "u" }),
    thinking: fc.constantFrom({ type: "enabled", budget_tokens: 1024 }, { type: "disabled" }),
  },
  { requiredKeys: ["model", "max_tokens", "messages"] },
);

const WEATHER = {
  name: "get_weather",
  input_schema: { type: "object", properties: { city: { type: "string" } } },
};
const SEARCH = { type: "web_search_20250305", name: "web_search" };
/** Functions of the code, beside a version of code execution that can call any. */
const FROM_CODE = [
  { type: "web_search_20260209", name: "web_search", max_uses: 2 },
  {
    type: "web_fetch_20260318",
    name: "web_fetch",
    allowed_callers: ["direct", "code_execution_20260120"],
    response_inclusion: "excluded",
  },
];
const CAN_CALL = /_2026/;
const versions = fc.constantFrom(
  "code_execution_20250522",
  "code_execution_20250825",
  "code_execution_20260120",
  "code_execution_20260521",
);

function webTools(web: string, version: string): object[] {
  if (web === "none") return [];
  return web === "code" && CAN_CALL.test(version) ? FROM_CODE : [SEARCH];
}

interface Draw {
  request: Record<string, unknown>;
  isNative: boolean;
  stream: boolean;
}

const draws: fc.Arbitrary<Draw> = fc
  .record({
    valid,
    moves,
    version: versions,
    web: fc.constantFrom("none", "model", "code"),
    hasBeta: fc.boolean(),
    stream: fc.boolean(),
  })
  .map(({ valid: request, moves: script, version, web, hasBeta, stream }) => ({
    request: {
      ...request,
      tools: [{ type: version, name: "code_execution" }, WEATHER, ...webTools(web, version)],
      system: `moves:${JSON.stringify(script)}`,
      stream,
    },
    isNative: hasBeta || version !== "code_execution_20250522",
    stream,
  }));

function post(body: string, isNative: boolean): Promise<Response> {
  return fetch(`${server.url}/v1/messages`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(isNative && { "anthropic-beta": "code-execution-2025-05-22" }),
    },
    body,
  });
}

test("every answer to a valid request is a valid message, and is taken back", async () => {
  await fc.assert(
    fc.asyncProperty(draws, async ({ request, isNative, stream }) => {
      const answer = await post(JSON.stringify(request), isNative);
      if (answer.status !== 200) throw new Error(await answer.text());
      const form = isNative ? "native" : "lesson";
      const message = stream
        ? foldStream(await readStream(answer.body!), form).message
        : (isNative ? NativeMessage : LessonMessage).parse(await answer.json());
      const open = message.content.flatMap((used) =>
        used.type === "tool_use"
          ? { type: "tool_result", tool_use_id: used.id, content: "21 degrees" }
          : [],
      );
      // What the client says next; after an empty answer the conversation goes on without it.
      const next = open.length > 0 ? open : [{ type: "text", text: "And now?" }];
      const turns =
        message.content.length === 0 ? [] : [{ role: "assistant", content: message.content }];
      const second = await post(
        JSON.stringify({
          ...request,
          system: "No moves.",
          stream: false,
          max_tokens: 2000,
          messages: [...(request.messages as object[]), ...turns, { role: "user", content: next }],
        }),
        isNative,
      );
      if (second.status !== 200) throw new Error(await second.text());
      const schema = isNative ? NativeMessage : LessonMessage;
      expect(schema.safeParse(await second.json()).error).toBeUndefined();
    }),
    { numRuns: RUNS },
  );
});

/** Something else in one place of a valid request. */
const broken = fc
  .tuple(
    draws,
    fc.nat(),
    fc.oneof(fc.jsonValue(), fc.constantFrom<unknown>([], {}, null, -1, 1e308)),
  )
  .map(([{ request, isNative }, at, value]) => {
    const places = placesOf(request);
    const copy = structuredClone(request);
    const path = places[at % places.length]!;
    const holder = path
      .slice(0, -1)
      .reduce<Record<string, unknown>>((found, key) => found[key] as Record<string, unknown>, copy);
    holder[path.at(-1)!] = value;
    return { body: JSON.stringify(copy), isNative };
  });

function placesOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => [
    [...path, key],
    ...placesOf(child, [...path, key]),
  ]);
}

test("every answer to an invalid request is a valid error of the client's, or a message", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        { arbitrary: broken, weight: 4 },
        fc.record({ body: fc.oneof(fc.json(), fc.string()), isNative: fc.boolean() }),
      ),
      async ({ body, isNative }) => {
        const answer = await post(body, isNative);
        const text = await answer.text();
        if (answer.status === 200) return;
        expect(answer.status, text).toBeLessThan(500);
        const { request_id } = ErrorEnvelope.parse(JSON.parse(text));
        expect(answer.headers.get("request-id")).toBe(request_id);
      },
    ),
    { numRuns: RUNS },
  );
});

const query = fc
  .dictionary(
    fc.constantFrom("limit", "page", "after_id", "before_id", "ids[]", "group_by", "from"),
    fc.oneof(fc.constantFrom("1", "0", "-1", "1e9", "page_file_x", "msgbatch_x", ""), fc.string()),
    { maxKeys: 3, noNullPrototype: true },
  )
  .map((fields) => new URLSearchParams(fields).toString());

const id = fc.oneof(
  fc.constantFrom("x", "file_x", "msgbatch_x", "..", "%00", "a%2Fb"),
  fc.string({ minLength: 1, maxLength: 30 }).map(encodeURIComponent),
);

const elsewhere = fc.oneof(
  fc.record({
    method: fc.constantFrom("GET", "POST", "DELETE", "PUT"),
    path: fc.oneof(
      fc.constantFrom(
        "/v1/models",
        "/v1/files",
        "/v1/messages/batches",
        "/v1/usage",
        "/v1/nothing",
      ),
      id.map((name) => `/v1/models/${name}`),
      id.map((name) => `/v1/files/${name}`),
      id.map((name) => `/v1/files/${name}/content`),
      id.map((name) => `/v1/messages/batches/${name}`),
      id.map((name) => `/v1/messages/batches/${name}/results`),
      id.map((name) => `/v1/messages/batches/${name}/cancel`),
      id.map((name) => `/v1/containers/${name}`),
    ),
    query,
    body: fc.constant(undefined),
  }),
  fc.record({
    method: fc.constant("POST"),
    path: fc.constantFrom("/v1/messages/count_tokens", "/v1/messages/batches", "/v1/files"),
    query,
    body: fc.oneof(
      fc.json(),
      fc
        .record({
          requests: fc.array(fc.record({ custom_id: fc.string(), params: fc.jsonValue() })),
        })
        .map((value) => JSON.stringify(value)),
      draws.map(({ request }) => JSON.stringify(request)),
    ),
  }),
);

test("every other path answers as documented or with an error of the client's", async () => {
  await fc.assert(
    fc.asyncProperty(elsewhere, async ({ method, path, query: fields, body }) => {
      const answer = await fetch(`${server.url}${path}?${fields}`, {
        method,
        ...(body !== undefined && { body, headers: { "content-type": "application/json" } }),
      });
      const text = await answer.text();
      if (answer.status === 200) return;
      expect(answer.status, `${method} ${path}: ${text}`).toBeLessThan(500);
      const { request_id } = ErrorEnvelope.parse(JSON.parse(text));
      expect(answer.headers.get("request-id")).toBe(request_id);
    }),
    { numRuns: 2 * RUNS },
  );
});
