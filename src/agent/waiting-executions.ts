/**
 * Executions whose code has called the client's tools, from one request to the next.
 *
 * Such an execution belongs to its container, one to each, and not to a request: it *asks* until the client has
 * answered its calls, then *runs* until it *calls* again or comes to its end, and has *ended* when its result is
 * there. Whoever follows it sorts new calls: what the server can answer, and what the client is asked. A
 * request that brings the client's answers follows it and may go away at any time. The code runs on, within the time that
 * it has, and what it came to is kept: the same request, sent again, finds it. So an answer that was lost on its
 * way costs the client a repetition, and neither the work of its tools nor a second run of the code.
 *
 * The clocks that bound it: code that runs has the time of an execution. Shortly before the container would
 * expire, or after the time that the client's tools have, open calls are answered with a time-out, so that the
 * code can still end well. When the container has expired, all is let go. The results of few are kept at once.
 */
import { GatewayError } from "../errors.ts";
import type { Container, FunctionCall } from "../sandbox/sandbox.ts";
import { reject } from "../tools/rejection.ts";
import type { ToolEvent } from "../tools/tool.ts";
import type { CallAnswer } from "./turn.ts";
import type { ToolExecution } from "./tool-execution.ts";

/** By the ids of the `tool_use` blocks that the client is told of. */
export type OpenCalls = ReadonlyMap<string, FunctionCall>;

/** `calls` are new ones, of which `ask` has to be told; `open` are those that the client has to answer. */
export type WaitingEvent = ToolEvent | { type: "open"; calls: OpenCalls };

export interface WaitingExecution {
  /** The calls that the code waits for; empty while it runs, and when it has ended. */
  readonly calls: OpenCalls;
  /** Lets code that waits go on. */
  answer(answers: ReadonlyMap<string, CallAnswer>): void;
  /** Of new calls, those that are the client's; without any the code goes on, since it has its answers. */
  ask(calls: readonly FunctionCall[]): void;
  /**
   * What it says until it ends or calls again. Leaving it does not stop the code. Whoever follows it already is
   * let go with a `conflict`: of a request that was sent again, the newer one has a client that listens.
   */
  follow(signal: AbortSignal): AsyncGenerator<WaitingEvent, void>;
}

type LivingContainer = Pick<Container, "id" | "expiresAt">;

export interface WaitingExecutions {
  /** Replaces the one that this container had before, and gives the calls their ids. */
  put(
    container: LivingContainer,
    asking: { toolUseId: string; calls: readonly FunctionCall[]; execution: ToolExecution },
  ): OpenCalls;
  /** The execution of that use. */
  find(containerId: string, toolUseId: string): WaitingExecution | null;
}

export interface WaitingOptions {
  /** Time that the client's tools have. */
  callMs: number;
  newId: (prefix: string) => string;
  now?: () => number;
}

/** Time between the time-out of a call and the end of its container, for the code to make use of. */
const LAST_MS = 60_000;
/** A result may hold as much as an answer; whoever repeats a request does so soon. */
const RESULTS_MAX = 16;

interface Entry {
  container: LivingContainer;
  toolUseId: string;
  execution: ToolExecution;
  state: "asks" | "runs" | "calls" | "ended";
  calls: OpenCalls;
  /** New calls that nobody has sorted yet. */
  unsorted: readonly FunctionCall[];
  /** What it did, for the measurements of whoever follows. Of what nobody saw only the end is kept. */
  unread: ToolEvent[];
  /** Its result, for everybody who asks. */
  outcome: Exclude<ToolEvent, { type: "calls" }>[];
  /** Lets whoever follows it go. */
  follower: PromiseWithResolvers<never> | null;
  changed: PromiseWithResolvers<void>;
  callTimer?: NodeJS.Timeout;
  endTimer?: NodeJS.Timeout;
}

export function createWaitingExecutions({
  callMs,
  newId,
  now = Date.now,
}: WaitingOptions): WaitingExecutions {
  /** By container; those that have ended, oldest first. */
  const entries = new Map<string, Entry>();

  return {
    put(container, { toolUseId, calls, execution }) {
      drop(container.id);
      const entry: Entry = {
        container,
        toolUseId,
        execution,
        state: "asks",
        calls: new Map(),
        unsorted: [],
        unread: [],
        outcome: [],
        follower: null,
        changed: Promise.withResolvers(),
      };
      entries.set(container.id, entry);
      entry.endTimer = setTimeout(() => endWith(entry), lifeOf(entry)).unref();
      ask(entry, calls);
      return entry.calls;
    },
    find(containerId, toolUseId) {
      const entry = entries.get(containerId);
      if (entry?.toolUseId !== toolUseId) return null;
      return {
        get calls() {
          return entry.calls;
        },
        answer(answers) {
          if (entry.state !== "asks") return;
          goOn(entry, (call, id) => {
            const answer = answers.get(id);
            if (answer === undefined) return;
            call.answer({ outcome: answer.isError ? "error" : "result", text: answer.text });
          });
        },
        ask(calls) {
          if (entry.state !== "calls") return;
          if (calls.length > 0) ask(entry, calls);
          else goOn(entry, () => {});
        },
        follow: (signal) => follow(entry, signal),
      };
    },
  };

  function ask(entry: Entry, calls: readonly FunctionCall[]): void {
    entry.state = "asks";
    entry.unsorted = [];
    entry.calls = new Map(calls.map((call) => [newId("toolu"), call]));
    boundWait(entry);
  }

  function boundWait(entry: Entry): void {
    clearTimeout(entry.callTimer);
    const lifeMs = lifeOf(entry);
    const limitMs = Math.max(0, Math.min(callMs, Math.max(lifeMs - LAST_MS, lifeMs / 2)));
    entry.callTimer = setTimeout(() => {
      const seconds = Math.round(limitMs / 1000);
      goOn(entry, (call) => {
        const text = `Calling tool ['${call.name}'] timed out (no response after ${seconds}s).`;
        call.answer({ outcome: "timeout", text });
      });
    }, limitMs).unref();
  }

  function goOn(entry: Entry, answer: (call: FunctionCall, id: string) => void): void {
    clearTimeout(entry.callTimer);
    const { calls, unsorted } = entry;
    entry.state = "runs";
    entry.calls = new Map();
    entry.unsorted = [];
    for (const [id, call] of calls) answer(call, id);
    for (const call of unsorted) answer(call, "");
    void run(entry);
  }

  /** Takes what the execution says until it has to wait again, whether somebody listens or not. */
  async function run(entry: Entry): Promise<void> {
    try {
      const { execution } = entry;
      for (let event = await execution.next(); event !== null; event = await execution.next()) {
        if (event.type === "calls") {
          entry.state = "calls";
          entry.unsorted = event.calls;
          boundWait(entry);
          return;
        }
        keep(entry, event);
        tell(entry);
      }
      end(entry);
    } catch {
      // It was let go while it ran; who follows it is told that there is no result.
      end(entry);
    } finally {
      tell(entry);
    }
  }

  function end(entry: Entry): void {
    entry.state = "ended";
    if (entries.get(entry.container.id) !== entry) return;
    entries.delete(entry.container.id);
    entries.set(entry.container.id, entry);
    const ended = [...entries.values()].filter(({ state }) => state === "ended");
    for (const { container } of ended.slice(0, -RESULTS_MAX)) drop(container.id);
  }

  /** Files that were read or written meanwhile have moved the container's end. */
  function endWith(entry: Entry): void {
    const lifeMs = lifeOf(entry);
    if (lifeMs > 0) entry.endTimer = setTimeout(() => endWith(entry), lifeMs).unref();
    else drop(entry.container.id);
  }

  function lifeOf({ container }: Entry): number {
    return container.expiresAt.getTime() - now();
  }

  function drop(containerId: string): void {
    const entry = entries.get(containerId);
    if (entry === undefined) return;
    entries.delete(containerId);
    clearTimeout(entry.callTimer);
    clearTimeout(entry.endTimer);
    entry.execution.leave();
  }
}

function keep(entry: Entry, event: Exclude<ToolEvent, { type: "calls" }>): void {
  if (event.type !== "execution") entry.outcome.push(event);
  else if (entry.follower !== null || event.event.type === "done") entry.unread.push(event);
}

function tell(entry: Entry): void {
  entry.changed.resolve();
  entry.changed = Promise.withResolvers();
}

async function* follow(entry: Entry, signal: AbortSignal): AsyncGenerator<WaitingEvent, void> {
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
  entry.follower?.reject(new GatewayError("conflict", TAKEN_OVER, { retry: false }));
  entry.follower = gone;
  const leave = (): void => gone.reject(signal.reason);
  signal.addEventListener("abort", leave, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      yield* entry.unread.splice(0);
      if (entry.state === "calls") yield { type: "calls", calls: [...entry.unsorted] };
      else if (entry.state === "runs") await Promise.race([entry.changed.promise, gone.promise]);
      else break;
    }
    if (entry.state === "asks") yield { type: "open", calls: entry.calls };
    else if (entry.outcome.length > 0) yield* entry.outcome;
    else yield* reject("unavailable", "The code was stopped: its container has ended.");
  } finally {
    signal.removeEventListener("abort", leave);
    if (entry.follower === gone) entry.follower = null;
  }
}

const TAKEN_OVER = "The same continuation was sent again, and that request goes on with it.";
