import { afterEach, describe, expect, test } from "vitest";

import { fold } from "../../test/fixtures/upstream/fold.ts";
import type { Folded } from "../../test/fixtures/upstream/fold.ts";
import { json, sse, startServer, status } from "../../test/fixtures/upstream/server.ts";
import type { Answer, Asked, UpstreamServer } from "../../test/fixtures/upstream/server.ts";
import { createOpenAiProvider } from "./openai-compatible.ts";
import type { OpenAiOptions } from "./openai-compatible.ts";
import type { ModelEvent, ModelRequest, Provider } from "./provider.ts";
import { RETRY_TIMING } from "./retry.ts";
import { ScriptedProvider, says } from "./scripted.ts";
import type { TextModel, TextModelRequest } from "./text-model.ts";

const signal = new AbortController().signal;
const tools = [{ name: "code_execution", description: "", input_schema: { type: "object" } }];
const request: ModelRequest = {
  model: "asked",
  system: [],
  messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
  tools,
  maxTokens: 100,
  stopSequences: [],
  attachments: [],
};
const image = {
  type: "image" as const,
  source: { type: "base64" as const, media_type: "image/png", data: "AAAA" },
};
const withImage: ModelRequest["messages"] = [{ role: "user", content: [image] }];

let provider: Provider;
let server: UpstreamServer;

afterEach(async () => {
  await provider.close();
  await server[Symbol.asyncDispose]();
});

async function serve(
  answers: Answer[] | Record<string, Answer>,
  options: Partial<OpenAiOptions> = {},
  base = "",
): Promise<void> {
  server = await startServer(answers);
  provider = createOpenAiProvider({
    url: server.url + base,
    key: "",
    model: "",
    timeoutSeconds: 5,
    retries: 2,
    retryTiming: { ...RETRY_TIMING, baseMs: 1, maxMs: 2 },
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    ...options,
  });
}

function ask(changes: Partial<ModelRequest> = {}): Promise<Folded> {
  return fold(provider.stream({ ...request, ...changes }, signal));
}

const refuses = (code: number, message: string): Answer =>
  json({ error: { message, type: "api_error", code } }, code);

describe("the request", () => {
  test.each([
    ["", "/v1/chat/completions"],
    ["/v1", "/v1/chat/completions"],
    ["/v1/chat/completions", "/v1/chat/completions"],
    ["/api/v1/", "/api/v1/chat/completions"],
    ["/v1beta/openai/", "/v1beta/openai/chat/completions"],
  ])("goes to the right path for a base of %j", async (base, path) => {
    await serve([sse("openai/full")], { key: "sk-12345", model: "set" }, base);
    await ask();
    expect(server.asked[0]).toMatchObject({
      path,
      body: { model: "set" },
      headers: { authorization: "Bearer sk-12345" },
    });
  });

  test("carries no key where there is none", async () => {
    await serve([sse("openai/full")]);
    await ask();
    expect(server.asked[0]?.headers).not.toHaveProperty("authorization");
  });
});

describe("servers that take less", () => {
  test.each([
    ["stream_options", 400, "Unrecognized request argument supplied: stream_options", {}],
    [
      "max_tokens",
      400,
      "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
      {},
    ],
    [
      "temperature",
      400,
      "Unsupported value: 'temperature' does not support 0.2.",
      { temperature: 0.2 },
    ],
    [
      "response_format",
      400,
      "Cannot use custom grammar constraints with tools.",
      { answerSchema: { type: "object" } },
    ],
  ])("%s", async (field, code, message, changes) => {
    await serve([refuses(code, message), sse("openai/full"), sse("openai/full")]);
    await ask(changes);
    await ask(changes);
    expect(server.asked.map(({ body }) => field in body)).toEqual([true, false, false]);
  });

  test.each([
    [
      500,
      "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
    ],
    [400, "At most 0 image(s) may be provided in one request."],
    [500, "Failed to create new sequence: this model is missing data required for image input"],
  ])("images, refused with %i: %s", async (code, message) => {
    await serve([refuses(code, message), sse("openai/full")]);
    await ask({ messages: withImage });
    expect(server.asked[1]?.body.messages).toEqual([
      { role: "user", content: expect.stringMatching(/^\[An image, image\/png/) },
    ]);
  });

  test("a refusal that no omission helps against is the client's", async () => {
    await serve([refuses(400, "this model's maximum context length is 1024 tokens")]);
    await expect(ask({ messages: withImage })).rejects.toMatchObject({
      code: "invalid_request",
      message: `The model's server refused the request: "this model's maximum context length is 1024 tokens"`,
    });
    expect(server.asked).toHaveLength(1);
  });

  test("a refusal that stays is not asked about for ever", async () => {
    await serve([refuses(400, "stream_options is not allowed")]);
    await expect(ask()).rejects.toMatchObject({ code: "invalid_request" });
    expect(server.asked).toHaveLength(2);
  });
});

test("a server that does not stream", async () => {
  await serve([
    json({ model: "m", choices: [{ message: { content: "hello" }, finish_reason: "stop" }] }),
  ]);
  expect((await ask()).blocks).toEqual([{ type: "text", text: "hello" }]);
});

test("500, then well", async () => {
  await serve([status(500, "boom"), sse("openai/ollama")]);
  expect((await ask()).blocks).toHaveLength(3);
});

test("an unknown model is named", async () => {
  await serve([refuses(404, 'model "asked" not found, try pulling it first')]);
  await expect(ask()).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringMatching(/does not know the model "asked".*try pulling it first/),
  });
});

describe("models without tools", () => {
  test.each([
    [400, "registry.ollama.ai/library/gemma:2b does not support tools"],
    [500, "tools param requires --jinja flag"],
    [400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'],
    [404, "No endpoints found that support tool use."],
  ])("%i %s: the harness drives it, from then on at once", async (code, message) => {
    const harness = new ScriptedProvider([[says("one")], [says("two")]]);
    const models: TextModel[] = [];
    const createHarness = (model: TextModel): Provider => {
      models.push(model);
      return harness;
    };
    await serve({ "/v1/chat/completions": refuses(code, message) }, { createHarness });
    expect((await ask()).blocks).toEqual([{ type: "text", text: "one" }]);
    expect((await ask()).blocks).toEqual([{ type: "text", text: "two" }]);
    expect(server.asked.filter(({ path }) => path === "/v1/chat/completions")).toHaveLength(1);
    expect(models).toMatchObject([{ kind: "openai", model: "asked", contextTokens: 4096 }]);
  });

  test("without a harness it is an error that says what to do", async () => {
    await serve([refuses(400, "gemma does not support tools")]);
    await expect(ask()).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringMatching(/cannot call tools.*CURTA_MODEL/),
    });
  });

  test("a request without tools goes to the model itself", async () => {
    await serve([sse("openai/no-done")]);
    expect((await ask({ tools: [] })).blocks).toEqual([{ type: "text", text: "hello" }]);
  });
});

describe("a server as a text model", () => {
  const completion: TextModelRequest = {
    messages: [{ role: "user", content: "add 1 and 2" }],
    prefix: "```python\n",
    stop: ["```"],
    maxTokens: 50,
    temperature: 0,
  };
  const streamed =
    (...pieces: string[]): Answer =>
    (response) => {
      const chunks = pieces.map((content) =>
        JSON.stringify({ choices: [{ index: 0, delta: { content } }] }),
      );
      const last = JSON.stringify({
        choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
        usage: { prompt_tokens: 5, completion_tokens: 6 },
      });
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end([...chunks, last, "[DONE]"].map((data) => `data: ${data}\n\n`).join(""));
    };

  /** A harness that only passes the text model's reply on. */
  function passOn(model: TextModel): Provider {
    return {
      kind: "test",
      model: null,
      async *stream(): AsyncGenerator<ModelEvent> {
        yield { type: "start", model: model.model, usage: { inputTokens: 0, outputTokens: 0 } };
        yield { type: "text-start" };
        for await (const event of model.complete(completion, signal)) {
          if (event.done) {
            yield { type: "block-end" };
            const stopReason = event.stopReason === "stop" ? "end_turn" : "max_tokens";
            yield { type: "end", stopReason, stopSequence: null, usage: event.usage };
          } else yield { type: "text-delta", text: event.text };
        }
      },
      countTokens: async () => await model.countTokens("four"),
      close: async () => undefined,
    };
  }

  async function complete(
    routes: Record<string, Answer>,
    replies: Answer[],
  ): Promise<{ text: unknown; end: unknown; bodies: Asked["body"][] }> {
    const left = [...replies];
    const chat: Answer = (response, asked) => {
      if ("tools" in asked.body) refuses(400, "does not support tools")(response, asked);
      else (left.shift() ?? status(418, "asked too often"))(response, asked);
    };
    await serve({ ...routes, "/v1/chat/completions": chat }, { createHarness: passOn });
    const { blocks, end } = await ask();
    const bodies = server.asked
      .filter(({ path, body }) => path === "/v1/chat/completions" && !("tools" in body))
      .map(({ body }) => body);
    return { text: blocks[0]?.text, end, bodies };
  }

  const trailing = [...completion.messages, { role: "assistant", content: "```python\n" }];
  const wish = expect.stringMatching(/^add 1 and 2\n\nAnswer with one Python program .*```python/);

  test("Ollama continues a trailing assistant message", async () => {
    const ps = json({ models: [{ name: "asked:latest", context_length: 8192 }] });
    const { text, end, bodies } = await complete({ "/api/ps": ps }, [
      streamed("print(1 ", "+ 2)\n"),
    ]);
    expect(text).toBe("print(1 + 2)\n");
    expect(end).toMatchObject({
      stopReason: "end_turn",
      usage: { inputTokens: 5, outputTokens: 6 },
    });
    expect(bodies).toMatchObject([
      { model: "asked", messages: trailing, max_tokens: 50, temperature: 0 },
    ]);
  });

  test("one that opens the fence anew", async () => {
    const { text, bodies } = await complete({ "/api/ps": json({ models: [] }) }, [
      streamed("``", "`pyth", "on\nprint(3)\n``", "`\nThat's it."),
    ]);
    expect(text).toBe("print(3)\n");
    // The server may not stop at the fence that it opens.
    expect(bodies[0]).not.toHaveProperty("stop");
  });

  test("llama.cpp with a thinking template is told not to think", async () => {
    const props = json({ default_generation_settings: { n_ctx: 16384 } });
    const { text, bodies } = await complete({ "/props": props }, [
      refuses(400, "Assistant response prefill is incompatible with enable_thinking."),
      streamed("print(3)"),
    ]);
    expect(text).toBe("print(3)");
    expect(bodies[1]).toMatchObject({
      messages: trailing,
      chat_template_kwargs: { enable_thinking: false },
    });
  });

  test("vLLM is told to continue the last message", async () => {
    const models = json({ data: [{ id: "asked", owned_by: "vllm", max_model_len: 32768 }] });
    const { text, bodies } = await complete({ "/v1/models": models }, [
      streamed("```python\nprint(3)"),
    ]);
    expect(text).toBe("print(3)");
    expect(bodies[0]).toMatchObject({
      messages: trailing,
      continue_final_message: true,
      add_generation_prompt: false,
    });
  });

  test("any other server is asked for a fenced program", async () => {
    const { text, bodies } = await complete({}, [
      streamed("Here:\n\n```py", "thon\nprint(3)\n``", "`"),
    ]);
    expect(text).toBe("print(3)\n");
    expect(bodies).toMatchObject([{ messages: [{ role: "user", content: wish }] }]);
  });

  test("its failures are the server's", async () => {
    await expect(complete({}, [refuses(400, "too long")])).rejects.toMatchObject({
      code: "invalid_request",
    });
  });
});
