/**
 * Executions whose code waits for the client to run a tool, from one request to the next.
 *
 * An execution is put aside as the iteration of its events: nobody reads on, the code sleeps, the container
 * keeps it. It is kept by its container's id, one for each, and taken by the request that brings the answers.
 * Two clocks bound the wait: shortly before the container would expire, or after the time that the client's
 * tools have, the calls are answered with a time-out, so that the code can still end well and its result is
 * there for a late client; and when the container has expired the execution is let go.
 */
import type { FunctionCall } from "../sandbox/sandbox.ts";
import type { Container } from "../sandbox/sandbox.ts";
import type { ToolExecution } from "./tool-execution.ts";

export interface WaitingExecution {
  /** The use that runs. */
  toolUseId: string;
  /** The calls that the client was told of, by the id of its `tool_use`. */
  calls: ReadonlyMap<string, FunctionCall>;
  execution: ToolExecution;
}

export interface WaitingExecutions {
  /** Replaces the one that waited in this container before. */
  put(container: Pick<Container, "id" | "expiresAt">, waiting: WaitingExecution): void;
  /** Looks without taking. */
  find(containerId: string): WaitingExecution | null;
  /** The execution is the caller's from then on. */
  take(containerId: string): WaitingExecution | null;
}

/** Time between the time-out of a call and the end of its container, for the code to make use of. */
const LAST_MS = 60_000;

interface Entry extends WaitingExecution {
  callTimer: NodeJS.Timeout;
  endTimer: NodeJS.Timeout;
}

export function createWaitingExecutions(
  callMs: number,
  now: () => number = Date.now,
): WaitingExecutions {
  const entries = new Map<string, Entry>();

  return {
    put(container, waiting) {
      drop(container.id);
      const lifeMs = container.expiresAt.getTime() - now();
      const limitMs = Math.max(0, Math.min(callMs, Math.max(lifeMs - LAST_MS, lifeMs / 2)));
      const callTimer = setTimeout(() => timeOut(waiting.calls, limitMs), limitMs).unref();
      const endTimer = setTimeout(() => endWith(container), lifeMs).unref();
      entries.set(container.id, { ...waiting, callTimer, endTimer });
    },
    find(containerId) {
      return entries.get(containerId) ?? null;
    },
    take,
  };

  function take(containerId: string): WaitingExecution | null {
    const entry = entries.get(containerId);
    if (entry === undefined) return null;
    clearTimeout(entry.callTimer);
    clearTimeout(entry.endTimer);
    entries.delete(containerId);
    return entry;
  }

  function drop(containerId: string): void {
    take(containerId)?.execution.leave();
  }

  /** Files that were read or written meanwhile have moved the container's end. */
  function endWith(container: Pick<Container, "id" | "expiresAt">): void {
    const entry = entries.get(container.id);
    if (entry === undefined) return;
    const lifeMs = container.expiresAt.getTime() - now();
    if (lifeMs > 0) entry.endTimer = setTimeout(() => endWith(container), lifeMs).unref();
    else drop(container.id);
  }
}

function timeOut(calls: ReadonlyMap<string, FunctionCall>, afterMs: number): void {
  const seconds = Math.round(afterMs / 1000);
  for (const call of calls.values()) {
    call.answer({
      outcome: "timeout",
      text: `Calling tool ['${call.name}'] timed out (no response after ${seconds}s).`,
    });
  }
}
