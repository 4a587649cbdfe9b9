/**
 * The chunks of a Chat Completions server -> model events.
 *
 * Tool calls come in as many forms as there are servers: in fragments joined by `index` (OpenAI, vLLM,
 * llama.cpp), whole in one chunk (Ollama), with one index for several calls that differ by id (LMDeploy,
 * older Ollama), without index or id, with the id inside `function`, with the name repeated in each
 * fragment or empty in later ones, with the arguments as an object. `callOf` decides which call a fragment
 * belongs to. Model events may not overlap, so the first call streams as it comes and the pieces of later
 * ones wait until it has ended, as does text that comes after a call began.
 *
 * Thinking is `reasoning_content` (llama.cpp, older vLLM), `reasoning` (Ollama, newer vLLM) or `<think>`
 * at the beginning of the text. The stop reason `tool_use` follows from the calls, whatever
 * `finish_reason` says, except at the token limit. The end is `[DONE]`, or a `finish_reason` and then the
 * end of the stream or a short silence; anything else was cut off.
 */
import type { EventSourceMessage } from "eventsource-parser";
import { z } from "zod";

import { createBlockWriter } from "./block-writer.ts";
import type { ModelEvent, ModelStopReason, ModelUsage } from "./provider.ts";
import { createThinkTagSplitter } from "./think-tags.ts";
import { estimateTokens } from "./tokens.ts";
import { objectOf } from "./tool-input.ts";
import { UpstreamError, messageOf, upstreamErrorFromType } from "./upstream-error.ts";
import type { UpstreamContext } from "./upstream-error.ts";
import { parseJson } from "./upstream.ts";

/** After `finish_reason`, usage and `[DONE]` follow at once or never. */
const LINGER_MS = 2_000;
/** More calls than any model makes in one answer. */
const MAX_CALLS = 128;

const functionSchema = z.looseObject({
  name: z.string().nullish(),
  arguments: z.unknown().optional(),
  id: z.string().nullish(),
});

const callSchema = z.looseObject({
  index: z.number().nullish(),
  id: z.union([z.string(), z.number()]).nullish(),
  function: functionSchema.nullish(),
});

const deltaSchema = z.looseObject({
  content: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  refusal: z.string().nullish(),
  tool_calls: z.array(callSchema).nullish(),
});

const chunkSchema = z.looseObject({
  model: z.string().nullish(),
  choices: z
    .array(
      z.looseObject({
        index: z.number().nullish(),
        delta: deltaSchema.nullish(),
        /** Of an answer that came whole. */
        message: deltaSchema.nullish(),
        finish_reason: z.string().nullish(),
        /** vLLM: the stop sequence that was met, or a token's number. */
        stop_reason: z.unknown().optional(),
      }),
    )
    .nullish(),
  usage: z
    .looseObject({
      prompt_tokens: z.number().nullish(),
      completion_tokens: z.number().nullish(),
      prompt_tokens_details: z.looseObject({ cached_tokens: z.number().nullish() }).nullish(),
    })
    .nullish(),
});

export interface ChatStreamOptions {
  context: UpstreamContext;
  /** Input tokens to report when the server reports none. */
  estimatedInputTokens: number;
  stopSequences: readonly string[];
  lingerMs?: number;
}

export async function* readChatStream(
  events: AsyncIterable<EventSourceMessage>,
  options: ChatStreamOptions,
): AsyncGenerator<ModelEvent> {
  const reader = createReader(options);
  const iterator = events[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await nextOrSilence(
        iterator,
        reader.finished() ? (options.lingerMs ?? LINGER_MS) : null,
      );
      if (next === "silence" || next.done) break;
      const { event, data } = next.value;
      if (data === "[DONE]") {
        reader.markDone();
        break;
      }
      if (data.trim() === "") continue;
      yield* reader.read(parseJson(data, options.context.key), event);
    }
  } finally {
    // A read that is still under way ends when the caller closes the connection.
    void iterator.return?.().catch(() => undefined);
  }
  if (!reader.finished()) {
    throw new UpstreamError(
      "upstream",
      "The model's server broke off in the middle of its answer.",
      { retryable: true },
    );
  }
  yield* reader.end();
}

/** A whole completion, from a server that does not stream. */
export function readChatCompletion(value: unknown, options: ChatStreamOptions): ModelEvent[] {
  const reader = createReader(options);
  const events = reader.read(value, undefined);
  reader.markDone();
  return [...events, ...reader.end()];
}

interface Call {
  index: number | null;
  id: string;
  /** Whether the server gave the id. */
  hasId: boolean;
  name: string;
  /** What has not been written yet. */
  waiting: string;
  /** All of it, to see where a call ends. */
  all: string;
  begun: boolean;
}

function createReader({ context, estimatedInputTokens, stopSequences }: ChatStreamOptions): {
  read(value: unknown, eventName: string | undefined): ModelEvent[];
  /** Whether a reason to finish, or `[DONE]`, has been seen. */
  finished(): boolean;
  markDone(): void;
  end(): ModelEvent[];
} {
  const writer = createBlockWriter();
  const thinkTags = createThinkTagSplitter();
  const calls: Call[] = [];
  const late: { kind: "text" | "thinking"; text: string }[] = [];
  const usage: ModelUsage = { inputTokens: estimatedInputTokens, outputTokens: 0 };
  let hasUsage = false;
  let started = false;
  let seenAnything = false;
  let done = false;
  let refused = false;
  let finishReason: string | null = null;
  let stopSequence: string | null = null;

  return {
    read,
    finished: () => finishReason !== null || done,
    markDone() {
      done = true;
    },
    end,
  };

  function read(value: unknown, eventName: string | undefined): ModelEvent[] {
    const failure = failureOf(value, eventName, context);
    if (failure !== null) throw failure;
    const parsed = chunkSchema.safeParse(value);
    if (!parsed.success)
      throw new UpstreamError("upstream", "The model's server sent a malformed chunk.");
    const { model, choices, usage: counts } = parsed.data;
    if (!choices && !counts) return [];
    seenAnything = true;
    const out = start(model);
    if (counts) {
      const cached = counts.prompt_tokens_details?.cached_tokens ?? 0;
      if (counts.prompt_tokens != null)
        usage.inputTokens = Math.max(0, counts.prompt_tokens - cached);
      if (cached > 0) usage.cacheReadInputTokens = cached;
      if (counts.completion_tokens != null) {
        usage.outputTokens = counts.completion_tokens;
        hasUsage = counts.completion_tokens > 0;
      }
    }
    const choice = choices?.find(({ index }) => (index ?? 0) === 0);
    if (!choice) return out;
    const delta = choice.delta ?? choice.message;
    if (delta) {
      say("thinking", delta.reasoning_content || delta.reasoning || "", out);
      for (const piece of thinkTags.push(delta.content ?? "")) say(piece.kind, piece.text, out);
      if (delta.refusal) {
        refused = true;
        say("text", delta.refusal, out);
      }
      for (const fragment of delta.tool_calls ?? []) takeFragment(fragment, out);
    }
    if (choice.finish_reason) {
      finishReason = choice.finish_reason;
      if (typeof choice.stop_reason === "string" && stopSequences.includes(choice.stop_reason)) {
        stopSequence = choice.stop_reason;
      }
    }
    return out;
  }

  function start(model: string | null | undefined): ModelEvent[] {
    if (started) return [];
    started = true;
    return [{ type: "start", model: model || context.model, usage: { ...usage } }];
  }

  function say(kind: "text" | "thinking", text: string, out: ModelEvent[]): void {
    if (text === "") return;
    if (calls.length > 0) {
      late.push({ kind, text });
      return;
    }
    out.push(...(kind === "text" ? writer.text(text) : writer.thinking(text)));
  }

  function takeFragment(fragment: z.infer<typeof callSchema>, out: ModelEvent[]): void {
    const name = fragment.function?.name ?? "";
    const id = String(fragment.id ?? fragment.function?.id ?? "");
    const input = argumentsOf(fragment.function?.arguments);
    let call = callOf(calls, { index: fragment.index ?? null, id, name, input });
    if (call === undefined) {
      if (calls.length >= MAX_CALLS) {
        throw new UpstreamError(
          "upstream",
          `The model's server sent more than ${MAX_CALLS} tool calls.`,
        );
      }
      call = {
        index: fragment.index ?? null,
        id: isUsableId(id) ? id : newCallId(),
        hasId: id !== "",
        name,
        waiting: "",
        all: "",
        begun: false,
      };
      if (calls.length === 0) for (const piece of thinkTags.end()) say(piece.kind, piece.text, out);
      calls.push(call);
    }
    if (!call.begun && call.name === "") call.name = name;
    call.waiting += input;
    call.all += input;
    if (call === calls[0]) flush(call, out);
  }

  function flush(call: Call, out: ModelEvent[]): void {
    if (call.name === "") return;
    if (!call.begun) out.push(...writer.toolUse(call.id, call.name));
    call.begun = true;
    out.push(...writer.toolInput(call.waiting));
    call.waiting = "";
  }

  function end(): ModelEvent[] {
    if (!seenAnything) {
      throw new UpstreamError(
        "upstream",
        "The model's server did not answer with a completion; check CURTA_UPSTREAM_API.",
      );
    }
    const out = start(undefined);
    for (const piece of thinkTags.end()) say(piece.kind, piece.text, out);
    const stopReason = toStopReason(finishReason, {
      hasCalls: calls.length > 0,
      stopSequence,
      refused,
    });
    for (const call of calls) {
      if (call.name === "") {
        throw new UpstreamError("upstream", "The model's server sent a tool call without a name.");
      }
      flush(call, out);
      if (call !== calls.at(-1)) out.push(...writer.finish("tool_use"));
    }
    out.push(...writer.finish(stopReason));
    for (const { kind, text } of late) {
      if (text.trim() !== "")
        out.push(...(kind === "text" ? writer.text(text) : writer.thinking(text)));
    }
    out.push(...writer.endBlock());
    if (!hasUsage) usage.outputTokens = estimateTokens(writer.characters());
    return [...out, { type: "end", stopReason, stopSequence, usage }];
  }
}

/** The call that a fragment goes on with; undefined when it begins a new one. */
function callOf(
  calls: Call[],
  { index, id, name, input }: { index: number | null; id: string; name: string; input: string },
): Call | undefined {
  const known =
    calls.findLast((call) => index !== null && call.index === index) ??
    calls.findLast((call) => index === null && id !== "" && call.hasId && call.id === id) ??
    (index === null ? calls.at(-1) : undefined);
  if (known === undefined || name === "") return known;
  if (id !== "" && known.hasId) return known.id === id || !isUsableId(id) ? known : undefined;
  // Without ids: a name again, with further arguments after whole ones, or another name, is a new call.
  if (known.name !== "" && known.name !== name) return undefined;
  return input !== "" && isWhole(known.all) ? undefined : known;
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function argumentsOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : objectOf(JSON.stringify(value));
}

/** Ids like "0", as some servers count them, would repeat within one conversation. */
function isUsableId(id: string): boolean {
  return id.length >= 6;
}

/** Nine letters and digits: the only form that Mistral's templates take, and good for all others. */
function newCallId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 9);
}

function toStopReason(
  reason: string | null,
  {
    hasCalls,
    stopSequence,
    refused,
  }: { hasCalls: boolean; stopSequence: string | null; refused: boolean },
): ModelStopReason {
  if (reason === "length") return "max_tokens";
  if (reason === "content_filter") return "refusal";
  if (reason === "error" || reason === "abort") {
    throw new UpstreamError("upstream", `The model's server ended its answer with "${reason}".`);
  }
  if (hasCalls) return "tool_use";
  if (refused) return "refusal";
  return stopSequence === null ? "end_turn" : "stop_sequence";
}

const errorDetailSchema = z.looseObject({
  type: z.string().nullish(),
  code: z.union([z.number(), z.string()]).nullish(),
});

/** The failure that an error object in the stream tells of, if it is one. */
function failureOf(
  value: unknown,
  eventName: string | undefined,
  context: UpstreamContext,
): UpstreamError | null {
  const isObject = typeof value === "object" && value !== null;
  const isError =
    isObject &&
    ((value as { error?: unknown }).error || (value as { object?: unknown }).object === "error");
  if (!isError && eventName !== "error") return null;
  const inner = isObject ? ((value as { error?: unknown }).error ?? value) : value;
  const detail = errorDetailSchema.safeParse(inner).data;
  const code = Number(detail?.code);
  const status = code >= 400 && code < 600 ? code : null;
  return upstreamErrorFromType(
    detail?.type ?? "api_error",
    status,
    messageOf(value) ?? "",
    context,
  );
}

async function nextOrSilence<T>(
  iterator: AsyncIterator<T>,
  silenceMs: number | null,
): Promise<IteratorResult<T> | "silence"> {
  if (silenceMs === null) return await iterator.next();
  const { promise, resolve } = Promise.withResolvers<"silence">();
  const timer = setTimeout(() => resolve("silence"), silenceMs);
  const next = iterator.next();
  // When silence wins, the connection is closed and this read fails; that failure tells nothing.
  next.catch(() => undefined);
  try {
    return await Promise.race([next, promise]);
  } finally {
    clearTimeout(timer);
  }
}
