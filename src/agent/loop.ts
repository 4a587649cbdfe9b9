/**
 * The agent loop: ask the model, run the server tools it used, hand it the results, ask again, until it
 * has said what it had to say.
 *
 * A turn ends when the model ends it, when it uses a tool that the client runs (server tools used in the
 * same breath then wait for the next request), when the code of a server tool calls a tool that the client
 * runs (it sleeps until the next request; calls that Curta answers itself keep it only for as long as they
 * take), or when the executions of a turn are used up: the model is then asked once more without tools, so
 * that the answer ends in words. Every way out goes through one
 * `turn-end`, except errors and the end of the request's signal, which are thrown.
 */
import { GatewayError } from "../errors.ts";
import type { ModelRequest, ModelStopReason, ToolResultBlock } from "../providers/provider.ts";
import type { FunctionCall } from "../sandbox/sandbox.ts";
import { reject } from "../tools/rejection.ts";
import type { ToolEvent } from "../tools/tool.ts";
import type { TurnEvent } from "./events.ts";
import { sample, startTurn, type SampledUse } from "./sampling.ts";
import { answerServerCalls, sortCalls } from "./server-calls.ts";
import { startToolExecution, type ToolExecution } from "./tool-execution.ts";
import type { Turn, TurnDeps, TurnRequest } from "./turn.ts";
import type { OpenCalls, WaitingExecution } from "./waiting-executions.ts";
import { openWorkspace } from "./workspace.ts";

const RUNS_CODE = /code_execution$/;
const WEB_TOOLS: ReadonlySet<string> = new Set(["web_search", "web_fetch"]);

export async function* runTurn(
  request: TurnRequest,
  deps: TurnDeps,
  signal: AbortSignal,
): AsyncGenerator<TurnEvent, void> {
  const turn = await openTurn(request, deps, signal);
  if (request.pending.length > 0) {
    yield* startTurn(turn, turn.usage);
    const uses = request.pending.map((block) => ({ block, runs: "here" as const, isValid: true }));
    if (yield* runUses(turn, uses)) return yield* endTurn(turn, "tool_use");
  }

  let toolChoice = request.prompt.toolChoice;
  for (;;) {
    signal.throwIfAborted();
    if (turn.usage.outputTokens >= request.prompt.maxTokens)
      return yield* endTurn(turn, "max_tokens");
    const isLast = turn.executions >= deps.executionsPerTurn;
    const { blocks, uses, stopReason, stopSequence } = yield* sample(
      turn,
      isLast ? { type: "none" } : toolChoice,
    );
    if (blocks.length > 0) turn.messages.push({ role: "assistant", content: blocks });

    // Some servers of models say `end_turn` after a tool use. Any other reason cut the answer short.
    const wantsTools = uses.length > 0 && (stopReason === "tool_use" || stopReason === "end_turn");
    if (!wantsTools) {
      return yield* endTurn(
        turn,
        stopReason === "tool_use" ? "end_turn" : stopReason,
        stopSequence,
      );
    }
    if (uses.some((use) => use.runs === "client")) {
      // What waits for the next request has its container already, so that clients hand it on. Where none is
      // to be had the answer is whole all the same, and the next request makes its own.
      if (uses.some((use) => use.runs === "here" && RUNS_CODE.test(use.block.name)))
        await turn.workspace.container().catch(() => null);
      return yield* endTurn(turn, "tool_use");
    }
    if (yield* runUses(turn, uses)) return yield* endTurn(turn, "tool_use");
    if (isLast) return yield* endTurn(turn, "end_turn");
    // A forced tool was for the first sampling; forced again, the turn would never end.
    toolChoice = afterFirstSampling(toolChoice);
  }
}

async function openTurn(request: TurnRequest, deps: TurnDeps, signal: AbortSignal): Promise<Turn> {
  const workspace = await openWorkspace(deps.containers, request.containerId, request.files);
  for (const { id } of request.pending) {
    const waiting = findWaiting(request, deps, id);
    if (waiting !== null) requireAnswers(waiting, request);
  }
  const blocks = request.prompt.messages.flatMap((message) => message.content);
  return {
    request,
    deps,
    signal,
    workspace,
    messages: [...request.prompt.messages],
    useIds: new Set(blocks.flatMap((block) => (block.type === "tool_use" ? block.id : []))),
    usage: { inputTokens: 0, outputTokens: 0 },
    executions: 0,
    webRequests: 0,
    isStarted: false,
  };
}

/** The execution that this request goes on with for a use, if any. */
function findWaiting(
  { containerId }: TurnRequest,
  { waiting }: TurnDeps,
  toolUseId: string,
): WaitingExecution | null {
  return containerId === null ? null : waiting.find(containerId, toolUseId);
}

/** Refuses what answers only some calls. Who answers none of them was never told of them, and is told again. */
function requireAnswers({ calls }: WaitingExecution, { answers }: TurnRequest): void {
  const missing = [...calls.keys()].filter((id) => !answers.has(id));
  if (missing.length === 0 || missing.length === calls.size) return;
  const problem = "`tool_use` ids were found without `tool_result` blocks immediately after";
  const rule =
    "Each `tool_use` block must have a corresponding `tool_result` block in the next message.";
  throw new GatewayError("invalid_request", `messages: ${problem}: ${missing.join(", ")}. ${rule}`);
}

/**
 * Runs uses one after the other, in the order the model wrote them, and appends their results. True when the
 * code of one waits for the client: it and those behind it are the next request's.
 */
async function* runUses(
  turn: Turn,
  uses: readonly SampledUse[],
): AsyncGenerator<TurnEvent, boolean> {
  const results: ToolResultBlock[] = [];
  for (const use of uses) {
    turn.signal.throwIfAborted();
    const { id, name } = use.block;
    let result: (ToolEvent & { type: "result" }) | null = null;
    for await (const event of runUse(turn, use)) {
      if (event.type === "calls") {
        yield* event.calls;
        return true;
      }
      if (event.type === "nested") {
        yield event.event;
        continue;
      }
      if (event.type === "result") result = event;
      if (use.runs === "here") yield { type: "tool", toolUseId: id, name, event };
    }
    turn.signal.throwIfAborted();
    if (result === null)
      throw new GatewayError("internal", `The tool ${name} ended without a result.`);
    results.push({
      type: "tool_result",
      tool_use_id: id,
      content: result.content,
      is_error: result.isError,
    });
  }
  const last = turn.messages.at(-1);
  if (last?.role === "user") {
    turn.messages.splice(-1, 1, { role: "user", content: [...results, ...last.content] });
  } else {
    turn.messages.push({ role: "user", content: results });
  }
  return false;
}

/**
 * What a tool says, save that calls of its code have become events of the turn: those that Curta has answered,
 * and the client's, which are its last.
 */
type UseEvent =
  | Exclude<ToolEvent, { type: "calls" }>
  | { type: "nested"; event: TurnEvent }
  | { type: "calls"; calls: (TurnEvent & { type: "client-call" })[] };

async function* runUse(turn: Turn, use: SampledUse): AsyncGenerator<UseEvent> {
  const { request, deps, workspace } = turn;
  const { id, name, input } = use.block;
  const tool = deps.tools.get(name);
  const waiting = findWaiting(request, deps, id);
  if (waiting !== null) {
    // Answers to other calls are those of a request that was sent before: its answer was lost on the way.
    if ([...waiting.calls.keys()].every((callId) => request.answers.has(callId)))
      waiting.answer(request.answers);
    for await (const event of waiting.follow(turn.signal)) {
      if (event.type === "open") yield toClientCalls(id, event.calls);
      else if (event.type === "calls") waiting.ask(yield* answerHere(turn, id, event.calls));
      else yield event;
    }
    return;
  }
  if (request.callers.has(id)) {
    yield* reject(
      "unavailable",
      "The code that called these tools does not wait any more: it was stopped, or its container was replaced. Run it again if it is still needed.",
    );
    return;
  }
  if (deps.cutUses.has(id)) {
    yield* reject(
      "invalid_tool_input",
      "This call was cut off when the answer reached its limit, so it was not run. Write it again, whole.",
    );
    return;
  }
  const limit = countUse(turn, name);
  if (limit !== null) {
    yield* reject(
      "too_many_requests",
      `The limit of ${limit} for one answer is reached. Answer with what is known so far.`,
    );
    return;
  }
  if (use.runs !== "here" || tool === undefined) {
    const names = [...request.serverTools, ...request.clientTools.map((known) => known.name)];
    yield* reject(
      "unavailable",
      `There is no tool named "${name}". The tools are: ${names.join(", ") || "none"}.`,
    );
  } else if (!use.isValid) {
    yield* reject("invalid_tool_input", "The input of the tool was not a JSON object.");
  } else {
    yield* follow(
      turn,
      use,
      startToolExecution(tool, input, {
        container: () => workspace.container(),
        putFile: (filename, bytes) => workspace.putFile(filename, bytes),
        caller: "model",
      }),
    );
  }
}

/** Counts a use; names the limit that it is over. */
function countUse(turn: Turn, name: string): string | null {
  const { executionsPerTurn, webRequestsPerTurn } = turn.deps;
  const isWeb = WEB_TOOLS.has(name);
  if (isWeb && turn.webRequests < webRequestsPerTurn) {
    turn.webRequests += 1;
    return null;
  }
  if (!isWeb && turn.executions >= executionsPerTurn) return `${executionsPerTurn} executions`;
  // A model that goes on searching uses up what it has of executions, so that the turn comes to an end.
  turn.executions += 1;
  return isWeb ? `${webRequestsPerTurn} searches and fetches` : null;
}

/** Passes on what an execution says until it ends or has to wait for the client. */
async function* follow(
  turn: Turn,
  use: SampledUse,
  execution: ToolExecution,
): AsyncGenerator<UseEvent> {
  let isLeft = true;
  execution.attach(turn.signal);
  try {
    for (let event = await execution.next(); event !== null; event = await execution.next()) {
      if (event.type !== "calls") {
        yield event;
        continue;
      }
      const toolUseId = use.block.id;
      const client = yield* answerHere(turn, toolUseId, event.calls);
      if (client.length === 0) continue;
      const container = await turn.workspace.container();
      const calls = turn.deps.waiting.put(container, { toolUseId, calls: client, execution });
      isLeft = false;
      yield toClientCalls(toolUseId, calls);
      return;
    }
    isLeft = false;
  } finally {
    execution.detach();
    if (isLeft) execution.leave();
  }
}

/** Answers the calls of the code that need no client, and gives the others. */
async function* answerHere(
  turn: Turn,
  callerId: string,
  calls: readonly FunctionCall[],
): AsyncGenerator<UseEvent, FunctionCall[]> {
  const { server, client } = sortCalls(turn, calls);
  for await (const nested of answerServerCalls(turn, callerId, server, {
    container: () => turn.workspace.container(),
    putFile: (filename, bytes) => turn.workspace.putFile(filename, bytes),
  }))
    yield { type: "nested", event: nested };
  return client;
}

function toClientCalls(callerId: string, calls: OpenCalls): UseEvent & { type: "calls" } {
  return {
    type: "calls",
    calls: [...calls].map(([id, { name, input }]) => ({
      type: "client-call",
      id,
      name,
      input,
      callerId,
    })),
  };
}

function* endTurn(
  turn: Turn,
  stopReason: ModelStopReason,
  stopSequence: string | null = null,
): Generator<TurnEvent, void> {
  if (!turn.isStarted) yield* startTurn(turn, turn.usage);
  yield {
    type: "turn-end",
    stopReason,
    stopSequence,
    usage: turn.usage,
    container: turn.workspace.current(),
  };
}

function afterFirstSampling(choice: ModelRequest["toolChoice"]): ModelRequest["toolChoice"] {
  if (choice === undefined || choice.type === "none") return choice;
  return { type: "auto", disable_parallel_tool_use: choice.disable_parallel_tool_use };
}
