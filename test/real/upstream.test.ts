/**
 * A real server before a model's server of either dialect, over real sockets: the lesson's requests come
 * out right in seconds, and a model's server that misbehaves becomes a clear error, with nothing lost.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { calls, says } from "../../src/providers/scripted.ts";
import { answerKnownRequest } from "../fixtures/known-good-model.ts";
import {
  sendMessages,
  speakChat,
  speakMessages,
  speakText,
  startModelServer,
  type ModelServer,
  type Speak,
} from "../fixtures/model-servers.ts";
import { status, type Answer } from "../fixtures/upstream/server.ts";
import { askMessages, askStream, type Answered } from "../fixtures/messages-client.ts";
import { LESSON_REQUESTS, OWN_REQUESTS, judge, toOutcome } from "./requests.ts";
import { startServer, type TestServer } from "./server.ts";

/** Shorter than the default, so that a server which says nothing is given up within the test. */
const SILENCE_SECONDS = 2;

const knownGood: Speak = ({ words, lastOutput }) => answerKnownRequest(words, lastOutput);
const KNOWN = [...LESSON_REQUESTS, ...OWN_REQUESTS];

const sayHello: Speak = () => [says("Hello from upstream.")];

describe.each([
  { dialect: "anthropic", speak: speakMessages },
  { dialect: "openai", speak: speakChat },
])("a model's server that speaks $dialect", ({ dialect, speak }) => {
  let model: ModelServer;
  let server: TestServer;

  beforeAll(async () => {
    model = await startModelServer();
    server = await startServer({
      env: {
        CURTA_UPSTREAM_URL: model.url,
        CURTA_UPSTREAM_API: dialect,
        CURTA_UPSTREAM_KEY: "sk-upstream-secret",
        CURTA_MODEL: "upstream-model",
        CURTA_UPSTREAM_TIMEOUT_SECONDS: String(SILENCE_SECONDS),
        CURTA_UPSTREAM_RETRIES: "1",
        CURTA_LOG: "silent",
      },
    });
  });

  afterAll(async () => {
    await server?.close();
    await model?.[Symbol.asyncDispose]();
  });

  function ask(content: unknown, fields: object = {}): Promise<Answered> {
    return askMessages(server.url, { messages: [{ role: "user", content }], ...fields });
  }

  async function isWell(): Promise<void> {
    model.play(speak(sayHello));
    const { status, message } = await ask("Hello?");
    expect(status).toBe(200);
    expect(message.content).toEqual([{ type: "text", text: "Hello from upstream." }]);
  }

  test.each(KNOWN.map((request) => ({ name: request.name, request })))(
    "$name",
    async ({ request }) => {
      model.play(speak(knownGood));
      const { status, message } = await ask(request.content);
      expect(status).toBe(200);
      expect(judge(request, toOutcome(message.content))).toBeNull();
      expect(message.usage).toMatchObject({ input_tokens: 50, output_tokens: 80 });
    },
  );

  test("the tool is declared as an ordinary one, and the key stays between the two servers", async () => {
    model.play(speak(knownGood));
    const from = model.asked.length;
    const { message } = await ask(LESSON_REQUESTS[0]!.content);
    expect(JSON.stringify(message)).not.toContain("sk-upstream");
    const [first] = model.asked.slice(from);
    expect(first?.body.model).toBe("upstream-model");
    const text = JSON.stringify(first?.body.tools);
    expect(text).toContain('"name":"code_execution"');
    expect(text).not.toContain("20250522");
    expect(first?.headers.authorization).toBe("Bearer sk-upstream-secret");
  });

  test("down: 502 before anything is sent, also for a stream", async () => {
    model.play((response) => void response.socket?.destroy());
    const { status, error } = await ask("Hello?");
    expect(status).toBe(502);
    expect(error).toMatchObject({ type: "api_error" });
    expect(error?.message).toMatch(/model's server/);
    const stream = await askStream(server.url, { messages: [{ role: "user", content: "Hello?" }] });
    expect(stream.status).toBe(502);
    await isWell();
  });

  test("silent: a time-out that says so", async () => {
    model.play(() => {});
    const startedMs = performance.now();
    const { status, error } = await ask("Hello?");
    expect(status).toBe(504);
    expect(error?.type).toBe("timeout_error");
    expect(error?.message).toMatch(/2 s/);
    expect(performance.now() - startedMs).toBeLessThan(SILENCE_SECONDS * 4000);
    await isWell();
  });

  test("slow, but alive: waited for", async () => {
    model.play((response, asked) => {
      setTimeout(() => speak(sayHello)(response, asked), 700);
    });
    expect((await ask("Hello?")).message.content).toEqual([
      { type: "text", text: "Hello from upstream." },
    ]);
  });

  test("cut off in mid-stream: the client's stream ends in an error event, and says which", async () => {
    model.play(cutAfterText(dialect));
    const stream = await askStream(server.url, { messages: [{ role: "user", content: "Hello?" }] });
    expect(stream.status).toBe(200);
    expect(stream.events.at(-1)).toMatchObject({
      type: "error",
      error: { type: "api_error", message: expect.stringMatching(/model's server/) },
    });
    model.play(cutAfterText(dialect));
    const { status, error } = await ask("Hello?");
    expect(status).toBe(502);
    expect(error?.message).toMatch(/model's server/);
    await isWell();
  });

  test("cut off after the code ran: the container and its state are still there", async () => {
    const kept = await ask("Keep it", playing(calls("code_execution", { code: "kept = 41" })));
    const container = kept.message.container!.id;
    model.play(
      inTurn(
        speak(() => [calls("code_execution", { code: "kept += 1" })]),
        cutAfterText(dialect),
      ),
    );
    const failed = await ask("Add one", { container });
    expect(failed.status).toBe(502);
    const after = await ask("Show", {
      container,
      ...playing(calls("code_execution", { code: "print(kept)" })),
    });
    expect(JSON.stringify(after.message.content)).toContain('"text":"42"');
  });

  test.each([
    ["a web page", status(200, "<html>Welcome</html>", { "content-type": "text/html" })],
    ["not JSON", status(200, "data: {broken\n\n", { "content-type": "text/event-stream" })],
    ["nothing", status(200, "", { "content-type": "text/event-stream" })],
    ["another thing's JSON", status(200, '{"hello":1}', { "content-type": "application/json" })],
  ])("nonsense: %s", async (_name, answer) => {
    model.play(answer);
    const { status, error } = await ask("Hello?");
    expect(status).toBe(502);
    expect(error?.type).toBe("api_error");
    expect(error?.message.length).toBeGreaterThan(20);
    await isWell();
  });

  test("429 with retry-after: waited for once, then handed on", async () => {
    const busy = status(429, '{"error":{"message":"Slow down"}}', { "retry-after": "1" });
    model.play(inTurn(busy, speak(sayHello)));
    const startedMs = performance.now();
    const { status: recovered } = await ask("Hello?");
    expect(recovered).toBe(200);
    expect(performance.now() - startedMs).toBeGreaterThan(990);

    model.play(status(429, '{"error":{"message":"Slow down"}}', { "retry-after": "90" }));
    const limited = await ask("Hello?");
    expect(limited).toMatchObject({
      status: 429,
      error: { type: "rate_limit_error", message: expect.stringContaining("Slow down") },
    });
    expect(limited.headers.get("retry-after")).toBe("90");
  });

  test.each([
    [500, 502, "api_error"],
    [529, 529, "overloaded_error"],
    [401, 502, "api_error"],
    [400, 400, "invalid_request_error"],
  ])("its status %d becomes %d", async (theirs, ours, type) => {
    const said = '{"error":{"message":"Something about sk-upstream-secret"}}';
    model.play(status(theirs, said, { "content-type": "application/json", "retry-after": "0" }));
    const { status: code, error } = await ask("Hello?");
    expect(code).toBe(ours);
    expect(error?.type).toBe(type);
    expect(error?.message).not.toContain("secret");
    await isWell();
  });

  /** Plays two samplings: these blocks, then a closing word. */
  function playing(...steps: ReturnType<typeof calls>[]): object {
    model.play(
      inTurn(
        speak(() => steps),
        speak(() => [says("Done.")]),
      ),
    );
    return {};
  }
});

describe("a model without tools", () => {
  test("is driven through its text: code runs, and the answer agrees with it", async () => {
    await using model = await startModelServer();
    const server = await startServer({
      env: {
        CURTA_UPSTREAM_URL: model.url,
        CURTA_UPSTREAM_API: "openai",
        CURTA_MODEL: "tiny",
        CURTA_LOG: "silent",
      },
    });
    try {
      model.play(speakText(completeText));
      for (const request of LESSON_REQUESTS) {
        const { message } = await askMessages(server.url, {
          messages: [{ role: "user", content: request.content }],
        });
        const problem = judge(request, toOutcome(message.content));
        expect({ name: request.name, problem }).toEqual({ name: request.name, problem: null });
      }
    } finally {
      await server.close();
    }
  });
});

/** A small model's replies to the harness: a plan, a program, closing words. */
function completeText(messages: { role: string; content: string }[]): string {
  const last = messages.at(-1)!;
  const prefix = last.role === "assistant" ? last.content : "";
  if (prefix.startsWith("Is a calculation")) return "Yes";
  if (prefix.endsWith("I will")) return " write a Python program.\n";
  if (!prefix.includes("```python")) return "Here is what the program found.";
  const words = messages.map(({ content }) => content).join("\n");
  const use = answerKnownRequest(words, null).flat() as { type: string; partialJson?: string }[];
  const input = use.map(({ partialJson }) => partialJson ?? "").join("");
  const { code } = JSON.parse(input) as { code: string };
  return `${code}\n\`\`\`\n`;
}

function inTurn(...answers: Answer[]): Answer {
  let index = 0;
  return (response, asked) => {
    const answer = answers[Math.min(index, answers.length - 1)];
    index += 1;
    answer?.(response, asked);
  };
}

/** Some text of an answer, and then a broken connection. */
function cutAfterText(dialect: string): Answer {
  return (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const half =
      dialect === "openai"
        ? 'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}\n\n'
        : halfOfMessages();
    response.write(half, () => response.socket?.resetAndDestroy());
  };
}

function halfOfMessages(): string {
  let written = "";
  const recorder = { writeHead() {}, end() {}, write: (text: string) => (written += text) };
  sendMessages(recorder as never, says("Hello from upstream."));
  return written.slice(0, written.indexOf("event: content_block_stop"));
}
