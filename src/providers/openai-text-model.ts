/**
 * A Chat Completions server as a model that only continues text.
 *
 * The harness begins the reply itself. How a server goes on from such a beginning depends on the server,
 * which is recognised by its own endpoints: Ollama and llama.cpp continue a trailing assistant message,
 * vLLM does when told so. Any other server, and one that refuses, is *asked* for a fenced program
 * instead, and what comes up to the fence is dropped. Stop sequences are applied here too, since a server
 * must be allowed to open the fence that would stop it.
 */
import { z } from "zod";

import { readChatCompletion, readChatStream } from "./openai-stream.ts";
import type { TextModel, TextModelEvent, TextModelRequest } from "./text-model.ts";
import { createReplyCutter } from "./reply-cutter.ts";
import { estimateTokens } from "./tokens.ts";
import { UpstreamError } from "./upstream-error.ts";
import type { Upstream } from "./upstream.ts";

type Continuation = "trailing" | "trailing-without-thinking" | "continue-final" | "ask";

interface Server {
  continuation: Continuation;
  contextTokens: number;
}

/** Ollama's default, and little enough for any other server. */
const DEFAULT_CONTEXT_TOKENS = 4096;

/** Asks the server what it is, then makes the model. */
export async function createOpenAiTextModel(
  upstream: Upstream,
  model: string,
  signal: AbortSignal,
): Promise<TextModel> {
  const server = await recogniseServer(upstream, model, signal);
  let { continuation } = server;

  return {
    kind: "openai",
    model,
    contextTokens: server.contextTokens,
    async *complete(request, signal) {
      const attempt = (): AsyncIterable<TextModelEvent> => complete(request, signal);
      yield* upstream.retrying(attempt, signal);
    },
    async countTokens(text) {
      return estimateTokens(text);
    },
  };

  async function* complete(
    request: TextModelRequest,
    signal: AbortSignal,
  ): AsyncGenerator<TextModelEvent> {
    for (;;) {
      const used = continuation;
      try {
        yield* completeOnce(upstream, model, used, request, signal);
        return;
      } catch (error) {
        const next = error instanceof UpstreamError ? continuationAfter(error, used) : null;
        if (next === null) throw error;
        continuation = next;
      }
    }
  }
}

async function* completeOnce(
  upstream: Upstream,
  model: string,
  continuation: Continuation,
  request: TextModelRequest,
  signal: AbortSignal,
): AsyncGenerator<TextModelEvent> {
  const body = toBody(model, continuation, request);
  const response = await upstream.ask("/chat/completions", body, { model, signal });
  try {
    const answer = await upstream.open(response);
    const options = {
      context: upstream.context(model),
      estimatedInputTokens: request.messages.reduce(
        (sum, { content }) => sum + estimateTokens(content),
        0,
      ),
      stopSequences: request.stop,
    };
    const events =
      answer.kind === "json"
        ? readChatCompletion(answer.value, options)
        : readChatStream(answer.events, options);
    const cutter = createReplyCutter(
      request,
      isContinued(continuation, request) ? "continued" : "asked",
    );
    let inputTokens = options.estimatedInputTokens;
    let written = "";
    for await (const event of events) {
      if (event.type === "text-delta") {
        const text = cutter.push(event.text);
        written += text;
        if (text !== "") yield { text };
        if (!cutter.stopped()) continue;
        // Leaving closes the connection, so that the server does not go on for nobody.
        yield {
          done: true,
          stopReason: "stop",
          usage: { inputTokens, outputTokens: estimateTokens(written) },
        };
        return;
      }
      if (event.type === "start") inputTokens = event.usage.inputTokens;
      if (event.type === "end") {
        const text = cutter.end();
        if (text !== "") yield { text };
        yield {
          done: true,
          stopReason: event.stopReason === "max_tokens" ? "max_tokens" : "stop",
          usage: event.usage,
        };
      }
    }
  } finally {
    response.close();
  }
}

function toBody(
  model: string,
  continuation: Continuation,
  request: TextModelRequest,
): Record<string, unknown> {
  const { prefix, stop, maxTokens, temperature } = request;
  const continued = isContinued(continuation, request);
  return {
    model,
    stream: true,
    max_tokens: maxTokens,
    temperature,
    messages: continued
      ? [...request.messages, { role: "assistant", content: prefix }]
      : withRequest(request.messages, prefix),
    ...(stop.length > 0 && !prefix.includes("```") && { stop }),
    ...(continued &&
      continuation === "continue-final" && {
        continue_final_message: true,
        add_generation_prompt: false,
      }),
    ...(continued &&
      continuation === "trailing-without-thinking" && {
        chat_template_kwargs: { enable_thinking: false },
      }),
  };
}

function isContinued(continuation: Continuation, { prefix }: TextModelRequest): boolean {
  return continuation !== "ask" && prefix !== "";
}

/** The conversation with the wish for a certain beginning added to its last user message. */
function withRequest(
  messages: TextModelRequest["messages"],
  prefix: string,
): TextModelRequest["messages"] {
  if (prefix === "") return messages;
  const wish = wishFor(prefix);
  const last = messages.findLastIndex(({ role }) => role === "user");
  return messages.map((message, index) =>
    index === last ? { ...message, content: `${message.content}\n\n${wish}` } : message,
  );
}

function wishFor(prefix: string): string {
  const fence = prefix.indexOf("```");
  if (fence < 0) return `Begin your answer with exactly: ${prefix}`;
  const begun = prefix.slice(prefix.indexOf("\n", fence) + 1);
  const isBare = !prefix.includes("\n", fence) || begun.trim() === "";
  const rest =
    "in one Markdown code fence that begins with ```python. Write nothing before the fence.";
  if (isBare) return `Answer with one Python program ${rest}`;
  return `The Python program for it begins with these lines, which are already written:\n${begun}\nAnswer with the rest of the program only, ${rest}`;
}

/** How to go on after a refusal of the continuation; null when it was another failure. */
function continuationAfter(error: UpstreamError, used: Continuation): Continuation | null {
  if (used === "ask" || (error.status !== 400 && error.status !== 422)) return null;
  if (
    !/prefill|continue_final_message|add_generation_prompt|enable_thinking|assistant/i.test(
      error.upstreamMessage,
    )
  ) {
    return null;
  }
  return used === "trailing" && /enable_thinking/.test(error.upstreamMessage)
    ? "trailing-without-thinking"
    : "ask";
}

const modelsSchema = z.looseObject({
  data: z.array(
    z.looseObject({
      id: z.string(),
      owned_by: z.string().nullish(),
      max_model_len: z.number().nullish(),
    }),
  ),
});
const propsSchema = z.looseObject({
  default_generation_settings: z.looseObject({ n_ctx: z.number().nullish() }),
});
const psSchema = z.looseObject({
  models: z.array(z.looseObject({ name: z.string(), context_length: z.number().nullish() })),
});

async function recogniseServer(
  upstream: Upstream,
  model: string,
  signal: AbortSignal,
): Promise<Server> {
  const props = propsSchema.safeParse(await upstream.lookUp("/props", null, signal));
  if (props.success) {
    const tokens = props.data.default_generation_settings.n_ctx;
    return { continuation: "trailing", contextTokens: tokens || DEFAULT_CONTEXT_TOKENS };
  }
  const running = psSchema.safeParse(await upstream.lookUp("/api/ps", null, signal));
  if (running.success) {
    const mine = running.data.models.find(
      ({ name }) => name === model || name === `${model}:latest`,
    );
    return {
      continuation: "trailing",
      contextTokens: mine?.context_length || DEFAULT_CONTEXT_TOKENS,
    };
  }
  const models = modelsSchema.safeParse(await upstream.lookUp("/v1/models", null, signal));
  const mine = models.data?.data.find(({ id }) => id === model);
  return {
    continuation: mine?.owned_by === "vllm" ? "continue-final" : "ask",
    contextTokens: mine?.max_model_len || DEFAULT_CONTEXT_TOKENS,
  };
}
