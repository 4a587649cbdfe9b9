/**
 * Calls of the code that Curta answers itself: searches and pages, for which no client is needed.
 *
 * The code sleeps in its container as it does while a client answers, and its clock stands still. The calls of
 * one batch run side by side, a few at a time; what they bring goes to the client as blocks of their own, and
 * to the code as data through its channel, never as a network. The model reads only what the code prints.
 * Everything about a call was written by hostile code: its input is small or refused, and the turn's bound on
 * requests to the web holds for code as for the model.
 */
import type { FunctionCall } from "../sandbox/sandbox.ts";
import type { Tool, ToolContext, ToolEvent } from "../tools/tool.ts";
import type { TurnEvent } from "./events.ts";
import type { Turn } from "./turn.ts";

/** A client is told of each input; nothing that is searched for or opened needs more. */
const INPUT_CHARACTERS_MAX = 10_000;
const AT_ONCE = 5;

interface ServerCall {
  id: string;
  call: FunctionCall;
  tool: Tool;
}

export interface SortedCalls {
  server: FunctionCall[];
  client: FunctionCall[];
}

/** Which calls are whose; one of a tool that this request does not have is answered at once. */
export function sortCalls(turn: Turn, calls: readonly FunctionCall[]): SortedCalls {
  const { serverFunctions, codeTools } = turn.request;
  const sorted: SortedCalls = { server: [], client: [] };
  for (const call of calls) {
    if (serverFunctions.includes(call.name) && turn.deps.tools.has(call.name))
      sorted.server.push(call);
    else if (codeTools.some(({ name }) => name === call.name)) sorted.client.push(call);
    else call.answer({ outcome: "error", text: `There is no tool ${call.name} in this request.` });
  }
  return sorted;
}

export async function* answerServerCalls(
  turn: Turn,
  callerId: string,
  calls: readonly FunctionCall[],
  workspace: Pick<ToolContext, "container" | "putFile">,
): AsyncGenerator<TurnEvent, void> {
  const admitted = calls.flatMap((call) => admit(turn, call));
  for (let from = 0; from < admitted.length; from += AT_ONCE) {
    const some = admitted.slice(from, from + AT_ONCE);
    for (const { id, call } of some)
      yield { type: "server-call", id, name: call.name, input: call.input, callerId };
    const context = { ...workspace, caller: "code" as const, signal: turn.signal };
    const answered = await Promise.all(some.map((one) => run(one, context)));
    turn.signal.throwIfAborted();
    for (const [index, { id, call }] of some.entries()) {
      for (const event of answered[index] ?? [])
        yield { type: "tool", toolUseId: id, name: call.name, event, callerId };
    }
  }
}

function admit(turn: Turn, call: FunctionCall): ServerCall[] {
  const tool = turn.deps.tools.get(call.name);
  const refuse = (text: string): ServerCall[] => {
    call.answer({ outcome: "error", text });
    return [];
  };
  if (tool === undefined) return refuse(`There is no tool ${call.name}.`);
  if (JSON.stringify(call.input).length > INPUT_CHARACTERS_MAX) {
    return refuse(
      `invalid_tool_input: The input of ${call.name} may have ${INPUT_CHARACTERS_MAX} characters.`,
    );
  }
  const limit = turn.deps.webRequestsPerTurn;
  if (turn.webRequests >= limit)
    return refuse(`too_many_requests: One answer may make ${limit} searches and fetches, no more.`);
  turn.webRequests += 1;
  return [{ id: turn.deps.newId("srvtoolu"), call, tool }];
}

/** Runs one call and answers the code, so that each goes on as soon as its own answer is there. */
async function run({ call, tool }: ServerCall, context: ToolContext): Promise<ToolEvent[]> {
  const events: ToolEvent[] = [];
  for await (const event of tool.run(call.input, context)) {
    events.push(event);
    if (event.type !== "result") continue;
    const text = event.content.map((block) => (block.type === "text" ? block.text : "")).join("");
    const code = errorCodeOf(event);
    call.answer(
      event.isError
        ? { outcome: "error", text: code === null ? text : `${code}: ${text}` }
        : { outcome: "result", text },
    );
  }
  return events;
}

function errorCodeOf({ output }: ToolEvent & { type: "result" }): string | null {
  return output !== null && "errorCode" in output ? output.errorCode : null;
}
