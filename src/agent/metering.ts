/**
 * Measures a turn as it passes: what each execution took, and what the whole is counted as.
 *
 * A pure observer between the loop and the wire. It adds its figures to `turn-end` and hands them to
 * `record` before that event goes on, so that no client is told figures that are not in the ledger. A turn
 * that ends in any other way is recorded with what is known of it by then.
 */
import type { ModelUsage, ToolUseBlock } from "../providers/provider.ts";
import { estimateTokens } from "../providers/tokens.ts";
import type { ExecutionEvent, ExecutionStatus } from "../sandbox/sandbox.ts";
import { readImageSize } from "../tools/image.ts";
import type { ToolEvent } from "../tools/tool.ts";
import { parseJsonObject } from "./complete-json.ts";
import type { TurnEvent } from "./events.ts";
import { bill, countImageTokens, type Billed, type PriceList } from "./price-list.ts";

/** One execution: milliseconds, bytes, tokens. */
export interface ExecutionMetering {
  toolUseId: string;
  name: string;
  status: ExecutionStatus;
  wallMs: number;
  cpuMs: number;
  peakMemoryBytes: number;
  /** The code. */
  bytesIn: number;
  /** Text, displays and files. */
  bytesOut: number;
  codeTokens: number;
  /** Of the text that the model reads of it. */
  resultTokens: number;
  imageTokens: number;
}

export interface WebRequests {
  searches: number;
  fetches: number;
}

export interface TurnMetering {
  executions: ExecutionMetering[];
  /** Those that did not fail. */
  web: WebRequests;
  usage: ModelUsage;
  billed: Billed;
}

export interface TurnRecord extends TurnMetering {
  outcome: "whole" | "cut";
  model: string;
  containerId: string | null;
}

export interface MeterOptions {
  model: string;
  serverTools: readonly string[];
  /** Uses of an earlier answer that this turn begins with. */
  pending: readonly ToolUseBlock[];
  priceList: PriceList;
  record: (record: TurnRecord) => void;
}

const NOTHING: ModelUsage = { inputTokens: 0, outputTokens: 0 };

export async function* meterTurn(
  events: AsyncIterable<TurnEvent>,
  options: MeterOptions,
): AsyncGenerator<TurnEvent, void> {
  const { model, serverTools, priceList, record } = options;
  const inputs = new Map(options.pending.map(({ id, input }) => [id, codeOf(input)]));
  const executions: ExecutionMetering[] = [];
  const web: WebRequests = { searches: 0, fetches: 0 };
  const meters = new Map<string, ExecutionMeter>();
  let usage = NOTHING;
  let containerId: string | null = null;
  let writing: { id: string; json: string } | null = null;
  let isRecorded = false;

  function finish(outcome: TurnRecord["outcome"]): TurnMetering {
    isRecorded = true;
    const billed = bill(priceList, serverTools, usage, executions);
    record({ outcome, model, containerId, usage, executions, web, billed });
    return { usage, executions, web, billed };
  }

  try {
    for await (const event of events) {
      switch (event.type) {
        case "turn-start":
        case "usage":
          usage = event.usage;
          if (event.type === "turn-start") containerId = event.container?.id ?? null;
          break;
        case "tool-use-start":
          writing = event.serverTool ? { id: event.id, json: "" } : null;
          break;
        case "tool-use-delta":
          if (writing !== null) writing.json += event.partialJson;
          break;
        case "block-end":
          if (writing !== null) inputs.set(writing.id, codeOf(parseJsonObject(writing.json)));
          writing = null;
          break;
        case "tool": {
          const { toolUseId, name } = event;
          const meter = meters.get(toolUseId) ?? new ExecutionMeter();
          meters.set(toolUseId, meter);
          meter.add(event.event, priceList);
          countWeb(event.event, web);
          if (event.event.type === "result" && meter.end !== null) {
            executions.push(meter.read(toolUseId, name, inputs.get(toolUseId) ?? ""));
          }
          break;
        }
        case "turn-end":
          ({ usage } = event);
          containerId = event.container?.id ?? null;
          yield { ...event, metering: finish("whole") };
          continue;
        default:
          break;
      }
      yield event;
    }
  } finally {
    // The client went away, the model failed, or time was up: what was used was used.
    if (!isRecorded) finish("cut");
  }
}

function countWeb(event: ToolEvent, web: WebRequests): void {
  if (event.type !== "result") return;
  if (event.output?.kind === "web_search") web.searches += 1;
  if (event.output?.kind === "web_fetch") web.fetches += 1;
}

/** Adds up what one execution brings. */
class ExecutionMeter {
  end: Extract<ExecutionEvent, { type: "done" }> | null = null;
  #bytesOut = 0;
  #resultTokens = 0;
  #imageTokens = 0;

  add(event: ToolEvent, priceList: PriceList): void {
    if (event.type === "execution") this.#addExecution(event.event);
    if (event.type !== "result") return;
    const text = event.content.map((block) => (block.type === "text" ? block.text : "")).join("\n");
    this.#resultTokens = estimateTokens(text);
    for (const { mediaType, data } of imagesOf(event))
      this.#imageTokens += countImageTokens(priceList, readImageSize(mediaType, data));
  }

  #addExecution(event: ExecutionEvent): void {
    switch (event.type) {
      case "stdout":
      case "stderr":
        this.#bytesOut += Buffer.byteLength(event.text);
        return;
      case "output":
        for (const part of Object.values(event.output.data))
          this.#bytesOut += Buffer.byteLength(part);
        return;
      case "file":
        this.#bytesOut += event.file.bytes.length;
        return;
      case "calls":
        return;
      case "done":
        this.end = event;
    }
  }

  read(toolUseId: string, name: string, code: string): ExecutionMetering {
    const { status, usage } = this.end!;
    return {
      toolUseId,
      name,
      status,
      wallMs: usage.wall_ms,
      cpuMs: usage.cpu_ms,
      peakMemoryBytes: usage.peak_memory_bytes,
      bytesIn: Buffer.byteLength(code),
      bytesOut: this.#bytesOut,
      codeTokens: estimateTokens(code),
      resultTokens: this.#resultTokens,
      imageTokens: this.#imageTokens,
    };
  }
}

/** Every image that the client is shown; the model may be shown fewer. */
function imagesOf({
  output,
}: ToolEvent & { type: "result" }): { mediaType: string; data: string }[] {
  if (output?.kind !== "execution") return [];
  return output.parts.filter((part) => part.type === "image");
}

/** Python or a shell command; other inputs of tools are no code. */
function codeOf(input: Record<string, unknown> | null): string {
  const code = input?.code ?? input?.command;
  return typeof code === "string" ? code : "";
}
