/**
 * `GET /v1/models` and `GET /v1/models/{id}`: the model that answers, or those of the model's server when
 * the client chooses among them. A request may name any other; it is then the server's to refuse.
 */
import { GatewayError } from "../errors.ts";
import type { ListedModel, Provider } from "../providers/provider.ts";
import { type Page, parsePage } from "./page-query.ts";
import type { AppHandler, Services } from "./services.ts";

/** As the hosted API does for a model whose date is not known. */
const UNKNOWN_DATE = "1970-01-01T00:00:00Z";

export function listModels({ provider }: Services): AppHandler {
  return async (context) => {
    const range = parsePage(context.req.query());
    const models = await modelsOf(provider, context.req.raw.signal);
    const [first, end] = rangeOf(models, range);
    const data = models.slice(first, end).map((model) => toModelInfo(model, provider));
    return context.json({
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: range.beforeId === undefined ? end < models.length : first > 0,
    });
  };
}

export function getModel({ provider }: Services): AppHandler {
  return async (context) => {
    const id = context.req.param("id")!;
    const models = await modelsOf(provider, context.req.raw.signal);
    const found = models.find((model) => model.id === id);
    if (found === undefined) throw new GatewayError("not_found", `model: ${id.slice(0, 256)}`);
    return context.json(toModelInfo(found, provider));
  };
}

async function modelsOf(provider: Provider, signal: AbortSignal): Promise<ListedModel[]> {
  const { model } = provider;
  if (model === null) return (await provider.listModels?.(signal)) ?? [];
  try {
    const listed = await provider.listModels?.(signal);
    return [listed?.find(({ id }) => id === model) ?? { id: model }];
  } catch (cause) {
    // What its server says of it is welcome, and not needed.
    if (cause instanceof GatewayError) return [{ id: model }];
    throw cause;
  }
}

function rangeOf(
  models: readonly ListedModel[],
  { limit, afterId, beforeId }: Page,
): [first: number, end: number] {
  const at = models.findIndex(({ id }) => id === (afterId ?? beforeId));
  // An id that is gone ends the list rather than beginning it anew.
  if (beforeId !== undefined) return at < 0 ? [0, 0] : [Math.max(0, at - limit), at];
  if (afterId !== undefined && at < 0) return [models.length, models.length];
  return [at + 1, at + 1 + limit];
}

function toModelInfo(listed: ListedModel, provider: Provider) {
  const { id, displayName, createdAt, maxInputTokens, maxTokens } = listed;
  const yes = { supported: true };
  const no = { supported: false };
  const seesImages = provider.seesImages === true ? yes : no;
  return {
    id,
    type: "model",
    display_name: displayName ?? id,
    created_at: createdAt ?? UNKNOWN_DATE,
    deprecated_at: null,
    retires_at: null,
    lifecycle: "active",
    line: null,
    max_input_tokens: maxInputTokens ?? null,
    max_tokens: maxTokens ?? null,
    capabilities: {
      batch: yes,
      citations: no,
      code_execution: yes,
      context_management: {
        ...no,
        clear_thinking_20251015: no,
        clear_tool_uses_20250919: no,
        compact_20260112: no,
      },
      effort: { ...no, low: no, medium: no, high: no, xhigh: no, max: no },
      image_input: seesImages,
      pdf_input: seesImages,
      server_tools: { ...yes, code_execution: yes, web_search: yes },
      structured_outputs: no,
      thinking: {
        ...seesImages,
        types: { adaptive: seesImages, between_tools: no, disabled: yes, enabled: seesImages },
      },
    },
  };
}
