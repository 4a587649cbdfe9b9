/** What `GET /v1/models` of a model's server says, in the dialect of either API. */
import { z } from "zod";

import type { ListedModel } from "./provider.ts";
import type { Upstream } from "./upstream.ts";

/** Gateways list hundreds; nobody reads more than this. */
const MAX_MODELS = 1_000;

const tokens = z.int().min(1).optional().catch(undefined);

/** Each server has a name of its own for the limits; the first that is there counts. */
const INPUT_LIMITS = [
  "max_input_tokens",
  "max_model_len",
  "loaded_context_length",
  "context_length",
  "context_window",
  "max_context_length",
] as const;
const ANSWER_LIMITS = ["max_tokens", "max_completion_tokens", "max_output_tokens"] as const;

const Entry = z.looseObject({
  ...Object.fromEntries([...INPUT_LIMITS, ...ANSWER_LIMITS].map((name) => [name, tokens])),
  /** llama.cpp. */
  meta: z.looseObject({ n_ctx: tokens, n_ctx_train: tokens }).optional().catch(undefined),
  /** OpenRouter. */
  top_provider: z.looseObject({ max_completion_tokens: tokens }).optional().catch(undefined),
  id: z.string().min(1).max(256),
  display_name: z.string().optional().catch(undefined),
  created_at: z.iso.datetime({ offset: true }).optional().catch(undefined),
  /** Chat Completions: seconds. */
  created: z.number().int().min(0).max(8.64e12).optional().catch(undefined),
});
const List = z.looseObject({ data: z.array(z.unknown()) });

/** Clients ask before each conversation; models come and go by the day. */
const FRESH_MS = 30_000;

/** Empty when the server does not tell; a model can be named all the same. Asks again after a while. */
export function createModelList(
  upstream: Pick<Upstream, "lookUp">,
  now: () => number = performance.now.bind(performance),
): (signal: AbortSignal) => Promise<ListedModel[]> {
  let models: ListedModel[] = [];
  let freshUntil = 0;
  return async (signal) => {
    if (now() >= freshUntil) {
      models = await readModelList(upstream, signal);
      freshUntil = now() + FRESH_MS;
    }
    return models;
  };
}

async function readModelList(
  upstream: Pick<Upstream, "lookUp">,
  signal: AbortSignal,
): Promise<ListedModel[]> {
  const list = List.safeParse(await upstream.lookUp("/v1/models?limit=1000", null, signal));
  return (list.data?.data ?? []).slice(0, MAX_MODELS).flatMap((value) => {
    const entry = Entry.safeParse(value);
    if (!entry.success) return [];
    const { id, display_name: displayName, created_at, created, meta, top_provider } = entry.data;
    const createdAt = created_at ?? (created && new Date(created * 1000).toISOString());
    const maxInputTokens = limitOf(entry.data, INPUT_LIMITS) ?? meta?.n_ctx ?? meta?.n_ctx_train;
    const maxTokens = limitOf(entry.data, ANSWER_LIMITS) ?? top_provider?.max_completion_tokens;
    return [
      {
        id,
        ...(displayName && { displayName }),
        ...(createdAt && { createdAt }),
        ...(maxInputTokens && { maxInputTokens }),
        ...(maxTokens && { maxTokens }),
      },
    ];
  });
}

function limitOf(entry: Record<string, unknown>, names: readonly string[]): number | undefined {
  const found = names.map((name) => entry[name]).find((value) => typeof value === "number");
  return typeof found === "number" ? found : undefined;
}
