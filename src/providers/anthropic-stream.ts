/**
 * The events of a Messages API server -> model events.
 *
 * Strict about what decides (JSON, an error event, a stream that ends before `message_stop`), lenient
 * about the rest: pings, unknown events and unknown blocks are passed over; blocks may lack their end, open
 * with their content, or get pieces of another kind, as some servers send them.
 * https://docs.claude.com/en/docs/build-with-claude/streaming
 */
import type { EventSourceMessage } from "eventsource-parser";
import { z } from "zod";

import { createBlockWriter } from "./block-writer.ts";
import type { BlockWriter } from "./block-writer.ts";
import type { ModelEvent, ModelStopReason, ModelUsage } from "./provider.ts";
import { UpstreamError, messageOf, upstreamErrorFromType } from "./upstream-error.ts";
import type { UpstreamContext } from "./upstream-error.ts";
import { parseJson } from "./upstream.ts";

const usageSchema = z
  .looseObject({
    input_tokens: z.number().nullish(),
    output_tokens: z.number().nullish(),
    cache_creation_input_tokens: z.number().nullish(),
    cache_read_input_tokens: z.number().nullish(),
  })
  .nullish();

const blockSchema = z.looseObject({
  type: z.string(),
  text: z.string().nullish(),
  thinking: z.string().nullish(),
  signature: z.string().nullish(),
  data: z.string().nullish(),
  id: z.string().nullish(),
  name: z.string().nullish(),
  input: z.unknown().optional(),
});

const messageSchema = z.looseObject({
  model: z.string().nullish(),
  content: z.array(blockSchema).nullish(),
  stop_reason: z.string().nullish(),
  stop_sequence: z.string().nullish(),
  usage: usageSchema,
});

const eventSchema = z.looseObject({
  type: z.string().optional(),
  message: z.union([messageSchema, z.string()]).optional(),
  content_block: blockSchema.optional(),
  delta: z
    .looseObject({
      type: z.string().optional(),
      text: z.string().nullish(),
      thinking: z.string().nullish(),
      signature: z.string().nullish(),
      partial_json: z.string().nullish(),
      stop_reason: z.string().nullish(),
      stop_sequence: z.string().nullish(),
    })
    .optional(),
  usage: usageSchema,
  error: z.unknown().optional(),
});

const STOP_REASONS: ReadonlySet<string> = new Set<ModelStopReason>([
  "end_turn",
  "max_tokens",
  "stop_sequence",
  "tool_use",
  "pause_turn",
  "refusal",
  "model_context_window_exceeded",
]);

export async function* readAnthropicStream(
  events: AsyncIterable<EventSourceMessage>,
  context: UpstreamContext,
): AsyncGenerator<ModelEvent> {
  const reader = createReader(context);
  for await (const { event, data } of events) {
    if (event === "ping" || data === "" || data === "[DONE]") continue;
    yield* reader.read(event, parseJson(data, context.key));
    if (reader.ended()) return;
  }
  throw new UpstreamError("upstream", "The model's server broke off in the middle of its answer.", {
    retryable: true,
  });
}

/** A whole message, from a server that does not stream. */
export function readAnthropicMessage(value: unknown, context: UpstreamContext): ModelEvent[] {
  const reader = createReader(context);
  const parsed = messageSchema.safeParse(value);
  if (!parsed.success || !parsed.data.content) throw readFailure(value, context);
  const { content, stop_reason, stop_sequence, usage } = parsed.data;
  return [
    ...reader.read("message_start", { message: parsed.data }),
    ...content.flatMap((block) => [
      ...reader.read("content_block_start", { content_block: block }),
      ...reader.read("content_block_stop", {}),
    ]),
    ...reader.read("message_delta", { delta: { stop_reason, stop_sequence }, usage }),
    ...reader.read("message_stop", {}),
  ];
}

function createReader(context: UpstreamContext): {
  read(eventName: string | undefined, value: unknown): ModelEvent[];
  ended(): boolean;
} {
  const writer = createBlockWriter();
  const usage: ModelUsage = { inputTokens: 0, outputTokens: 0 };
  let started = false;
  let ended = false;
  /** Input that came whole with the block's start; deltas, where there are any, count instead. */
  let wholeInput = "";
  /** Inside a block of a type that we do not know. */
  let skipping = false;
  let stopReason: string | null = null;
  let stopSequence: string | null = null;

  return { read, ended: () => ended };

  function read(eventName: string | undefined, value: unknown): ModelEvent[] {
    const parsed = eventSchema.safeParse(value);
    const type = parsed.data?.type ?? eventName;
    if (type === "error" || (parsed.data?.error && type === undefined))
      throw readFailure(value, context);
    if (!parsed.success) {
      throw new UpstreamError(
        "upstream",
        `The model's server sent a malformed event "${eventName ?? "message"}".`,
      );
    }
    const { message, content_block: block, delta, usage: counts } = parsed.data;
    switch (type) {
      case "message_start":
        return start(typeof message === "object" ? message : undefined);
      case "content_block_start":
        return [...start(undefined), ...startBlock(block)];
      case "content_block_delta":
        return skipping ? [] : continueBlock(writer, delta);
      case "content_block_stop":
        return endBlock();
      case "message_delta":
        mergeUsage(usage, counts);
        stopReason = delta?.stop_reason ?? stopReason;
        stopSequence = delta?.stop_sequence ?? stopSequence;
        return [];
      case "message_stop":
        return stop();
      default:
        return [];
    }
  }

  function start(message: z.infer<typeof messageSchema> | undefined): ModelEvent[] {
    mergeUsage(usage, message?.usage);
    if (started) return [];
    started = true;
    return [{ type: "start", model: message?.model || context.model, usage: { ...usage } }];
  }

  function startBlock(block: z.infer<typeof blockSchema> | undefined): ModelEvent[] {
    const before = endBlock();
    skipping = false;
    switch (block?.type) {
      case "text":
        return [...before, ...writer.text(block.text ?? "")];
      case "thinking":
        return [
          ...before,
          ...writer.thinking(block.thinking ?? ""),
          ...writer.signature(block.signature ?? ""),
        ];
      case "redacted_thinking":
        return [...before, ...writer.redactedThinking(block.data ?? "")];
      case "tool_use": {
        wholeInput = wholeInputOf(block.input);
        return [...before, ...writer.toolUse(block.id || newToolUseId(), block.name ?? "")];
      }
      default:
        skipping = true;
        return before;
    }
  }

  function continueBlock(
    to: BlockWriter,
    delta: z.infer<typeof eventSchema>["delta"],
  ): ModelEvent[] {
    switch (delta?.type) {
      case "text_delta":
        return to.text(delta.text ?? "");
      case "thinking_delta":
        return to.thinking(delta.thinking ?? "");
      case "signature_delta":
        return to.signature(delta.signature ?? "");
      case "input_json_delta":
        if (delta.partial_json) wholeInput = "";
        return to.toolInput(delta.partial_json ?? "");
      default:
        return [];
    }
  }

  function endBlock(): ModelEvent[] {
    if (skipping) {
      skipping = false;
      return [];
    }
    const whole = wholeInput;
    wholeInput = "";
    return [...writer.toolInput(whole), ...writer.endBlock()];
  }

  function stop(): ModelEvent[] {
    ended = true;
    const before = [...start(undefined), ...(wholeInput === "" ? [] : endBlock())];
    const reason = toStopReason(stopReason, writer.hasToolUse());
    return [
      ...before,
      ...writer.finish(reason),
      { type: "end", stopReason: reason, stopSequence, usage },
    ];
  }
}

/** Servers that translate sometimes say `end_turn` after a tool use; the use counts. */
function toStopReason(reason: string | null, hasToolUse: boolean): ModelStopReason {
  if (hasToolUse && (reason === null || reason === "end_turn")) return "tool_use";
  return reason !== null && STOP_REASONS.has(reason) ? (reason as ModelStopReason) : "end_turn";
}

/** Counters are cumulative; some servers send 0 at one of the two places. */
function mergeUsage(usage: ModelUsage, counts: z.infer<typeof usageSchema>): void {
  if (!counts) return;
  usage.inputTokens = Math.max(usage.inputTokens, counts.input_tokens ?? 0);
  usage.outputTokens = Math.max(usage.outputTokens, counts.output_tokens ?? 0);
  if (counts.cache_creation_input_tokens != null) {
    usage.cacheCreationInputTokens = counts.cache_creation_input_tokens;
  }
  if (counts.cache_read_input_tokens != null)
    usage.cacheReadInputTokens = counts.cache_read_input_tokens;
}

function wholeInputOf(input: unknown): string {
  if (typeof input === "string") return input;
  const isEmpty = typeof input !== "object" || input === null || Object.keys(input).length === 0;
  return isEmpty ? "" : JSON.stringify(input);
}

function newToolUseId(): string {
  return `toolu_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
}

function readFailure(value: unknown, context: UpstreamContext): UpstreamError {
  const error = z.looseObject({ error: z.looseObject({ type: z.string() }) }).safeParse(value);
  const message = messageOf(value);
  if (!error.success && message === null) {
    return new UpstreamError(
      "upstream",
      "The model's server did not answer with a message; check CURTA_UPSTREAM_API.",
    );
  }
  return upstreamErrorFromType(error.data?.error.type ?? "api_error", null, message ?? "", context);
}
