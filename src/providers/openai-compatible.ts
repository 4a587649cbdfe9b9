/**
 * A server that speaks Chat Completions as the model: Ollama, vLLM, llama.cpp, a gateway.
 *
 * Servers differ in what they take, and say so only by refusing. A refusal that names something we can do
 * without (`stream_options`, sampling parameters, the schema of an answer, images, the name of the token
 * limit) is remembered for that model and the request is sent again without it. A model that takes no tools is
 * driven through the text harness instead, from then on at once.
 */
import { GatewayError } from "../errors.ts";
import { createModelList } from "./model-list.ts";
import { toChatRequest } from "./openai-request.ts";
import type { Abilities } from "./openai-request.ts";
import { readChatCompletion, readChatStream } from "./openai-stream.ts";
import { createOpenAiTextModel } from "./openai-text-model.ts";
import type { ModelEvent, ModelRequest, Provider } from "./provider.ts";
import type { TextModel } from "./text-model.ts";
import { countRequestTokens, estimateRequestTokens } from "./tokens.ts";
import { UpstreamError } from "./upstream-error.ts";
import { baseUrlOf, createUpstream } from "./upstream.ts";
import type { Upstream, UpstreamOptions } from "./upstream.ts";

export interface OpenAiOptions extends UpstreamOptions {
  /** Makes a provider of a model that has no tools. Without it such a model is an error. */
  createHarness?: (model: TextModel) => Provider | Promise<Provider>;
}

/** Models that clients may name; their abilities are forgotten beyond this many. */
const MAX_MODELS = 100;

export function createOpenAiProvider(options: OpenAiOptions): Provider {
  const { key, log } = options;
  const upstream = createUpstream(
    options,
    baseUrlOf(options.url, "/chat/completions"),
    key === "" ? {} : { authorization: `Bearer ${key}` },
  );
  const known = new Map<string, Abilities>();
  const harnesses = new Map<string, Promise<Provider>>();

  return {
    kind: "openai",
    model: options.model || null,
    async *stream(request, signal) {
      const model = options.model || request.model;
      const abilities = abilitiesOf(model);
      if (abilities.tools || !needsTools(request)) {
        try {
          yield* upstream.retrying(
            () => sample(upstream, request, model, abilities, signal),
            signal,
          );
          return;
        } catch (error) {
          if (!(error instanceof NoToolSupport)) throw error;
          log.warn(
            { model },
            `The model calls no tools (${error.message}); it is driven through its text instead.`,
          );
        }
      }
      const harness = await harnessOf(model, signal);
      yield* harness.stream(request, signal);
    },
    countTokens: countRequestTokens,
    listModels: createModelList(upstream),
    async close() {
      upstream.close();
      for (const harness of harnesses.values()) await (await harness.catch(() => null))?.close();
    },
  };

  function abilitiesOf(model: string): Abilities {
    const abilities = known.get(model) ?? {
      tools: true,
      images: true,
      streamOptions: true,
      sampling: true,
      maxTokens: true,
      answerFormat: true,
    };
    if (known.size >= MAX_MODELS) known.clear();
    known.set(model, abilities);
    return abilities;
  }

  async function harnessOf(model: string, signal: AbortSignal): Promise<Provider> {
    const { createHarness } = options;
    if (createHarness === undefined) {
      throw new GatewayError(
        "invalid_request",
        `The model "${model}" cannot call tools; choose one that can with CURTA_MODEL.`,
      );
    }
    if (harnesses.size >= MAX_MODELS) harnesses.clear();
    const made =
      harnesses.get(model) ??
      createOpenAiTextModel(upstream, model, signal).then(
        async (textModel) => await createHarness(textModel),
      );
    harnesses.set(model, made);
    try {
      return await made;
    } catch (error) {
      harnesses.delete(model);
      throw error;
    }
  }
}

class NoToolSupport extends Error {}

async function* sample(
  upstream: Upstream,
  request: ModelRequest,
  model: string,
  abilities: Abilities,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const response = await askAdapting(upstream, request, model, abilities, signal);
  try {
    const answer = await upstream.open(response);
    const options = {
      context: upstream.context(model),
      estimatedInputTokens: estimateRequestTokens(request),
      stopSequences: request.stopSequences,
    };
    if (answer.kind === "json") yield* readChatCompletion(answer.value, options);
    else yield* readChatStream(answer.events, options);
  } finally {
    response.close();
  }
}

/** Asks, and again without what the server refused; each ability can be lost once, so this ends. */
async function askAdapting(
  upstream: Upstream,
  request: ModelRequest,
  model: string,
  abilities: Abilities,
  signal: AbortSignal,
): ReturnType<Upstream["ask"]> {
  for (;;) {
    const asked = { ...abilities };
    try {
      return await upstream.ask("/chat/completions", toChatRequest(request, model, asked), {
        model,
        signal,
      });
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const refused = refusedAbility(error, request);
      if (refused === null || !asked[refused]) throw error;
      abilities[refused] = false;
      if (refused === "tools") throw new NoToolSupport(error.upstreamMessage);
    }
  }
}

/** Which ability a refusal denies. The phrases are those of Ollama, llama.cpp, vLLM, OpenRouter, OpenAI. */
function refusedAbility(
  { status, upstreamMessage: said }: UpstreamError,
  request: ModelRequest,
): keyof Abilities | null {
  if (status === undefined || ![400, 404, 415, 422, 500, 501].includes(status)) return null;
  if (request.tools.length > 0 && NO_TOOLS.test(said)) return "tools";
  if (/stream_options/.test(said)) return "streamOptions";
  if (/max_completion_tokens/.test(said) && /max_tokens/.test(said)) return "maxTokens";
  if (/\b(temperature|top_p|top_k)\b/.test(said)) return "sampling";
  if (request.answerSchema !== undefined && NO_ANSWER_FORMAT.test(said)) return "answerFormat";
  if (/\bimages?\b|image_url|vision|multi-?modal|mmproj/i.test(said) && hasImages(request))
    return "images";
  return null;
}

const NO_ANSWER_FORMAT = /response_format|json_?schema|structured output|grammar/i;

const NO_TOOLS =
  /does not support tools|tools param requires|unsupported param: tools|--enable-auto-tool-choice|support tool use|tool (use|calling|calls) (is|are) not supported/i;

function needsTools({ tools, messages }: ModelRequest): boolean {
  return (
    tools.length > 0 ||
    messages.some(({ content }) =>
      content.some(({ type }) => type === "tool_use" || type === "tool_result"),
    )
  );
}

function hasImages({ messages }: ModelRequest): boolean {
  return messages.some(({ content }) =>
    content.some(
      (block) =>
        block.type === "image" ||
        (block.type === "tool_result" &&
          typeof block.content !== "string" &&
          block.content.some(({ type }) => type === "image")),
    ),
  );
}
