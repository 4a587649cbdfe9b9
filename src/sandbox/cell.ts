/**
 * One cell while it runs, and what its end is called: the status, the error that the model reads, and the state that
 * the code was in. All of it is worked out from what the session has noted; nothing here talks to the container.
 */
import type { StringDecoder } from "node:string_decoder";

import type { KernelEvent } from "../kernel/protocol.ts";
import type { Calls } from "./calls.ts";
import { explainMemory } from "./memory-advice.ts";
import type { OutputShare } from "./output-room.ts";
import type { CodeFunction, ExecutionError, ExecutionEvent, ExecutionStatus } from "./sandbox.ts";

export interface CellOptions {
  code: string;
  timeoutMs: number;
  live: boolean;
  functions?: readonly CodeFunction[];
}

export type StopReason = "timeout" | "abandoned" | "memory" | "nonsense" | null;

export type DoneEvent = Extract<ExecutionEvent, { type: "done" }>;

export interface Death {
  signal: number;
  code: number;
  /** The kernel killed for want of memory. */
  memory: boolean;
  /** No process is left that could take over. */
  alone: boolean;
}

export interface Cell {
  number: number;
  options: CellOptions;
  emit(event: ExecutionEvent): void;
  finish(event: ExecutionEvent): void;
  startedAt: number;
  calls: Calls;
  /** Milliseconds of its time that are left; counted down from `clockFrom` while nobody waits for answers. */
  leftMs: number;
  clockFrom: number;
  /** Spent waiting for answers. */
  waitedMs: number;
  seen: [number, number];
  decoders: [StringDecoder, StringDecoder];
  displays: number;
  truncated: boolean;
  /** Streams of which there was no room for the rest. */
  cut: [boolean, boolean];
  error: ExecutionError | null;
  variables: string[];
  /** The largest ones that the checkpoint has, which stands before the cell. */
  variablesBefore: string[];
  stop: StopReason;
  interrupted: boolean;
  /** The keeper was told to kill the main line. */
  killed: boolean;
  displayBytes: number;
  /** The checkpoint that took over holds what this cell did. */
  kept: boolean;
  done: Extract<KernelEvent, { type: "done" }> | null;
  death: Death | null;
  /** The checkpoint has taken over. */
  restored: boolean;
  memoryBytes: number;
  /** From where faulthandler reports a crash: held back until the end, because most of it is our own frames. */
  fatalError: string;
  /** What its output takes of the server's memory. */
  share: OutputShare;
}

export function toStatus(
  cell: Cell,
  done: Extract<KernelEvent, { type: "done" }>,
): ExecutionStatus {
  if (done.status === "interrupted") {
    if (cell.stop === "abandoned") return "killed";
    return cell.stop === "timeout" ? "timeout" : "error";
  }
  // An interrupt that the code turned into an error of its own is still a time-out.
  if (done.status === "error" && cell.stop === "timeout") return "timeout";
  return done.status;
}

export function explainDeath(
  cell: Cell,
  memoryMb: number,
): { status: ExecutionStatus; error: ExecutionError } {
  const say = (status: ExecutionStatus, name: string, message: string) => {
    const stack = cellFrames(cell.fatalError);
    const line = /line (\d+)/.exec(stack);
    const variables = VARIABLES.exec(cell.fatalError)?.[0] ?? "";
    const parts = [stack, `${name}: ${message}`, variables].filter((part) => part !== "");
    const traceback = parts.join("\n");
    return {
      status,
      error: { name, message, traceback, line: line === null ? null : Number(line[1]) },
    };
  };
  if (cell.stop === "timeout") {
    return say(
      "timeout",
      "TimeoutError",
      `The code did not stop at its limit of ${cell.options.timeoutMs / 1000} s and was ended.`,
    );
  }
  if (cell.stop === "abandoned")
    return say("killed", "Cancelled", "The caller went away and the code did not stop.");
  if (cell.stop === "nonsense")
    return say("killed", "ProtocolError", "The code disturbed the interpreter's own channel.");
  const { signal, code, memory } = cell.death ?? { signal: 0, code: 0, memory: false };
  if (cell.stop === "memory" || memory) {
    return say(
      "out_of_memory",
      "MemoryError",
      `The container's ${memoryMb} MiB of memory were used up.`,
    );
  }
  if (signal > 0)
    return say(
      "killed",
      "Crash",
      `The interpreter crashed with signal ${signal} (${SIGNALS[signal] ?? "unknown"}).`,
    );
  return say("killed", "Exit", `The code ended the interpreter with exit code ${code}.`);
}

const SIGNALS: Record<number, string> = {
  4: "illegal instruction",
  6: "abort",
  7: "bus error",
  8: "arithmetic error",
  9: "kill",
  11: "segmentation fault",
  15: "termination",
  31: "forbidden system call",
};

const STACK = "Stack (most recent call first):";
/** As python/kernel/last_look.py writes them. */
const VARIABLES = /^Variables where it was: .{1,2000}/m;
const FATAL_ERROR = "Fatal Python error: ";
const FATAL_ERROR_CHARACTERS_MAX = 100_000;

export function emitText(cell: Cell, stream: number, text: string): void {
  if (text === "") return;
  if (stream === 0) {
    cell.emit({ type: "stdout", text });
    return;
  }
  const start = cell.fatalError === "" ? text.indexOf(cell.killed ? STACK : FATAL_ERROR) : 0;
  const plain = start < 0 ? text : text.slice(0, start);
  if (plain !== "") cell.emit({ type: "stderr", text: plain });
  if (start >= 0) {
    cell.fatalError = (cell.fatalError + text.slice(start)).slice(0, FATAL_ERROR_CHARACTERS_MAX);
  }
}

/** A crash's report down to the cell's first frame, without our own frames and the list of modules. */
export function shortenFatalError(report: string): string {
  const lines = report.split("\n");
  const last = lines.findLastIndex((line) => line.includes('File "<cell '));
  return report === "" ? "" : `${lines.slice(0, last < 0 ? 1 : last + 1).join("\n")}\n`;
}

/** The frames of the cell in faulthandler's report, newest first as it writes them. */
function cellFrames(report: string): string {
  const frames = report
    .split("\n")
    .filter((line) => /^\s*File "<cell \d+>", line \d+ in /.test(line));
  return frames.length === 0 ? "" : ["Stack, newest first:", ...frames.slice(0, 20)].join("\n");
}

/** Adds to an error what the session knows of where the code was. */
export function withState(
  { error, variables, variablesBefore, options, number }: Cell,
  status: ExecutionStatus,
  peakBytes: number,
  limitMb: number,
): ExecutionError | null {
  if (error === null) return null;
  const sentences: string[] = [];
  if (status === "out_of_memory") {
    const { traceback, line } = error;
    // The line of a function that another cell has defined is not one of this cell's text.
    const isHere = line !== null && traceback.includes(`"<cell ${number}>", line ${line}`);
    const text = isHere ? (options.code.split("\n")[line - 1] ?? "") : "";
    sentences.push(explainMemory({ text, line: isHere ? line : null, peakBytes, limitMb }));
    if (variables.length > 0) sentences.push(`Largest variables: ${variables.join("; ")}.`);
  } else if (variables.length > 0) {
    sentences.push(`Variables where it was: ${variables.join("; ")}.`);
  }
  if (variablesBefore.length > 0)
    sentences.push(`Largest variables before this call: ${variablesBefore.join("; ")}.`);
  if (sentences.length === 0) return error;
  return { ...error, traceback: [error.traceback, ...sentences].join("\n") };
}
