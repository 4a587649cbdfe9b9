/** The official TypeScript SDK against a real server: only its base URL and its key are changed. */
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { afterAll, beforeAll, expect, test } from "vitest";

import { GatewayError } from "../../src/errors.ts";
import { calls, ends, pauses, says, thinks } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import { knownGoodScript } from "../fixtures/known-good-model.ts";
import { readJsonLines, runProgram } from "../fixtures/program.ts";
import { LESSON_REQUESTS, isPng, judge, toOutcome, type AnswerBlock } from "../real/requests.ts";
import { startServer, type TestServer } from "../real/server.ts";

const KEY = "sk-curta-test";
const director = createDirector();
let server: TestServer;
let client: Anthropic;

beforeAll(async () => {
  server = await startServer({ provider: director.provider, env: { CURTA_API_KEYS: KEY } });
  client = new Anthropic({ baseURL: server.url, apiKey: KEY, maxRetries: 0 });
});

afterAll(() => server?.close());

const TOOLS = [{ type: "code_execution_20250522" as const, name: "code_execution" as const }];
const REQUEST = {
  model: "claude-sonnet-4-20250514",
  max_tokens: 4096,
  tools: TOOLS,
  messages: [{ role: "user" as const, content: "Compute 6 * 7 and draw a line." }],
};
const DRAW = "print(6 * 7)\nimport matplotlib.pyplot as plt\nline = plt.plot([1, 2, 3])";
const SCENE = [
  [
    thinks("I will write Python code.", { chunk: 6 }),
    says("Let me compute it.", { chunk: 5 }),
    calls("code_execution", { code: DRAW }, { chunk: 8 }),
  ],
  [says("It is 42.", { chunk: 3 })],
];

/** Blocks as the lesson has them; the SDK's types do not know its result block. */
function blocksOf(message: { content: unknown }): AnswerBlock[] {
  return message.content as AnswerBlock[];
}

/** An answer without what differs from one run to the next. */
/** Also without what the SDK drops of a stream: figures in `usage` that it does not know. */
function withoutIds(message: Anthropic.Message | Anthropic.Beta.BetaMessage): unknown {
  const ids = new Map<string, string>();
  const text = JSON.stringify(message, (key, value: unknown) =>
    ["expires_at", "parsed_output", "curta"].includes(key) ? undefined : value,
  ).replaceAll(/\b(msg|srvtoolu|container|file)_\w+/g, (id, prefix: string) => {
    if (!ids.has(id)) ids.set(id, `${prefix}_${ids.size}`);
    return ids.get(id)!;
  });
  return JSON.parse(text);
}

test("the lesson's code runs word for word, and every answer is right", async () => {
  director.play(knownGoodScript);
  const lesson = new URL("lesson/lesson.mjs", import.meta.url).pathname;
  const { code, stdout, stderr } = await runProgram(process.execPath, [lesson], {
    env: { ANTHROPIC_BASE_URL: server.url, ANTHROPIC_API_KEY: KEY },
  });
  expect(stderr).toBe("");
  expect(code).toBe(0);

  const names = [
    "standard deviation",
    "loan",
    "employees.csv",
    "sales chart",
    "JSON to CSV",
    "text analysis",
    "messy data",
  ];
  const answers = readJsonLines(stdout) as {
    response: { content: AnswerBlock[] };
    processed: {
      text: string[];
      images: { format: string; data: string }[];
      code: string[];
      errors: string[];
    };
  }[];
  expect(answers).toHaveLength(names.length);
  for (const [index, name] of names.entries()) {
    const known = LESSON_REQUESTS.find((request) => request.name === name)!;
    const { response, processed } = answers[index]!;
    expect({
      name,
      problem: judge(known, toOutcome(response.content)),
      code: processed.code,
      errors: processed.errors,
      images: processed.images.length,
    }).toEqual({
      name,
      problem: null,
      code: [known.program],
      errors: [],
      images: known.wantsChart ? 1 : 0,
    });
    expect(processed.text.length).toBeGreaterThanOrEqual(2);
    expect(processed.text).not.toContain(undefined);
    for (const image of processed.images) {
      expect(image.format).toBe("image/png");
      expect(isPng(Buffer.from(image.data, "base64"))).toBe(true);
    }
  }
  expect(stdout).toMatch(/^Chart image: iVBORw0KGgo\S+\.\.\.$/m);
  expect(stdout.match(/^Errors: \[\]$/gm)).toHaveLength(names.length);
});

test("create: block by block as the lesson shows it, with ids, usage and stop reason", async () => {
  director.play(SCENE);
  const {
    data: message,
    response,
    request_id,
  } = await client.messages.create(REQUEST).withResponse();
  const [thinking, words, use, printed, image, answer, ...rest] = blocksOf(message);
  expect(thinking).toEqual({
    type: "thinking",
    thinking: "I will write Python code.",
    text: "I will write Python code.",
    signature: "c2NyaXB0ZWQ=",
  });
  expect(words).toEqual({ type: "text", text: "Let me compute it." });
  expect(use).toEqual({
    type: "server_tool_use",
    id: expect.stringMatching(/^srvtoolu_\w+$/),
    name: "code_execution",
    input: { code: DRAW },
    caller: { type: "direct" },
  });
  const { id } = use as unknown as { id: string };
  expect(printed).toEqual({
    type: "code_execution_result",
    tool_use_id: id,
    output: { type: "text", text: "42" },
    text: "42",
    is_error: false,
  });
  expect(image).toMatchObject({
    type: "code_execution_result",
    tool_use_id: id,
    output: { type: "image", media_type: "image/png" },
    text: "[Chart generated]",
    is_error: false,
  });
  expect(answer).toEqual({ type: "text", text: "It is 42." });
  expect(rest).toEqual([]);

  expect(message).toMatchObject({
    id: expect.stringMatching(/^msg_\w+$/),
    type: "message",
    role: "assistant",
    model: "claude-sonnet-4-20250514",
    stop_reason: "end_turn",
    stop_sequence: null,
    container: { id: expect.stringMatching(/^container_\w+$/) },
  });
  expect(Date.parse(message.container!.expires_at)).toBeGreaterThan(Date.now());
  expect(message.usage.input_tokens).toBeGreaterThan(0);
  expect(message.usage.output_tokens).toBeGreaterThan(0);
  expect(request_id).toMatch(/^req_\w+$/);
  expect(response.headers.get("request-id")).toBe(request_id);
});

test.each([
  ["lesson", undefined],
  ["native", { headers: { "anthropic-beta": "code-execution-2025-05-22" } }],
])("stream and create give the same message, in the %s rendering", async (_name, options) => {
  director.play(SCENE);
  const created = await client.messages.create(REQUEST, options);
  director.play(SCENE);
  const streamed = await client.messages.stream(REQUEST, options).finalMessage();
  // The SDK adds up only `thinking` of a streamed thinking block: the lesson's `text` beside it stays empty.
  for (const block of blocksOf(streamed))
    if (block.type === "thinking" && block.text === "")
      block.text = (block as unknown as { thinking: string }).thinking;
  expect(withoutIds(streamed)).toEqual(withoutIds(created));
});

test("stream: the helpers see text, thinking, input and the final message", async () => {
  director.play(SCENE);
  const stream = client.messages.stream(REQUEST);
  const texts: string[] = [];
  let thought = "";
  let input: unknown;
  const types: string[] = [];
  stream.on("text", (delta) => texts.push(delta));
  stream.on("thinking", (delta) => (thought += delta));
  stream.on("inputJson", (_delta, snapshot) => (input = snapshot));
  stream.on("contentBlock", (block) => types.push(block.type));
  const message = await stream.finalMessage();
  expect(texts.length).toBeGreaterThan(4);
  expect(texts.join("")).toBe("Let me compute it.It is 42.");
  expect(thought).toBe("I will write Python code.");
  expect(input).toEqual({ code: DRAW });
  expect(types).toEqual([
    "thinking",
    "text",
    "server_tool_use",
    "code_execution_result",
    "code_execution_result",
    "text",
  ]);
  expect(await stream.finalText()).toContain("It is 42.");
  expect(message.container?.id).toMatch(/^container_/);
  expect(stream.request_id).toMatch(/^req_/);
});

test("beta.messages: native blocks, and the charts are files", async () => {
  const request = { ...REQUEST, betas: ["code-execution-2025-05-22"] };
  director.play(SCENE);
  const message = await client.beta.messages.create(request);
  const result = message.content.find((block) => block.type === "code_execution_tool_result");
  expect(result?.content).toMatchObject({
    type: "code_execution_result",
    stdout: "42\n",
    stderr: "",
    return_code: 0,
    content: [{ type: "code_execution_output", file_id: expect.stringMatching(/^file_\w+$/) }],
  });
  const { content } = result!.content as { content: { file_id: string }[] };
  const download = await client.beta.files.download(content[0]!.file_id);
  expect(isPng(Buffer.from(await download.arrayBuffer()))).toBe(true);

  director.play(SCENE);
  const streamed = await client.beta.messages.stream(request).finalMessage();
  expect(streamed.content.map((block) => block.type)).toEqual(
    message.content.map((block) => block.type),
  );
});

test.each([
  ["files", () => client.files],
  ["beta.files", () => client.beta.files],
] as const)(
  "%s: upload, list page by page, read, use in a container, delete",
  async (_name, get) => {
    const files = get();
    const uploaded = await files.upload({
      file: await Anthropic.toFile(Buffer.from("city,degrees\nParis,21\n"), "weather.csv", {
        type: "text/csv",
      }),
    });
    const other = await files.upload({
      file: await Anthropic.toFile(Buffer.from("b"), "b.txt", { type: "text/plain" }),
    });
    expect(uploaded).toMatchObject({ type: "file", filename: "weather.csv", size_bytes: 22 });
    expect(await files.retrieveMetadata(uploaded.id)).toEqual(uploaded);
    const listed: string[] = [];
    for await (const { id } of files.list({ limit: 1 })) listed.push(id);
    expect(listed.slice(0, 2)).toEqual([other.id, uploaded.id]);
    const picked: string[] = [];
    for await (const { id } of files.list({ ids: [other.id, "file_none"] })) picked.push(id);
    expect(picked).toEqual([other.id]);

    director.play([
      [calls("code_execution", { code: 'print(open("weather.csv").read())' })],
      [says("Read.")],
    ]);
    const message = await client.beta.messages.create({
      ...REQUEST,
      betas: ["code-execution-2025-05-22"],
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "Read it." },
            { type: "container_upload", file_id: uploaded.id },
          ],
        },
      ],
    });
    expect(JSON.stringify(message.content)).toContain("Paris,21");

    const refused = await caught(files.download(uploaded.id));
    expect(refused).toBeInstanceOf(Anthropic.BadRequestError);
    expect(await files.delete(uploaded.id)).toEqual({ id: uploaded.id, type: "file_deleted" });
    await files.delete(other.id);
    expect(await caught(files.retrieveMetadata(uploaded.id))).toBeInstanceOf(
      Anthropic.NotFoundError,
    );
  },
);

test("turn after turn: response.content goes back whole, in either rendering, with its container", async () => {
  for (const options of [
    undefined,
    { headers: { "anthropic-beta": "code-execution-2025-05-22" } },
  ]) {
    director.play([
      [thinks("First."), calls("code_execution", { code: "x = 20\nprint(x)" })],
      [says("x is 20.")],
    ]);
    const first = await client.messages.create(REQUEST, options);
    director.play([[calls("code_execution", { code: "print(x + 1)" })], [says("x + 1 is 21.")]]);
    const second = await client.messages.create(
      {
        ...REQUEST,
        container: first.container!.id,
        messages: [
          ...REQUEST.messages,
          { role: "assistant", content: first.content },
          { role: "user", content: "Add one." },
        ],
      },
      options,
    );
    expect(second.container?.id).toBe(first.container?.id);
    expect(JSON.stringify(second.content)).toContain("21");
    expect(JSON.stringify(second.content)).not.toContain("NameError");
    // The model reads its first program and that program's output.
    const told = JSON.stringify(director.asked[0]?.messages);
    expect(told).toContain("print(x)");
    expect(told).toMatch(/"tool_result".*20/);

    director.play([[says("It was 21.")]]);
    const third = await client.messages.create(
      {
        ...REQUEST,
        messages: [
          ...REQUEST.messages,
          { role: "assistant", content: first.content },
          { role: "user", content: "Add one." },
          { role: "assistant", content: second.content },
          { role: "user", content: "What was it?" },
        ],
      },
      options,
    );
    expect(third.content).toEqual([expect.objectContaining({ type: "text", text: "It was 21." })]);
  }
});

test("errors are the SDK's own classes, with the request's id", async () => {
  const bad = await caught(client.messages.create({ ...REQUEST, max_tokens: 0 }));
  expect(bad).toBeInstanceOf(Anthropic.BadRequestError);
  expect(bad).toMatchObject({ status: 400, type: "invalid_request_error" });
  expect(bad.message).toContain("max_tokens");
  expect(bad.requestID).toMatch(/^req_/);

  const gone = await caught(client.messages.create({ ...REQUEST, container: "container_gone" }));
  expect(gone).toBeInstanceOf(Anthropic.NotFoundError);

  const stranger = new Anthropic({ baseURL: server.url, apiKey: "sk-wrong", maxRetries: 0 });
  const refused = await caught(stranger.messages.create(REQUEST));
  expect(refused).toBeInstanceOf(Anthropic.AuthenticationError);

  director.play([[new GatewayError("rate_limit", "Slow down.", { retryAfterSeconds: 7 })]]);
  const limited = await caught(client.messages.create(REQUEST));
  expect(limited).toBeInstanceOf(Anthropic.RateLimitError);
  expect(limited.headers?.get("retry-after")).toBe("7");

  director.play([[new GatewayError("overloaded", "Too much.")]]);
  const overloaded = await caught(client.messages.create(REQUEST));
  expect(overloaded).toBeInstanceOf(Anthropic.InternalServerError);
  expect(overloaded).toMatchObject({ status: 529, type: "overloaded_error" });
});

test("a stream that fails before its first event has a status, later an error event", async () => {
  director.play([[new GatewayError("rate_limit", "Slow down.", { retryAfterSeconds: 7 })]]);
  const early = await caught(client.messages.stream(REQUEST).finalMessage());
  expect(early).toBeInstanceOf(Anthropic.RateLimitError);

  director.play([[says("Let me"), new GatewayError("overloaded", "The model is overloaded.")]]);
  const late = await caught(client.messages.stream(REQUEST).finalMessage());
  expect(late).toBeInstanceOf(Anthropic.APIError);
  expect(late.type).toBe("overloaded_error");
  expect(late.message).toContain("The model is overloaded.");
  expect(late.requestID).toMatch(/^req_/);
});

test("a stream that is aborted stops the code, and its container goes on", async () => {
  director.play([[calls("code_execution", { code: "kept = 5\nprint(kept)" })], [says("Five.")]]);
  const first = await client.messages.create(REQUEST);
  director.play([[says("Wait."), pauses(60_000)]]);
  const stream = client.messages.stream({ ...REQUEST, container: first.container!.id });
  stream.on("text", () => stream.abort());
  await expect(stream.finalMessage()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
  director.play([[calls("code_execution", { code: "print(kept * 2)" })], [says("Ten.")]]);
  const after = await client.messages.create({ ...REQUEST, container: first.container!.id });
  expect(JSON.stringify(after.content)).toContain('"text":"10"');
});

test("the tool runner falls back from threads and works with a client tool and ours", async () => {
  const raw = await fetch(`${server.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": KEY },
    body: JSON.stringify({ ...REQUEST, thread: { type: "create" } }),
  });
  expect(raw.status).toBe(400);
  expect(await raw.json()).toMatchObject({
    error: { details: { error_code: "thread_unsupported_request", unsupported: ["thread"] } },
  });

  director.play([
    [calls("get_weather", { city: "Paris" })],
    [calls("code_execution", { code: "print(21 * 2)" })],
    [says("42 degrees in Paris.")],
  ]);
  const cities: string[] = [];
  const weather = betaTool({
    name: "get_weather",
    description: "The weather of a city",
    inputSchema: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    },
    run: ({ city }) => {
      cities.push(city);
      return "21 degrees, doubled by the code";
    },
  });
  const final = await client.beta.messages.toolRunner({
    ...REQUEST,
    tools: [weather, ...TOOLS],
    max_iterations: 5,
  });
  expect(cities).toEqual(["Paris"]);
  expect(JSON.stringify(final.content)).toContain("42 degrees in Paris.");
  expect(JSON.stringify(final.content)).toContain('"text":"42"');
  expect(director.asked).toHaveLength(3);
  expect(JSON.stringify(director.asked[1]?.messages)).toContain("21 degrees, doubled");
});

test("the tool runner, streamed: the container goes from request to request", async () => {
  director.play([
    [calls("code_execution", { code: "kept = 21\nprint(kept)" })],
    [calls("double", { number: 21 })],
    [calls("code_execution", { code: "print(kept * 2)" })],
    [says("It is 42.")],
  ]);
  const runner = client.beta.messages.toolRunner({
    ...REQUEST,
    betas: ["code-execution-2025-05-22"],
    stream: true,
    max_iterations: 5,
    tools: [
      betaTool({
        name: "double",
        description: "Doubles a number",
        inputSchema: { type: "object", properties: { number: { type: "number" } } },
        run: () => "42",
      }),
      ...TOOLS,
    ],
  });
  const containers: unknown[] = [];
  let last = "";
  for await (const stream of runner) {
    const message = await stream.finalMessage();
    containers.push(message.container?.id);
    last = JSON.stringify(message.content);
  }
  expect(containers).toEqual([expect.stringMatching(/^container_/), containers[0]]);
  expect(last).toContain('"stdout":"42\\n"');
});

test.each([
  ["whole", false],
  ["streamed", true],
])("the tool runner answers calls that code makes, %s", async (_name, stream) => {
  const code = `import asyncio
answers = await asyncio.gather(*[get_weather({"city": city}) for city in ["Paris", "Rome"]])
first = await get_weather({"city": "Oslo"})
print(answers, first)`;
  director.play([[says("I will ask."), calls("code_execution", { code })], [says("All warm.")]]);
  const cities: string[] = [];
  const weather = betaTool({
    name: "get_weather",
    description: "The weather of a city",
    inputSchema: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    },
    run: ({ city }) => {
      cities.push(city);
      return `warm in ${city}`;
    },
  });
  const runner = client.beta.messages.toolRunner({
    ...REQUEST,
    stream,
    max_iterations: 6,
    tools: [
      { type: "code_execution_20260120", name: "code_execution" },
      { ...weather, allowed_callers: ["code_execution_20260120"] },
    ],
  });
  const containers: unknown[] = [];
  let last = "";
  for await (const answer of runner) {
    const message = "finalMessage" in answer ? await answer.finalMessage() : answer;
    containers.push(message.container?.id);
    last = JSON.stringify(message.content);
  }
  expect(cities).toEqual(["Paris", "Rome", "Oslo"]);
  expect(containers.length).toBeGreaterThan(2);
  expect(new Set(containers).size).toBe(1);
  expect(last).toContain("['warm in Paris', 'warm in Rome'] warm in Oslo\\n");
  expect(last).toContain("All warm.");
  // The answers of the client's tools reach the code, not the model.
  expect(director.asked).toHaveLength(2);
});

test("models and token counts, in both clients", async () => {
  for (const api of [client, client.beta]) {
    const models: string[] = [];
    for await (const model of api.models.list()) models.push(model.id);
    expect(models).toEqual(["scripted"]);
    expect(await api.models.retrieve("scripted")).toMatchObject({ type: "model" });
    const { model, messages, tools } = REQUEST;
    const bare = await api.messages.countTokens({ model, messages });
    const full = await api.messages.countTokens({ model, messages, tools });
    expect(bare.input_tokens).toBeGreaterThan(0);
    expect(full.input_tokens).toBeGreaterThan(bare.input_tokens);
  }
  expect(await caught(client.models.retrieve("none"))).toBeInstanceOf(Anthropic.NotFoundError);
});

test("batches: create, wait, results, list, cancel, delete", async () => {
  for (const batches of [client.messages.batches, client.beta.messages.batches]) {
    director.play(SCENE);
    const created = await batches.create({
      requests: [
        { custom_id: "good", params: REQUEST },
        { custom_id: "bad", params: { ...REQUEST, max_tokens: 0 } },
      ],
    });
    expect(created.request_counts.processing).toBe(2);
    const status = async () => (await batches.retrieve(created.id)).processing_status;
    await expect.poll(status, { timeout: 30_000 }).toBe("ended");
    const results: Record<string, unknown> = {};
    for await (const { custom_id, result } of await batches.results(created.id))
      results[custom_id] = result;
    expect(results.bad).toMatchObject({
      type: "errored",
      error: { type: "error", error: { type: "invalid_request_error" } },
    });
    expect(results.good).toMatchObject({ type: "succeeded", message: { stop_reason: "end_turn" } });
    const listed: string[] = [];
    for await (const { id } of batches.list({ limit: 1 })) listed.push(id);
    expect(listed[0]).toBe(created.id);
    expect(await caught(batches.cancel(created.id))).toBeInstanceOf(Anthropic.BadRequestError);
    expect(await batches.delete(created.id)).toMatchObject({ type: "message_batch_deleted" });
  }
});

test("stop reasons: max_tokens and stop_sequence come through", async () => {
  director.play([[says("One, two"), ends("max_tokens")]]);
  expect((await client.messages.create({ ...REQUEST, max_tokens: 5 })).stop_reason).toBe(
    "max_tokens",
  );
  director.play([[says("One, "), ends("stop_sequence", { stopSequence: "two" })]]);
  const stopped = await client.messages.create({ ...REQUEST, stop_sequences: ["two"] });
  expect(stopped).toMatchObject({ stop_reason: "stop_sequence", stop_sequence: "two" });
  expect(director.asked[0]?.stopSequences).toEqual(["two"]);
});

async function caught(promise: Promise<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Anthropic.APIError) return error;
    throw error;
  }
  throw new Error("The request should have failed.");
}
