/**
 * A server that speaks the Messages API as the model: Anthropic's own, a gateway, Ollama, vLLM,
 * llama.cpp.
 *
 * The key goes as `x-api-key` to Anthropic's own hosts (as `Authorization: Bearer` when it is an OAuth
 * token). Other servers read one header or the other, so they get the key in both.
 */
import { toAnthropicRequest } from "./anthropic-request.ts";
import { readAnthropicMessage, readAnthropicStream } from "./anthropic-stream.ts";
import { createModelList } from "./model-list.ts";
import type { ModelEvent, ModelRequest, Provider } from "./provider.ts";
import { countRequestTokens } from "./tokens.ts";
import { UpstreamError } from "./upstream-error.ts";
import { baseUrlOf, createUpstream } from "./upstream.ts";
import type { Upstream, UpstreamOptions } from "./upstream.ts";
import { z } from "zod";

const VERSION = "2023-06-01";

export interface AnthropicOptions extends UpstreamOptions {
  /** The `anthropic-version` to speak. */
  version?: string;
}

export function createAnthropicProvider(options: AnthropicOptions): Provider {
  const { version = VERSION } = options;
  const base = baseUrlOf(options.url, "/messages");
  const upstream = createUpstream(options, base, {
    "anthropic-version": version,
    ...keyHeaders(options.key, base),
  });
  let canCount = true;
  const toBody = (request: ModelRequest): Record<string, unknown> =>
    toAnthropicRequest(request, {
      model: options.model || request.model,
      version,
      isAnthropic: isAnthropic(base),
    });

  return {
    kind: "anthropic",
    seesImages: true,
    model: options.model || null,
    stream(request, signal) {
      return upstream.retrying(() => sample(upstream, toBody(request), signal), signal);
    },
    async countTokens(request, signal) {
      const {
        max_tokens: _,
        stream: __,
        metadata: ___,
        stop_sequences: ____,
        service_tier: _____,
        ...body
      } = toBody(request);
      for (const name of ["temperature", "top_p", "top_k"]) delete body[name];
      if (canCount) {
        try {
          return await countUpstream(upstream, body, signal);
        } catch (error) {
          if (!(error instanceof UpstreamError) || !isMissing(error)) throw error;
          canCount = error.status === 400 || error.status === 422;
        }
      }
      return await countRequestTokens(request, signal);
    },
    listModels: createModelList(upstream),
    async close() {
      upstream.close();
    },
  };
}

async function* sample(
  upstream: Upstream,
  body: Record<string, unknown>,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const context = upstream.context(String(body.model));
  const response = await upstream.ask("/messages", body, { model: context.model, signal });
  try {
    const answer = await upstream.open(response);
    if (answer.kind === "json") yield* readAnthropicMessage(answer.value, context);
    else yield* readAnthropicStream(answer.events, context);
  } finally {
    response.close();
  }
}

async function countUpstream(
  upstream: Upstream,
  body: Record<string, unknown>,
  signal: AbortSignal,
): Promise<number> {
  const response = await upstream.ask("/messages/count_tokens", body, {
    model: String(body.model),
    signal,
  });
  try {
    const answer = await upstream.open(response);
    const count = answer.kind === "json" ? countSchema.safeParse(answer.value) : null;
    if (count?.success) return count.data.input_tokens;
    throw new UpstreamError("upstream", "The model's server did not answer with a count.", {
      status: 501,
    });
  } finally {
    response.close();
  }
}

const countSchema = z.looseObject({ input_tokens: z.number().int().min(0) });

/** Whether the server has no such endpoint, or not for this kind of request. */
function isMissing({ status }: UpstreamError): boolean {
  return status !== undefined && [400, 404, 405, 422, 501].includes(status);
}

function keyHeaders(key: string, base: URL): Record<string, string> {
  if (key === "") return {};
  const bearer = { authorization: `Bearer ${key}` };
  if (!isAnthropic(base)) return { "x-api-key": key, ...bearer };
  return key.startsWith("sk-ant-oat") ? bearer : { "x-api-key": key };
}

function isAnthropic({ hostname }: URL): boolean {
  return /(^|\.)anthropic\.com$/.test(hostname);
}
