/**
 * A shell command in a container (`python/kernel/command.py`), as a stream of execution events.
 *
 * The keeper starts a fresh shell for each command, beside the Python session and in the same folders. The
 * clock runs here: when the time is over or the caller leaves, everything that the command started is killed.
 */
import { StringDecoder } from "node:string_decoder";

import { GatewayError } from "../errors.ts";
import { collectFiles } from "./collected-files.ts";
import type { CommandEvent, Keeper, KeeperEvent } from "./keeper.ts";
import type { ExecutionError, ExecutionEvent, ExecutionStatus } from "./sandbox.ts";
import type { SessionLimits } from "./session.ts";

export interface CommandOptions {
  /** Tells commands of one container apart, and names its output folder. */
  number: number;
  code: string;
  timeoutMs: number;
}

type End = Extract<CommandEvent, { type: "command-done" }>;
type DoneEvent = Extract<ExecutionEvent, { type: "done" }>;

/** The keeper kills within moments; without an answer by then the container is lost. */
const KILL_MS_MAX = 10_000;
const SIGKILL = 9;

export async function* runCommand(
  keeper: Keeper,
  { number, code, timeoutMs }: CommandOptions,
  limits: SessionLimits,
  signal: AbortSignal,
): AsyncGenerator<ExecutionEvent> {
  const startedAt = performance.now();
  const folder = `c${String(number).padStart(6, "0")}`;
  const decoders = [new StringDecoder("utf8"), new StringDecoder("utf8")] as const;
  const queue: ExecutionEvent[] = [];
  const share = limits.room.open();
  let isLeftOut = false;
  let isStarted = false;
  let end = null as End | "container" | null;
  let stop = null as "timeout" | "abandoned" | "memory" | null;
  let memoryBytes = 0;
  let wake: (() => void) | null = null;
  let killTimer: NodeJS.Timeout | undefined;

  function emitText(stream: 1 | 2, text: string): void {
    if (text === "") return;
    const taken = isLeftOut ? 0 : share.take(text.length);
    isLeftOut ||= taken < text.length;
    if (taken > 0)
      queue.push({ type: stream === 1 ? "stdout" : "stderr", text: text.slice(0, taken) });
  }

  function stopFor(reason: "timeout" | "abandoned"): void {
    if (stop !== null || end !== null) return;
    stop = reason;
    keeper.tell("end_command", { n: number });
    killTimer = setTimeout(() => keeper.close(), KILL_MS_MAX);
  }

  keeper.onCommandEvent = (event: KeeperEvent) => {
    switch (event.type) {
      case "command-output":
        if (event.number === number)
          emitText(event.stream, decoders[event.stream - 1]!.write(event.data));
        break;
      case "command-done":
        if (event.number === number) end = event;
        break;
      case "memory":
        stop ??= "memory";
        memoryBytes = event.bytes;
        break;
      case "closed":
        end ??= "container";
        break;
      default:
        return;
    }
    wake?.();
  };
  const onAbort = (): void => stopFor("abandoned");
  const timer = setTimeout(() => stopFor("timeout"), timeoutMs);
  signal.addEventListener("abort", onAbort, { once: true });

  try {
    const refusal = await begin();
    if (refusal !== null) {
      yield toRefused(refusal);
      return;
    }
    isStarted = true;
    if (signal.aborted) onAbort();
    for (;;) {
      while (queue.length > 0) yield queue.shift()!;
      if (end !== null) break;
      await somethingNew();
    }
    for (const stream of [1, 2] as const) emitText(stream, decoders[stream - 1]!.end());
    yield* queue.splice(0);
    const done = toDone(end);
    if (end !== "container" && end.hasFiles) yield* collect(done);
    yield done;
  } finally {
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timer);
    // A reader that leaves early: the next call may only come when this one has ended.
    if (isStarted) {
      stopFor("abandoned");
      for (;;) {
        if (end !== null) break;
        await somethingNew();
      }
    }
    clearTimeout(killTimer);
    share.close();
    keeper.onCommandEvent = null;
  }

  /** Earlier code may have left no process for a shell: an outcome like any other. */
  async function begin(): Promise<string | null> {
    try {
      await keeper.request("command", { n: number, folder }, Buffer.from(code));
      return null;
    } catch (error) {
      if (error instanceof GatewayError && error.code === "conflict") return error.message;
      throw error;
    }
  }

  async function somethingNew(): Promise<void> {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    wake = null;
  }

  async function* collect(done: DoneEvent): AsyncGenerator<ExecutionEvent> {
    try {
      const { files, refused } = await collectFiles(keeper, folder, limits, []);
      done.notice = refused;
      for (const file of files) yield { type: "file", file };
    } catch {
      // The container ended meanwhile: its files went with it, and the next call says so.
    }
  }

  function toRefused(message: string): DoneEvent {
    return {
      type: "done",
      status: "error",
      error: { name: "ProcessLimit", message, traceback: message, line: null },
      return_code: 1,
      usage: { wall_ms: 0, cpu_ms: 0, peak_memory_bytes: 0 },
      truncated: false,
      notice: null,
    };
  }

  function toDone(ended: End | "container"): DoneEvent {
    const facts = ended === "container" ? null : ended;
    const { status, error } = judge(facts, stop, timeoutMs, limits);
    const code = facts === null ? 1 : facts.signal > 0 ? 128 + facts.signal : facts.code;
    return {
      type: "done",
      status,
      error,
      return_code: status === "ok" || code !== 0 ? code : 1,
      usage: {
        wall_ms: Math.round((performance.now() - startedAt) * 1000) / 1000,
        cpu_ms: facts?.cpuMs ?? 0,
        peak_memory_bytes: Math.max(facts?.peakBytes ?? 0, memoryBytes),
      },
      truncated: isLeftOut || (facts?.overflow ?? false),
      notice:
        facts === null
          ? "The container's sandbox ended with this command: the session's variables are gone. What had been kept of its files comes back with the next call."
          : null,
    };
  }
}

/** A command that fails is an ordinary end with its exit code: the shell has said why. */
function judge(
  end: End | null,
  stop: "timeout" | "abandoned" | "memory" | null,
  timeoutMs: number,
  limits: SessionLimits,
): { status: ExecutionStatus; error: ExecutionError | null } {
  const say = (status: ExecutionStatus, name: string, message: string) => ({
    status,
    error: { name, message, traceback: message, line: null },
  });
  if (end === null) return say("killed", "ContainerEnded", "The container has ended.");
  if (stop === "timeout")
    return say(
      "timeout",
      "TimeoutError",
      `The command did not end within its limit of ${timeoutMs / 1000} s and was ended, with all that it had started.`,
    );
  if (stop === "abandoned") return say("killed", "Cancelled", "The caller went away.");
  if (end.overflow)
    return say(
      "killed",
      "OutputTooLarge",
      `The command wrote more than ${limits.outputBytes >> 20} MiB and was ended. Write to a file, or print less.`,
    );
  if (stop === "memory" || (end.memory && (end.signal === SIGKILL || end.code === 128 + SIGKILL)))
    return say(
      "out_of_memory",
      "MemoryError",
      `The container's ${limits.memoryMb} MiB of memory were used up.`,
    );
  return { status: "ok", error: null };
}
