/**
 * One sampling within a turn: passes the model's events on and keeps what it wrote.
 *
 * Uses of server tools get an id of Curta's own, because the client sends it back and it must be unique in
 * the conversation. A use of a tool that nobody declared is kept from the client; the model is told.
 */
import { GatewayError } from "../errors.ts";
import type {
  ModelBlock,
  ModelEvent,
  ModelRequest,
  ModelStopReason,
  ModelUsage,
  ToolUseBlock,
} from "../providers/provider.ts";
import { completeJson, parseJsonObject } from "./complete-json.ts";
import type { TurnEvent } from "./events.ts";
import { withoutResultImages } from "./result-images.ts";
import { addUsage, type Turn } from "./turn.ts";

export interface SampledUse {
  block: ToolUseBlock;
  runs: "here" | "client" | "nowhere";
  /** False when the model wrote something that is not a JSON object. */
  isValid: boolean;
}

export interface Sampling {
  blocks: ModelBlock[];
  uses: SampledUse[];
  stopReason: ModelStopReason;
  stopSequence: string | null;
}

/** A model's server that never ends its answer is cut off here. */
const SAMPLED_CHARACTERS_MAX = 16_000_000;

export async function* sample(
  turn: Turn,
  toolChoice: ModelRequest["toolChoice"],
): AsyncGenerator<TurnEvent, Sampling> {
  const blocks: ModelBlock[] = [];
  const uses: SampledUse[] = [];
  let startUsage: ModelUsage | null = null;
  let use: SampledUse | null = null;
  let json = "";
  const completed: string[] = [];
  let characters = 0;

  for await (const event of turn.deps.provider.stream(
    toModelRequest(turn, toolChoice),
    turn.signal,
  )) {
    characters += lengthOf(event);
    if (characters > SAMPLED_CHARACTERS_MAX) {
      throw new GatewayError("upstream", "The model's server sent more than any answer may hold.");
    }
    switch (event.type) {
      case "start":
        startUsage = event.usage;
        if (!turn.isStarted) yield* startTurn(turn, event.usage);
        break;
      case "text-start":
        blocks.push({ type: "text", text: "" });
        yield event;
        break;
      case "thinking-start":
        blocks.push({ type: "thinking", thinking: "", signature: "" });
        yield event;
        break;
      case "text-delta":
      case "thinking-delta":
      case "thinking-signature":
        append(blocks, event);
        yield event;
        break;
      case "redacted-thinking":
        blocks.push({ type: "redacted_thinking", data: event.data });
        yield event;
        break;
      case "tool-use-start":
        use = startUse(turn, event.name, event.id);
        json = "";
        blocks.push(use.block);
        uses.push(use);
        if (use.runs !== "nowhere") {
          yield {
            type: "tool-use-start",
            id: use.block.id,
            name: event.name,
            serverTool: use.runs === "here",
          };
        }
        break;
      case "tool-use-delta":
        json += event.partialJson;
        if (use?.runs !== "nowhere") yield event;
        break;
      case "block-end":
        if (use !== null) {
          const rest = endUse(use, json);
          if (rest !== "") completed.push(use.block.id);
          if (rest !== "" && use.runs !== "nowhere")
            yield { type: "tool-use-delta", partialJson: rest };
        }
        if (use?.runs !== "nowhere") yield event;
        use = null;
        break;
      case "end": {
        // Some servers count the input only at the start of the answer.
        const inputTokens = event.usage.inputTokens || (startUsage?.inputTokens ?? 0);
        turn.usage = addUsage(turn.usage, { ...event.usage, inputTokens });
        yield { type: "usage", usage: turn.usage };
        const { stopReason, stopSequence } = event;
        if (stopReason !== "tool_use" && stopReason !== "end_turn")
          for (const id of completed) turn.deps.cutUses.add(id);
        return { blocks: blocks.filter(isWorthKeeping), uses, stopReason, stopSequence };
      }
    }
  }
  turn.signal.throwIfAborted();
  throw new GatewayError("upstream", "The model's server ended its answer before it was whole.");
}

export function* startTurn(turn: Turn, usage: ModelUsage): Generator<TurnEvent> {
  turn.isStarted = true;
  yield {
    type: "turn-start",
    model: turn.request.prompt.model,
    usage,
    container: turn.workspace.current(),
  };
}

function toModelRequest(turn: Turn, toolChoice: ModelRequest["toolChoice"]): ModelRequest {
  const { prompt, clientTools, serverTools, onlyFunctions, serverToolMark, files } = turn.request;
  const { provider, tools } = turn.deps;
  const define = (name: string) => tools.get(name)?.definition ?? [];
  const definitions = serverTools.filter((name) => !onlyFunctions.includes(name)).flatMap(define);
  const last = definitions.pop();
  if (last !== undefined) definitions.push({ ...last, ...serverToolMark });
  return {
    ...prompt,
    messages: provider.seesImages === true ? turn.messages : turn.messages.map(withoutResultImages),
    tools: [...definitions, ...clientTools],
    codeTools: onlyFunctions.flatMap(define),
    toolChoice,
    maxTokens: remainingTokens(turn),
    attachments: files.map((file) => file.attachment),
  };
}

/** What is left of `max_tokens`, which bounds the whole turn; a thinking budget has to fit below it upstream. */
function remainingTokens({ request, usage }: Turn): number {
  const budget = Number(request.prompt.thinking?.budget_tokens ?? 0);
  return Math.max(
    request.prompt.maxTokens - usage.outputTokens,
    Math.min(request.prompt.maxTokens, budget + 1),
  );
}

function startUse(turn: Turn, name: string, givenId: string): SampledUse {
  const { request, deps, useIds } = turn;
  const isHere = request.serverTools.includes(name) && deps.tools.has(name);
  // A model may call a function of its code by itself; the client can run that as well.
  const isClient = [...request.clientTools, ...request.codeTools].some(
    (tool) => tool.name === name,
  );
  const isUsable = !isHere && /^[\w-]{1,64}$/.test(givenId) && !useIds.has(givenId);
  const id = isUsable ? givenId : deps.newId(isHere ? "srvtoolu" : "toolu");
  useIds.add(id);
  const runs = isHere ? "here" : isClient ? "client" : "nowhere";
  return { block: { type: "tool_use", id, name, input: {} }, runs, isValid: true };
}

/** Sets the use's input and gives what the JSON lacked to be whole. */
function endUse(use: SampledUse, json: string): string {
  if (json.trim() === "") return "";
  const rest = parseJsonObject(json) === null ? completeJson(json) : "";
  const input = parseJsonObject(json + (rest ?? ""));
  use.block.input = input ?? {};
  use.isValid = input !== null;
  return rest ?? "";
}

function append(
  blocks: ModelBlock[],
  event: ModelEvent & { type: "text-delta" | "thinking-delta" | "thinking-signature" },
): void {
  const block = blocks.at(-1);
  if (event.type === "text-delta" && block?.type === "text") block.text += event.text;
  if (event.type === "thinking-delta" && block?.type === "thinking")
    block.thinking += event.thinking;
  if (event.type === "thinking-signature" && block?.type === "thinking")
    block.signature = event.signature;
}

/** Blank text is refused by the Messages API when it is sent back. */
function isWorthKeeping(block: ModelBlock): boolean {
  if (block.type === "text") return block.text.trim() !== "";
  if (block.type === "thinking") return block.thinking !== "" || block.signature !== "";
  return true;
}

function lengthOf(event: ModelEvent): number {
  switch (event.type) {
    case "text-delta":
      return event.text.length;
    case "thinking-delta":
      return event.thinking.length;
    case "tool-use-delta":
      return event.partialJson.length;
    default:
      return 1;
  }
}
