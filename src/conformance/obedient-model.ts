/**
 * The model of a scripted run: it follows `instructions.ts` to the letter, thinks when it is asked to,
 * and keeps the request's limits (`max_tokens`, stop sequences, `tool_choice`), as a real one would.
 * With it every behaviour case comes out the same each time.
 */
import { GatewayError } from "../errors.ts";
import type { ModelEvent, ModelRequest } from "../providers/provider.ts";
import { ScriptedProvider, calls, says, thinks } from "../providers/scripted.ts";
import type { ScriptStep } from "../providers/scripted.ts";
import { estimateTokens } from "../providers/tokens.ts";
import { BREAK_OFF, readInstructions, type Instructions, type Step } from "./instructions.ts";

/** Small, so that every block of a stream has several deltas. */
const CHUNK = 7;

export function createObedientModel(): ScriptedProvider {
  return new ScriptedProvider(follow);
}

function follow(request: ModelRequest, index: number): ScriptStep[] {
  const { instructions, called, breaksOff, opening } = read(request);
  if (breaksOff) {
    return [says("I will", { chunk: CHUNK }), new GatewayError("overloaded", "As was asked for.")];
  }
  const events: ModelEvent[] = [];
  const { thinking } = request;
  if (thinking?.type === "enabled" || thinking?.type === "adaptive")
    events.push(...thinks("I do exactly what was asked for.", { chunk: CHUNK }));
  const next = nextSteps(instructions, called, request);
  if (next.length === 0) {
    const answer = instructions?.answer ?? "DONE";
    const rest = answer.startsWith(opening) ? answer.slice(opening.length) : answer;
    events.push(...says(rest, { chunk: CHUNK }));
  } else {
    if (called === 0) events.push(...says("I will use the tool.", { chunk: CHUNK }));
    for (const [n, { tool, input }] of next.entries()) {
      const id = `toolu_obedient${index + 1}x${n + 1}`;
      events.push(...calls(tool, input, { chunk: CHUNK, id }));
    }
  }
  return [keepLimits(events, request)];
}

interface Reading {
  instructions: Instructions | null;
  /** Calls made since they were given. */
  called: number;
  breaksOff: boolean;
  /** How the client has begun the answer. */
  opening: string;
}

function read({ messages }: ModelRequest): Reading {
  let instructions: Instructions | null = null;
  let called = 0;
  let breaksOff = false;
  let opening = "";
  for (const { role, content } of messages) {
    for (const block of content) {
      if (role === "assistant" && block.type === "tool_use") called += 1;
      if (block.type !== "text") continue;
      if (role === "assistant") opening += block.text;
      else {
        const found = readInstructions(block.text);
        if (found !== null) [instructions, called, opening] = [found, 0, ""];
        breaksOff = block.text.includes(BREAK_OFF);
      }
    }
  }
  if (messages.at(-1)?.role !== "assistant") opening = "";
  return { instructions, called, breaksOff, opening };
}

function nextSteps(
  instructions: Instructions | null,
  called: number,
  { toolChoice }: ModelRequest,
): Step[] {
  const left = instructions?.steps.slice(called) ?? [];
  if (toolChoice?.type === "none") return [];
  const isOneByOne = !instructions?.atOnce || toolChoice?.disable_parallel_tool_use === true;
  return isOneByOne ? left.slice(0, 1) : left;
}

/** The events up to the first limit that they meet, with the reason for stopping there. */
function keepLimits(events: readonly ModelEvent[], request: ModelRequest): ModelEvent[] {
  const kept: ModelEvent[] = [];
  let outputTokens = 0;
  let said = "";
  for (const event of events) {
    if (event.type === "text-start") said = "";
    outputTokens += estimateTokens(textOf(event));
    if (outputTokens > request.maxTokens) return [...kept, ...end("max_tokens", null)];
    if (event.type === "text-delta") {
      const before = said.length;
      said += event.text;
      const stop = request.stopSequences.find((sequence) => said.includes(sequence));
      if (stop !== undefined) {
        const text = said.slice(before, said.indexOf(stop));
        return [...kept, { type: "text-delta", text }, ...end("stop_sequence", stop)];
      }
    }
    kept.push(event);
  }
  return kept;

  function end(
    stopReason: "max_tokens" | "stop_sequence",
    stopSequence: string | null,
  ): ModelEvent[] {
    const usage = { inputTokens: 10, outputTokens: Math.min(outputTokens, request.maxTokens) };
    return [{ type: "block-end" }, { type: "end", stopReason, stopSequence, usage }];
  }
}

function textOf(event: ModelEvent): string {
  switch (event.type) {
    case "text-delta":
      return event.text;
    case "thinking-delta":
      return event.thinking;
    case "tool-use-delta":
      return event.partialJson;
    default:
      return "";
  }
}
