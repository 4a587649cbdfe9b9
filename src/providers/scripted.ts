/**
 * A provider that replays a script: for tests, demos and the docs' examples.
 *
 *     const model = new ScriptedProvider([
 *       [says("I'll compute it."), calls("code_execution", { code: "print(6 * 7)" })],
 *       [says("It is 42.")],
 *     ]);
 *
 * Each element is one sampling, made of steps in order. A script can be a function of the request, too.
 * Stop reason and usage follow from the steps and the request unless `ends` says otherwise.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { GatewayError } from "../errors.ts";
import type {
  ModelEvent,
  ModelRequest,
  ModelStopReason,
  ModelUsage,
  Provider,
} from "./provider.ts";
import { estimateRequestTokens, estimateTokens } from "./tokens.ts";

/** Events, a failure, or something to wait for. */
export type ScriptStep = ModelEvent[] | Error | ((signal: AbortSignal) => Promise<void>);
export type Script =
  | ScriptStep[][]
  /** The steps of the sampling with this number, from 0; null when the script is over. */
  | ((request: ModelRequest, index: number) => ScriptStep[] | null);

/** Requests that are kept for `requests`; a script is a short thing. */
const MAX_SAMPLINGS = 1_000;

export class ScriptedProvider implements Provider {
  readonly kind = "scripted";
  readonly model = "scripted";
  /** What the model was asked, copied, oldest first. */
  readonly requests: ModelRequest[] = [];
  readonly #script: Script;

  constructor(script: Script) {
    this.#script = script;
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    signal.throwIfAborted();
    const index = this.requests.length;
    if (index >= MAX_SAMPLINGS)
      throw new GatewayError("internal", `The script was asked ${MAX_SAMPLINGS} times.`);
    this.requests.push(structuredClone(request));
    const steps =
      typeof this.#script === "function" ? this.#script(request, index) : this.#script[index];
    if (!steps)
      throw new GatewayError(
        "internal",
        `The script is over: it has no sampling number ${index + 1}.`,
      );
    yield* replay(steps, request, index, signal);
  }

  async countTokens(request: ModelRequest): Promise<number> {
    return estimateRequestTokens(request);
  }

  async close(): Promise<void> {}
}

export interface Chunks {
  /** Characters in each delta; by default all at once. */
  chunk?: number;
}

/** A text block. */
export function says(text: string, { chunk }: Chunks = {}): ModelEvent[] {
  const deltas = chunksOf(text, chunk).map((piece): ModelEvent => ({
    type: "text-delta",
    text: piece,
  }));
  return [{ type: "text-start" }, ...deltas, { type: "block-end" }];
}

/** A thinking block; signed, unless the signature is empty. */
export function thinks(
  text: string,
  { chunk, signature = "c2NyaXB0ZWQ=" }: Chunks & { signature?: string } = {},
): ModelEvent[] {
  const deltas = chunksOf(text, chunk).map((thinking): ModelEvent => ({
    type: "thinking-delta",
    thinking,
  }));
  const signed: ModelEvent[] = signature === "" ? [] : [{ type: "thinking-signature", signature }];
  return [{ type: "thinking-start" }, ...deltas, ...signed, { type: "block-end" }];
}

/** A tool use. Without an id it gets one that is unique in the script. */
export function calls(
  name: string,
  input: Record<string, unknown>,
  { chunk, id = "" }: Chunks & { id?: string } = {},
): ModelEvent[] {
  const deltas = chunksOf(JSON.stringify(input), chunk).map((partialJson): ModelEvent => ({
    type: "tool-use-delta",
    partialJson,
  }));
  return [{ type: "tool-use-start", id, name }, ...deltas, { type: "block-end" }];
}

/** The end of the sampling, where another than the usual one is wanted. */
export function ends(
  stopReason: ModelStopReason,
  {
    stopSequence = null,
    usage = { inputTokens: 0, outputTokens: 0 },
  }: { stopSequence?: string | null; usage?: ModelUsage } = {},
): ModelEvent[] {
  return [{ type: "end", stopReason, stopSequence, usage }];
}

/** Time in which nothing comes; ends early when the request is given up. */
export function pauses(milliseconds: number): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    await sleep(milliseconds, undefined, { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    });
  };
}

async function* replay(
  steps: ScriptStep[],
  request: ModelRequest,
  index: number,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const inputTokens = estimateRequestTokens(request);
  let toolUses = 0;
  let outputTokens = 0;
  if (steps[0] instanceof Error) throw steps[0];
  yield { type: "start", model: "scripted", usage: { inputTokens, outputTokens: 0 } };
  for (const step of steps) {
    signal.throwIfAborted();
    if (step instanceof Error) throw step;
    if (typeof step === "function") {
      await step(signal);
      continue;
    }
    for (const event of step) {
      signal.throwIfAborted();
      outputTokens += tokensOf(event);
      if (event.type === "tool-use-start") {
        toolUses += 1;
        yield event.id === "" ? { ...event, id: `toolu_scripted${index + 1}x${toolUses}` } : event;
      } else yield event;
      if (event.type === "end") return;
    }
  }
  const stopReason = toolUses > 0 ? "tool_use" : "end_turn";
  yield { type: "end", stopReason, stopSequence: null, usage: { inputTokens, outputTokens } };
}

function tokensOf(event: ModelEvent): number {
  switch (event.type) {
    case "text-delta":
      return estimateTokens(event.text);
    case "thinking-delta":
      return estimateTokens(event.thinking);
    case "tool-use-delta":
      return estimateTokens(event.partialJson);
    default:
      return 0;
  }
}

/** Pieces of so many characters; characters outside the basic plane stay whole. */
function chunksOf(text: string, size: number | undefined): string[] {
  if (size === undefined) return text === "" ? [] : [text];
  const characters = Array.from(text);
  const chunks: string[] = [];
  for (let at = 0; at < characters.length; at += size)
    chunks.push(characters.slice(at, at + size).join(""));
  return chunks;
}
