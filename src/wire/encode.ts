/**
 * From the events of a turn to the events of the wire.
 *
 * A block is opened with its first visible content, so that empty and blank text never becomes a block,
 * which clients could not send back. Clients of two families read a tool's input only when its first piece
 * begins with `{` and holds more than an empty object; pieces are held back until that is so. The results
 * of a tool come whole, in as many blocks as the rendering makes of them.
 */
import type { TurnContainer, TurnEvent } from "../agent/events.ts";
import type { TurnMetering } from "../agent/metering.ts";
import type { ModelUsage } from "../providers/provider.ts";
import type { ToolEvent } from "../tools/tool.ts";
import type { Sources } from "../search/sources.ts";
import { createCitationMarks, type CitedText } from "./citation-marks.ts";
import type { Rejection, Rendering, UseReference } from "./code-execution/rendering.ts";
import type {
  BlockDelta,
  Caller,
  CallerType,
  ContentBlock,
  ResultContent,
  WireContainer,
  WireEvent,
  WireMetering,
  WireUsage,
} from "./events.ts";
import { isWebOutput, isWebTool, toCitation, toWebBlock, toWebErrorBlock } from "./web-blocks.ts";

export interface EncodeOptions {
  messageId: string;
  rendering: Rendering;
  /** How code that calls tools is named; null where it cannot. */
  caller: CallerType | null;
  /** Tools whose uses by code are not shown when the code has come to its end in this answer. */
  excluded?: ReadonlySet<string>;
  /** What the model may cite; it fills as the turn searches. */
  sources: Sources;
}

interface OpenBlock {
  content: ContentBlock;
  isStarted: boolean;
  /** What came before the block could be opened, or its input begun. */
  held: string;
}

export async function* encodeTurn(
  events: AsyncIterable<TurnEvent>,
  options: EncodeOptions,
): AsyncGenerator<WireEvent, void> {
  const encoder = createEncoder(options);
  for await (const event of events) yield* encoder(event);
}

export function createEncoder({
  messageId,
  rendering,
  caller,
  excluded,
  sources,
}: EncodeOptions): (event: TurnEvent) => Generator<WireEvent> {
  let index = 0;
  let open: OpenBlock | null = null;
  let rejection: Rejection | null = null;
  const marks = createCitationMarks((number) => sources.get(number) !== undefined);
  const webRequests = { web_search_requests: 0, web_fetch_requests: 0 };
  /** Uses by code and their results, which are not shown unless the code has to wait for the client. */
  let unshown: ContentBlock[] = [];

  function begin(content: ContentBlock): OpenBlock {
    open = { content, isStarted: false, held: "" };
    return open;
  }

  function* start(block: OpenBlock): Generator<WireEvent> {
    if (block.isStarted) return;
    block.isStarted = true;
    yield { type: "content_block_start", index, content_block: block.content };
  }

  function* addDelta(block: OpenBlock, delta: BlockDelta): Generator<WireEvent> {
    yield* start(block);
    yield { type: "content_block_delta", index, delta };
  }

  function* addText(text: string): Generator<WireEvent> {
    if (open === null) return;
    const whole = open.held + text;
    open.held = "";
    if (open.isStarted || whole.trim() !== "")
      yield* addDelta(open, { type: "text_delta", text: whole });
    else open.held = whole;
  }

  /** Text that rests on sources is a block of its own, opened and filled as the hosted tool does. */
  function* addCited({ text, sources: numbers }: CitedText): Generator<WireEvent> {
    if (numbers.length === 0) return yield* addText(text);
    const before = open?.isStarted === false ? open.held : "";
    yield* end();
    const block = begin({ type: "text", text: "", citations: [] });
    yield* addDelta(block, { type: "text_delta", text: before + text });
    for (const number of numbers) {
      const source = sources.get(number);
      if (source === undefined) continue;
      yield* addDelta(block, {
        type: "citations_delta",
        citation: toCitation(source, number, text),
      });
    }
    yield* end();
    begin({ type: "text", text: "" });
  }

  function* addInput(json: string): Generator<WireEvent> {
    if (open === null || json === "") return;
    if (open.held === STARTED) {
      yield* addDelta(open, { type: "input_json_delta", partial_json: json });
      return;
    }
    if (open.held === SPOILED) return;
    const whole = (open.held + json).trimStart();
    if (whole !== "" && !whole.startsWith("{")) {
      // No object, so no input: clients parse it when the block ends.
      open.held = SPOILED;
      return;
    }
    if (/^\{?\s*\}?\s*$/.test(whole)) {
      open.held = whole;
      return;
    }
    open.held = STARTED;
    yield* addDelta(open, { type: "input_json_delta", partial_json: whole });
  }

  function* end(): Generator<WireEvent> {
    if (open?.isStarted === true) {
      yield { type: "content_block_stop", index };
      index += 1;
    }
    open = null;
  }

  function* addWhole(content: ContentBlock): Generator<WireEvent> {
    yield* start(begin(content));
    yield* end();
  }

  /** What code has had of a tool; with `excluded` it waits to see what becomes of the code. */
  function* addNested(name: string, content: ContentBlock): Generator<WireEvent> {
    if (excluded?.has(name)) unshown.push(content);
    else yield* addWhole(content);
  }

  function* showNested(): Generator<WireEvent> {
    for (const content of unshown.splice(0)) yield* addWhole(content);
  }

  function byCode(tool_id: string): Caller {
    return { type: caller ?? "code_execution_20260120", tool_id };
  }

  function* addToolEvent(
    use: UseReference,
    event: ToolEvent,
    callerId: string | undefined,
  ): Generator<WireEvent> {
    switch (event.type) {
      case "execution":
      case "calls":
        return;
      case "rejected":
        rejection = { errorCode: event.errorCode, message: event.message };
        return;
      case "result":
        for (const block of toResultBlocks(use, event)) {
          if (callerId === undefined) yield* addWhole(block);
          else yield* addNested(use.name, { ...block, caller: byCode(callerId) } as ContentBlock);
        }
        if (callerId === undefined) unshown = [];
        // A use that failed counts nothing.
        if (event.output !== null && isWebOutput(event.output)) {
          if (event.output.kind === "web_search") webRequests.web_search_requests += 1;
          if (event.output.kind === "web_fetch") webRequests.web_fetch_requests += 1;
        }
        rejection = null;
    }
  }

  function toResultBlocks(
    use: UseReference,
    { output }: ToolEvent & { type: "result" },
  ): ResultContent[] {
    if (output !== null) {
      if (isWebOutput(output)) return [toWebBlock(use.id, output)];
      return rendering.toResultBlocks(use, output);
    }
    const refusal = rejection ?? { errorCode: "unavailable", message: "The tool did not run." };
    if (isWebTool(use.name)) return [toWebErrorBlock(use.id, use.name, refusal)];
    return rendering.toRejectionBlocks(use, refusal);
  }

  return function* encode(event): Generator<WireEvent> {
    switch (event.type) {
      case "turn-start":
        yield {
          type: "message_start",
          message: {
            id: messageId,
            type: "message",
            role: "assistant",
            model: event.model,
            content: [],
            stop_reason: null,
            stop_sequence: null,
            stop_details: null,
            usage: { ...toUsage(event.usage, webRequests), service_tier: "standard" },
            ...toContainer(event.container),
          },
        };
        break;
      case "text-start":
        begin({ type: "text", text: "" });
        break;
      case "text-delta":
        // Without a source there is no mark, and text goes on as it comes.
        if (sources.size === 0) yield* addText(event.text);
        else for (const piece of marks.push(event.text)) yield* addCited(piece);
        break;
      case "thinking-start":
        begin(rendering.startThinking());
        break;
      case "thinking-delta":
        if (open !== null && event.thinking !== "") {
          yield* addDelta(open, { type: "thinking_delta", thinking: event.thinking });
        }
        break;
      case "thinking-signature":
        if (open !== null && event.signature !== "") {
          yield* addDelta(open, { type: "signature_delta", signature: event.signature });
        }
        break;
      case "redacted-thinking":
        yield* addWhole({ type: "redacted_thinking", data: event.data });
        break;
      case "tool-use-start":
        yield* start(
          begin({
            type: event.serverTool ? "server_tool_use" : "tool_use",
            id: event.id,
            name: event.name,
            input: {},
            caller: { type: "direct" },
          }),
        );
        break;
      case "client-call": {
        const { id, name, input, callerId } = event;
        yield* showNested();
        yield* addWhole({ type: "tool_use", id, name, input, caller: byCode(callerId) });
        break;
      }
      case "server-call": {
        const { id, name, input, callerId } = event;
        const use = { type: "server_tool_use" as const, id, name, input, caller: byCode(callerId) };
        yield* addNested(name, use);
        break;
      }
      case "tool-use-delta":
        yield* addInput(event.partialJson);
        break;
      case "block-end":
        for (const piece of marks.flush()) yield* addCited(piece);
        yield* end();
        break;
      case "tool":
        yield* addToolEvent({ id: event.toolUseId, name: event.name }, event.event, event.callerId);
        break;
      case "turn-end":
        yield* end();
        yield {
          type: "message_delta",
          delta: {
            stop_reason: event.stopReason,
            stop_sequence: event.stopSequence,
            stop_details: null,
            ...toContainer(event.container),
          },
          usage: { ...toUsage(event.usage, webRequests), ...toMetering(event.metering) },
        };
        yield { type: "message_stop" };
        break;
      case "usage":
        break;
    }
  };
}

/** Marks of an input that has begun, and of one that is none; what is held otherwise begins with a brace. */
const STARTED = "started";
const SPOILED = "spoiled";

function toUsage(usage: ModelUsage, webRequests: WireUsage["server_tool_use"]): WireUsage {
  return {
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: usage.cacheCreationInputTokens ?? 0,
    cache_read_input_tokens: usage.cacheReadInputTokens ?? 0,
    output_tokens: usage.outputTokens,
    server_tool_use: { ...webRequests },
  };
}

function toContainer(container: TurnContainer | null): { container?: WireContainer } {
  if (container === null) return {};
  return { container: { id: container.id, expires_at: container.expiresAt.toISOString() } };
}

function toMetering(metering: TurnMetering | undefined): { curta?: WireMetering } {
  if (metering === undefined) return {};
  const { executions, billed } = metering;
  return {
    curta: {
      executions: executions.map((execution) => ({
        tool_use_id: execution.toolUseId,
        name: execution.name,
        status: execution.status,
        wall_ms: execution.wallMs,
        cpu_ms: execution.cpuMs,
        peak_memory_bytes: execution.peakMemoryBytes,
        bytes_in: execution.bytesIn,
        bytes_out: execution.bytesOut,
        code_tokens: execution.codeTokens,
        result_tokens: execution.resultTokens,
        image_tokens: execution.imageTokens,
      })),
      code_execution_is_free: billed.isFree,
      billed_input_tokens: billed.inputTokens,
      billed_output_tokens: billed.outputTokens,
    },
  };
}
