/**
 * The calls that the code of one cell makes to functions outside, checked before anybody sees them.
 *
 * What arrives was written by hostile code: names must be declared, inputs are JSON objects of bounded size
 * and depth, and a cell may make so many calls and no more. A call that breaks a rule is answered at once
 * with an error that the code can read.
 */
import { ChannelError } from "../kernel/channel.ts";
import type { KernelCall } from "../kernel/protocol.ts";
import type { CodeFunction, FunctionAnswer, FunctionCall } from "./sandbox.ts";

export interface Calls {
  /** How many wait for an answer. */
  readonly open: number;
  /** Takes what the code sent and gives the calls that are in order. Throws `ChannelError` when there is no end to them. */
  take(calls: readonly KernelCall[]): FunctionCall[];
  /** No answer goes to the code any more. */
  close(): void;
}

/** Each refusal is an answer, which waits here when the code does not read it. */
const REFUSED_MAX = 1000;
/** Inputs of all open calls together; the client has to send them back in a request of its own. */
const OPEN_BYTES_MAX = 8 << 20;

export function createCalls(
  functions: readonly CodeFunction[],
  most: number,
  send: (id: number, answer: FunctionAnswer) => void,
): Calls {
  const names = new Set(functions.map((declared) => declared.name));
  const open = new Set<number>();
  let made = 0;
  let bytes = 0;

  return {
    get open() {
      return open.size;
    },
    take(calls) {
      return calls.flatMap((call) => {
        made += 1;
        if (made > most + REFUSED_MAX) throw new ChannelError("calls without end");
        const problem = findProblem(call);
        if (problem === null) return [toCall(call)];
        send(call.id, { outcome: "error", text: problem });
        return [];
      });
    },
    close() {
      open.clear();
    },
  };

  function findProblem(call: KernelCall): string | null {
    if (made > most) return `The code may make ${most} calls of tools in one execution, no more.`;
    if (!names.has(call.name)) return `There is no tool ${JSON.stringify(call.name)}.`;
    if (open.has(call.id)) return "The number of this call is in use.";
    if (call.input === null) return "The input has to be a JSON object of at most 1 MiB.";
    if (bytes + call.bytes > OPEN_BYTES_MAX)
      return "The inputs of all calls are too large together.";
    return null;
  }

  function toCall({ id, name, input, bytes: size }: KernelCall): FunctionCall {
    open.add(id);
    bytes += size;
    return {
      name,
      input: input ?? {},
      answer(answer) {
        if (!open.delete(id)) return;
        bytes -= size;
        send(id, answer);
      },
    };
  }
}
