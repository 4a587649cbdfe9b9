/** A whole answer of `POST /v1/messages`, exactly. */
import { z } from "zod";

import { LessonBlock, NativeBlock } from "./blocks.ts";

const count = z.int().min(0);

export const Container = z.strictObject({
  id: z.string().regex(/^container_\w+$/),
  expires_at: z.iso.datetime({ offset: true }),
  skills: z
    .array(
      z.strictObject({
        type: z.enum(["anthropic", "custom"]),
        skill_id: z.string(),
        version: z.string(),
      }),
    )
    .nullable()
    .optional(),
});

const counters = {
  cache_creation_input_tokens: count.nullable().optional(),
  cache_read_input_tokens: count.nullable().optional(),
  output_tokens: count,
  output_tokens_details: z.strictObject({ thinking_tokens: count }).nullable().optional(),
  server_tool_use: z
    .strictObject({ web_search_requests: count, web_fetch_requests: count })
    .nullable()
    .optional(),
  iterations: z
    .array(
      z.looseObject({
        type: z.enum(["message", "compaction", "advisor_message", "fallback_message"]),
      }),
    )
    .nullable()
    .optional(),
};

const place = {
  cache_creation: z
    .strictObject({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count })
    .nullable()
    .optional(),
  inference_geo: z.string().nullable().optional(),
  service_tier: z.enum(["standard", "priority", "batch"]).nullable().optional(),
  speed: z.enum(["standard", "fast"]).nullable().optional(),
};

/** A server's own figures under a name of its own, as `usage.curta`: every client passes them over. */
const own = z.record(z.string(), z.unknown());

export const Usage = z.object({ ...counters, ...place, input_tokens: count }).catchall(own);
export const DeltaUsage = z.object({ ...counters, input_tokens: count.optional() }).catchall(own);

export const StopReason = z.enum([
  "end_turn",
  "max_tokens",
  "stop_sequence",
  "tool_use",
  "pause_turn",
  "refusal",
  "model_context_window_exceeded",
]);

export const StopDetails = z
  .strictObject({
    type: z.literal("refusal"),
    category: z.string().nullable(),
    explanation: z.string().nullable(),
  })
  .nullable();

const head = {
  id: z.string().regex(/^msg_\w+$/),
  type: z.literal("message"),
  role: z.literal("assistant"),
  model: z.string().min(1),
  stop_sequence: z.string().nullable(),
  stop_details: StopDetails.optional(),
  container: Container.nullable().optional(),
  usage: Usage,
  diagnostics: z.null().optional(),
  context_management: z.null().optional(),
};

export const NativeMessage = z.strictObject({
  ...head,
  stop_reason: StopReason,
  content: z.array(NativeBlock),
});

export const LessonMessage = z.strictObject({
  ...head,
  stop_reason: StopReason,
  content: z.array(LessonBlock),
});

/** As `message_start` has it: not finished, and empty save for calls that running code has made. */
export const MessageHead = z.strictObject({
  ...head,
  stop_reason: StopReason.nullable(),
  content: z.array(NativeBlock),
});

export type Message = z.infer<typeof NativeMessage> | z.infer<typeof LessonMessage>;
