/**
 * A stream of events, checked and folded into its message the way the official SDKs do it.
 *
 * The rules: every event has an `event:` line that equals its `type`. One `message_start` first; then
 * blocks one after the other with indexes from 0, each `content_block_start`, deltas of its kind,
 * `content_block_stop`; then at least one `message_delta` with `usage`; `message_stop` last. `ping` may
 * come anywhere. Input of a tool comes as deltas whose first visible piece begins with `{`; results come
 * whole in their start. A `message_start` may hold calls that running code has made, with a
 * `stop_reason`: then only `message_stop` follows.
 */
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { z } from "zod";

import { Citation, LessonBlock, NativeBlock, type Block } from "./blocks.ts";
import {
  Container,
  DeltaUsage,
  LessonMessage,
  MessageHead,
  NativeMessage,
  StopDetails,
  StopReason,
  type Message,
} from "./message.ts";
import { ErrorEnvelope } from "./objects.ts";
import { Failure, check, parse, shorten } from "./verdict.ts";

export type Form = "native" | "lesson";

export interface FoldedStream {
  message: Message;
  events: readonly StreamEvent[];
}

const index = z.int().min(0);

const Delta = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text_delta"), text: z.string() }),
  z.strictObject({ type: z.literal("input_json_delta"), partial_json: z.string() }),
  z.strictObject({ type: z.literal("thinking_delta"), thinking: z.string() }),
  z.strictObject({ type: z.literal("signature_delta"), signature: z.string() }),
  z.strictObject({ type: z.literal("citations_delta"), citation: Citation }),
]);

const StreamEvent = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("message_start"), message: MessageHead }),
  z.strictObject({
    type: z.literal("content_block_start"),
    index,
    content_block: z.looseObject({ type: z.string() }),
  }),
  z.strictObject({ type: z.literal("content_block_delta"), index, delta: Delta }),
  z.strictObject({ type: z.literal("content_block_stop"), index }),
  z.strictObject({
    type: z.literal("message_delta"),
    delta: z.strictObject({
      stop_reason: StopReason,
      stop_sequence: z.string().nullable(),
      stop_details: StopDetails.optional(),
      container: Container.nullable().optional(),
    }),
    usage: DeltaUsage,
    context_management: z.null().optional(),
  }),
  z.strictObject({ type: z.literal("message_stop") }),
  z.strictObject({ type: z.literal("ping") }),
  ErrorEnvelope,
]);

export type StreamEvent = z.infer<typeof StreamEvent>;

/** More than any case makes a server say. */
const STREAM_BYTES = 64 * 1024 * 1024;

const DELTAS: Record<string, readonly string[]> = {
  text: ["text_delta", "citations_delta"],
  thinking: ["thinking_delta", "signature_delta"],
  tool_use: ["input_json_delta"],
  server_tool_use: ["input_json_delta"],
};

/** The events of an answer, each with its `event:` line checked. */
export async function readStream(body: ReadableStream<Uint8Array>): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  const parser = createParser({
    onEvent: (event) => void events.push(toEvent(event)),
    onError: (error) => {
      throw new Failure(`The stream is not well-formed: ${error.message}`);
    },
  });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    check(bytes <= STREAM_BYTES, `The stream is longer than ${STREAM_BYTES} bytes.`);
    parser.feed(decoder.decode(chunk, { stream: true }));
  }
  return events;
}

export function foldStream(events: readonly StreamEvent[], form: Form = "native"): FoldedStream {
  const said = events.filter((event) => event.type !== "ping");
  const failed = said.find((event) => event.type === "error");
  check(failed === undefined, `The stream ended in an error: ${shorten(JSON.stringify(failed))}`);
  const [start, ...rest] = said;
  check(start?.type === "message_start", `The first event is ${start?.type ?? "missing"}.`);
  check(rest.at(-1)?.type === "message_stop", `The last event is ${rest.at(-1)?.type}.`);

  const message: Record<string, unknown> = { ...start.message, content: [] };
  const content: Record<string, unknown>[] = start.message.content.map((block) => ({ ...block }));
  check(
    content.length === 0 || rest.length === 1,
    "A message_start with content is followed by more than message_stop.",
  );
  let at = 0;
  while (rest[at]?.type === "content_block_start") {
    const stop = rest.findIndex((event, n) => n > at && event.type === "content_block_stop");
    check(stop > at, `Block ${content.length} is never closed.`);
    content.push(foldBlock(rest.slice(at, stop + 1), content.length, form));
    at = stop + 1;
  }
  const tail = rest.slice(at, -1);
  for (const event of tail) {
    check(event.type === "message_delta", `A ${event.type} stands where message_delta belongs.`);
    const { stop_reason, stop_sequence, stop_details, container } = event.delta;
    Object.assign(message, { stop_reason, stop_sequence });
    if (stop_details !== undefined) message.stop_details = stop_details;
    if (container !== undefined && container !== null) message.container = container;
    message.usage = { ...(message.usage as object), ...event.usage };
  }
  check(tail.length > 0 || start.message.content.length > 0, "There is no message_delta.");
  message.content = content;
  const schema: z.ZodType<Message> = form === "native" ? NativeMessage : LessonMessage;
  return { message: parse(schema, message, "The folded message"), events };
}

function toEvent({ event, data }: EventSourceMessage): StreamEvent {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    throw new Failure(`An event's data is not JSON: ${shorten(data)}`);
  }
  const type = (json as { type?: unknown } | null)?.type;
  check(
    event !== undefined,
    `The event ${String(type)} has no event: line, so that official clients do not see it.`,
  );
  check(event === type, `The event: line says ${event}, the data says ${String(type)}.`);
  return parse(StreamEvent, json, event);
}

function foldBlock(
  events: readonly StreamEvent[],
  position: number,
  form: Form,
): Record<string, unknown> {
  const [start, ...rest] = events;
  check(start?.type === "content_block_start", "A block begins without content_block_start.");
  check(
    events.every((event) => !("index" in event) || event.index === position),
    `The block at position ${position} carries another index.`,
  );
  const { type } = start.content_block;
  const block: Record<string, unknown> = { ...start.content_block };
  if (type === "tool_use" || type === "server_tool_use") block.input ??= {};
  if (type === "thinking") block.signature ??= "";
  const schema: z.ZodType<Block> = form === "native" ? NativeBlock : LessonBlock;
  parse(schema, block, `content_block_start (${type})`);
  if (type === "thinking") check(block.thinking === "", "A thinking block begins with words.");
  if (type === "text") check(block.text === "", "A text block begins with words.");

  let json = "";
  for (const event of rest) {
    if (event.type === "content_block_stop") continue;
    check(event.type === "content_block_delta", `A ${event.type} stands inside a block.`);
    const { delta } = event;
    check(
      (DELTAS[type] ?? []).includes(delta.type),
      `A block of type ${type} gets a ${delta.type}, which clients lose.`,
    );
    if (delta.type === "text_delta") block.text = `${String(block.text)}${delta.text}`;
    if (delta.type === "thinking_delta")
      block.thinking = `${String(block.thinking)}${delta.thinking}`;
    if (delta.type === "signature_delta") block.signature = delta.signature;
    if (delta.type === "citations_delta")
      block.citations = [...((block.citations as unknown[] | undefined) ?? []), delta.citation];
    if (delta.type === "input_json_delta") json += delta.partial_json;
  }
  // The lesson's second name for the same words is not streamed.
  if (type === "thinking" && "text" in block) block.text = block.thinking;
  if (json !== "") block.input = parseInput(json, block as Block & { type: string });
  return block;
}

function parseInput(json: string, { type }: { type: string }): unknown {
  check(json.startsWith("{"), `The input of a ${type} does not begin with a brace.`);
  // The AI SDK puts a field of its own behind the first brace.
  check(!/^\{\s*\}$/.test(json), `The empty input of a ${type} comes as a delta.`);
  try {
    return JSON.parse(json);
  } catch {
    throw new Failure(`The input of a ${type} is not JSON: ${shorten(json)}`);
  }
}
