/**
 * One container's Python session, as a state machine over its channel and its keeper.
 *
 * A cell ends in one of these ways, and the session lives on after each of them:
 *
 * - its `done` frame arrives: the ordinary end, an exception included;
 * - the time is over or the caller left: the keeper interrupts it (KeyboardInterrupt), which usually
 *   leads to `done` with the memory kept. When that does not help within a grace period the main line is
 *   killed and the checkpoint takes over, with the memory from before the cell;
 * - the main line dies by itself: the checkpoint takes over;
 * - nobody takes over, because there was no checkpoint yet or the code killed it, or the channel
 *   carries nonsense: the keeper starts a fresh interpreter. Before the first cell has ended that is the
 *   same as a checkpoint; later the answer says that the variables are gone.
 *
 * What the cell printed is taken from whichever process sends it first and told apart by offset.
 */
import type { Socket } from "node:net";
import { StringDecoder } from "node:string_decoder";

import { GatewayError } from "../errors.ts";
import { encodeFrame, FrameReader } from "../kernel/channel.ts";
import { createFrameParser, isOutput, type KernelEvent } from "../kernel/protocol.ts";
import { createCalls } from "./calls.ts";
import {
  emitText,
  explainDeath,
  shortenFatalError,
  toStatus,
  withState,
  type Cell,
  type CellOptions,
  type Death,
  type DoneEvent,
  type StopReason,
} from "./cell.ts";
import { collectFiles } from "./collected-files.ts";
import { containerGone } from "./container-gone.ts";
import type { Keeper, KeeperEvent } from "./keeper.ts";
import { createWordQuota } from "./word-quota.ts";
import type { Layers } from "./layers.ts";
import type { OutputRoom } from "./output-room.ts";
import type { ExecutionEvent, ExecutionStatus } from "./sandbox.ts";
import type { Transfers } from "./transfers.ts";

export interface SessionLimits {
  outputBytes: number;
  displayCount: number;
  displayBytes: number;
  fileCount: number;
  fileBytes: number;
  /** All files of one cell together. */
  collectBytes: number;
  /** All files of a workspace. */
  workspaceBytes: number;
  memoryMb: number;
  /** What all executions may hold of the server's memory. */
  room: OutputRoom;
  /** Large files of all containers on their way out. */
  transfers: Transfers;
  /** Calls of functions in one cell. */
  calls: number;
  /** See layers.ts: empty but for tests. */
  without: Layers;
}

/** Cells by number, from 1. 0 is the fresh interpreter. */
export interface CellsSoFar {
  /** The last one that has begun. */
  readonly last: number;
  /** What it began on: the last cell that the interpreter's state held then. */
  readonly base: number;
  /** The last cell that the state holds now. */
  readonly standing: number;
}

export interface Session {
  /** Resolves when the first interpreter is ready; rejects when the container could not be made. */
  readonly ready: Promise<void>;
  /** True until the container has ended for good. */
  readonly alive: boolean;
  readonly cells: CellsSoFar;
  /** Runs one cell; the caller makes sure that it is the only one. */
  run(options: CellOptions, signal: AbortSignal): AsyncGenerator<ExecutionEvent, void>;
  /** Lets an idle session make do with less memory; the next cell wakes it. Does nothing while a cell runs. */
  park(): void;
  /** Names the present state; the caller makes sure that no cell runs. Throws when there is no room for it. */
  mark(name: string): Promise<void>;
  /** Makes a named state the present one. The name stays. Throws `not_found` when it is lost. */
  goBack(name: string): Promise<void>;
  /** Forgets a named state, if there is one. */
  unmark(name: string): Promise<void>;
  close(): void;
}

/** All displays of one cell together, counted in displays of the largest size. */
const DISPLAYS_TOTAL = 4;
/** Text that is passed on as one: strings larger than this are costly to make and to move. */
const TEXT_BYTES = 1 << 16;
/** After this an answer is most likely not to come soon, so what is printed is sent on as it comes. */
const WATCH_AFTER_MS = 60;
/** However little is left, code that has got its answers can do something with them. */
const CLOCK_MS_MIN = 500;
/** Time that an interrupted cell has to end by itself. */
const INTERRUPT_GRACE_MS = 700;
/** Time that a checkpoint has to take over, on a machine that is busy with others. */
const TAKE_OVER_MS = 5000;
/** Time that a named state has to be copied, or to be the present one; a fork takes seconds beside many others. */
const COPY_MS = 15_000;
/** Time that a fresh interpreter has to report. */
const RESTART_MS = 10_000;

const MIB = 2 ** 20;
const nothing = new Uint8Array(0);

export function createSession(
  channel: Socket,
  keeper: Keeper,
  token: Buffer,
  limits: SessionLimits,
): Session {
  const checksChannel = !limits.without.includes("channel-checks");
  const quota = createWordQuota();
  const reader = new FrameReader(
    checksChannel
      ? {
          headerBytes: 1 << 20,
          payloadBytes: Math.max(limits.displayBytes * 2, limits.outputBytes + 4096),
          inParts: isOutput,
        }
      : { headerBytes: Infinity, payloadBytes: Infinity },
    token,
  );
  const parse = createFrameParser(!limits.without.includes("output-checks"));
  let alive = true;
  let cellsDone = 0;
  let number = 0;
  /** See CellsSoFar. Told from what the server itself has seen, never from numbers that code can change. */
  let base = 0;
  let standing = 0;
  /** What the last cell that was done had begun on. */
  let doneBase = 0;
  /** Where each named state stands. */
  const marks = new Map<string, number>();
  let cell: Cell | null = null;
  let phaseTimer: NodeJS.Timeout | undefined;
  let watchTimer: NodeJS.Timeout | undefined;
  let watching = false;
  let awaitingFresh = false;
  /** The session is between two interpreters; no cell is sent until it has one again. */
  let recovering: PromiseWithResolvers<void> | null = null;
  /** The session copies itself. */
  let marking: PromiseWithResolvers<void> | null = null;
  /** A named state is becoming the present one. */
  let goingBack: PromiseWithResolvers<void> | null = null;
  /** The keeper has carried out the last interrupt, which must not reach the next cell. */
  let interruptDone: Promise<unknown> = Promise.resolve();
  /** A checkpoint took over between two cells, and the keeper has not yet told why. */
  let restoredEarly = false;
  /** The last cell that was reported as done and has left a checkpoint of its own. */
  let lastDone = 0;
  /** What the next answer has to say of what happened since the last one. */
  let newsBetween: string | null = null;
  let readyResolve: () => void = () => {};
  let readyReject: (error: Error) => void = () => {};
  const ready = new Promise<void>((resolve, reject) => {
    readyResolve = resolve;
    readyReject = reject;
  });
  ready.catch(() => {});

  keeper.onEvent = onKeeperEvent;
  channel.on("data", (chunk: Buffer) => {
    try {
      const frames = reader.read(chunk);
      const begun = frames.filter(({ start }) => start === 0).length;
      if (!awaitingFresh && checksChannel) quota.count(begun, chunk.length);
      for (const frame of frames) onKernelEvent(parse(frame));
    } catch {
      // Hostile bytes: whatever they broke, it is this session's end and nobody else's.
      onNonsense();
    }
  });
  channel.on("error", () => {});
  channel.on("close", () => end("The container has ended."));

  return {
    ready,
    get alive() {
      return alive;
    },
    get cells() {
      return { last: number, base, standing };
    },
    run,
    park() {
      if (cell === null && recovering === null && cellsDone > 0) sendFrame({ park: true }, nothing);
    },
    mark,
    goBack,
    async unmark(name) {
      marks.delete(name);
      await keeper.request("unmark", { name });
    },
    close() {
      end("The container was closed.");
    },
  };

  async function mark(name: string): Promise<void> {
    await settled();
    marking = Promise.withResolvers();
    const timer = setTimeout(() => marking?.reject(new Error("no answer")), COPY_MS);
    try {
      sendFrame({ mark: true }, nothing);
      await marking.promise;
    } catch (cause) {
      throw new GatewayError("conflict", "The session could not be copied just now.", { cause });
    } finally {
      clearTimeout(timer);
      marking = null;
    }
    await keeper.request("mark", { name });
    marks.set(name, standing);
  }

  async function goBack(name: string): Promise<void> {
    await settled();
    const back = Promise.withResolvers<void>();
    goingBack = back;
    recovering ??= Promise.withResolvers();
    try {
      await keeper.request("go_back", { name });
      const late = setTimeout(() => back.reject(new Error("no answer")), COPY_MS);
      await back.promise.finally(() => clearTimeout(late));
      // There is a state to go back to again, and nothing of what came after it to tell.
      cellsDone = Math.max(cellsDone, 1);
      standing = marks.get(name) ?? 0;
      lastDone = 0;
      newsBetween = null;
      goingBack = null;
      endRecovery();
    } catch (error) {
      goingBack = null;
      // Before anything was ended the keeper says that there is no such state; after that nobody is left.
      if (error instanceof GatewayError && error.code === "not_found") endRecovery();
      else restart();
      throw error;
    }
  }

  async function settled(): Promise<void> {
    await interruptDone;
    for (let wait = recovering; wait !== null; wait = recovering) await wait.promise;
    if (!alive) throw containerGone(newsBetween ?? "The container has ended.");
  }

  async function* run(
    options: CellOptions,
    signal: AbortSignal,
  ): AsyncGenerator<ExecutionEvent, void> {
    await settled();
    const queue: ExecutionEvent[] = [];
    let wake: (() => void) | null = null;
    let finished: DoneEvent | null = null;
    let abandoned = false;
    const push = (event: ExecutionEvent) => {
      if (!abandoned) queue.push(event);
      wake?.();
    };
    const started = begin(options, push, (event) => {
      if (event.type === "done") finished = event;
      wake?.();
    });
    const onAbort = () => stop("abandoned");
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (;;) {
        while (queue.length > 0) yield queue.shift()!;
        if (finished !== null) break;
        await somethingNew();
      }
      if (started.done?.hasFiles && alive) yield* collect(started, finished);
      yield finished;
    } finally {
      signal.removeEventListener("abort", onAbort);
      // A consumer that leaves early: the next cell may only come when this one has ended.
      abandoned = true;
      queue.length = 0;
      if (finished === null) stop("abandoned");
      for (let done = finished; done === null; done = finished) await somethingNew();
      started.share.close();
    }

    async function somethingNew(): Promise<void> {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = null;
    }
  }

  function begin(options: CellOptions, emit: Cell["emit"], finish: Cell["finish"]): Cell {
    number += 1;
    base = standing;
    const started: Cell = {
      number,
      options,
      emit,
      finish,
      startedAt: performance.now(),
      calls: createCalls(options.functions ?? [], limits.calls, (id, { outcome, text }) => {
        sendFrame({ call: id, outcome }, Buffer.from(text));
        if (started.calls.open === 0) resumeClock(started);
      }),
      leftMs: options.timeoutMs,
      clockFrom: performance.now(),
      waitedMs: 0,
      seen: [0, 0],
      decoders: [new StringDecoder("utf8"), new StringDecoder("utf8")],
      displays: 0,
      truncated: false,
      cut: [false, false],
      error: null,
      variables: [],
      variablesBefore: [],
      stop: null,
      interrupted: false,
      killed: false,
      displayBytes: 0,
      kept: false,
      done: null,
      death: null,
      restored: false,
      memoryBytes: 0,
      fatalError: "",
      share: limits.room.open(),
    };
    cell = started;
    quota.beginCell();
    // The death that belongs to it came before, or belongs to this cell now.
    started.restored = restoredEarly;
    restoredEarly = false;
    const tools = options.functions?.map(({ name, functionName, doc, parameters }) => {
      return { name, function: functionName, doc, parameters };
    });
    sendFrame(
      tools === undefined ? { n: number } : { n: number, tools },
      Buffer.from(options.code),
    );
    setPhase(options.timeoutMs, () => stop("timeout"));
    watchSoon(started);
    return started;
  }

  function sendFrame(header: object, payload: Uint8Array): void {
    if (alive) channel.write(Buffer.concat([token, encodeFrame(header, payload)]));
  }

  function watchSoon(watched: Cell): void {
    watchTimer = setTimeout(() => {
      watching = true;
      keeper.tell("watch", { live: watched.options.live, cell: watched.number });
    }, WATCH_AFTER_MS);
  }

  function watchNoMore(): void {
    clearTimeout(watchTimer);
    if (watching) keeper.tell("rest");
    watching = false;
  }

  /** The code waits for somebody outside, for minutes perhaps: its time limit does not. */
  function pauseClock(waiting: Cell): void {
    if (waiting.stop !== null || waiting.death !== null || waiting.clockFrom === 0) return;
    setPhase(0, null);
    watchNoMore();
    waiting.leftMs -= performance.now() - waiting.clockFrom;
    waiting.clockFrom = 0;
    waiting.waitedMs -= performance.now();
  }

  function resumeClock(waiting: Cell): void {
    if (cell !== waiting || waiting.clockFrom !== 0) return;
    waiting.waitedMs += performance.now();
    waiting.clockFrom = performance.now();
    if (waiting.stop !== null || waiting.death !== null) return;
    setPhase(Math.max(waiting.leftMs, CLOCK_MS_MIN), () => stop("timeout"));
    watchSoon(waiting);
  }

  /** First the soft way, then the hard one, then the last one. */
  function stop(reason: StopReason): void {
    if (cell === null || cell.stop !== null || cell.done !== null) return;
    cell.stop = reason;
    cell.interrupted = true;
    interruptDone = keeper.request("interrupt").catch(() => {});
    setPhase(INTERRUPT_GRACE_MS, () => {
      if (cell !== null) cell.killed = true;
      keeper.tell("stack");
      if (cellsDone === 0) {
        restart();
        return;
      }
      keeper.tell("kill");
      setPhase(TAKE_OVER_MS, restart);
    });
  }

  function onKernelEvent(event: KernelEvent): void {
    switch (event.type) {
      case "ready":
        if (awaitingFresh) {
          awaitingFresh = false;
          standing = 0;
          finishAfterDeath(cellsDone > 0);
        } else readyResolve();
        return;
      case "restored":
        onRestored(event.number, event.variables);
        return;
      case "marked":
        if (event.isDone) marking?.resolve();
        else marking?.reject(new Error("no process is left"));
        return;
      case "stream":
        onOutput(event.stream, event.offset, event.data);
        return;
      case "display":
        onDisplay(event);
        return;
      case "error":
        if (cell === null) return;
        cell.error = {
          name: event.name,
          message: event.message,
          traceback: event.traceback,
          line: event.line,
        };
        cell.variables = event.variables;
        return;
      case "calls":
        onCalls(event);
        return;
      case "done":
        onDone(event);
    }
  }

  function onCalls(event: Extract<KernelEvent, { type: "calls" }>): void {
    if (cell === null || event.number !== cell.number || cell.done !== null) return;
    const calls = cell.calls.take(event.calls);
    if (calls.length === 0) return;
    pauseClock(cell);
    cell.emit({ type: "calls", calls });
  }

  function onRestored(lastCell: number, variables: string[]): void {
    if (awaitingFresh) return;
    if (goingBack !== null) {
      goingBack.resolve();
      return;
    }
    if (cell === null) {
      const isEarlier = lastCell < lastDone;
      newsBetween = isEarlier ? KEPT_EARLIER : ENDED_BETWEEN;
      if (isEarlier) standing = doneBase;
      // The keeper's word that the old one died may be still to come.
      if (recovering === null) restoredEarly = true;
      else {
        setPhase(0, null);
        endRecovery();
      }
      return;
    }
    cell.restored = true;
    // The main line made this copy after its word that the cell was done.
    if (lastCell >= cell.number && cell.done !== null) {
      cell.kept = true;
      standing = cell.number;
    } else {
      cell.variablesBefore = variables;
      // The one before it had left no copy yet.
      if (lastCell < lastDone) standing = doneBase;
    }
    if (cell.death !== null) finishAfterDeath(false);
  }

  function endRecovery(): void {
    recovering?.resolve();
    recovering = null;
  }

  function onDone(event: Extract<KernelEvent, { type: "done" }>): void {
    if (cell === null || event.number !== cell.number || cell.done !== null) return;
    cell.done = event;
    if (event.rollback || cell.killed || cell.death !== null) {
      // The main line ends now; its end or the checkpoint's word finishes the cell.
      setPhase(TAKE_OVER_MS, restart);
      return;
    }
    cellsDone += 1;
    standing = cell.number;
    if (!event.same) {
      lastDone = cell.number;
      doneBase = base;
    }
    finish(toStatus(cell, event), null);
  }

  function onOutput(stream: 1 | 2, offset: number, data: Buffer): void {
    if (cell === null) return;
    const index = stream - 1;
    const skip = Math.max(0, cell.seen[index]! - offset);
    if (skip >= data.length) return;
    const room = limits.outputBytes - cell.seen[index]!;
    let fresh = data.subarray(skip);
    if (fresh.length > room) {
      fresh = fresh.subarray(0, Math.max(0, room));
      cell.truncated = true;
    }
    cell.seen[index] = offset + skip + fresh.length;
    // A stream that had to be cut stays so, for what follows a gap is misleading.
    const taken = cell.cut[index] ? 0 : cell.share.take(fresh.length);
    cell.cut[index] ||= taken < fresh.length;
    cell.truncated ||= cell.cut[index];
    // Of stderr a crash's report is found in one piece.
    const piece = stream === 1 ? TEXT_BYTES : fresh.length;
    for (let start = 0; start < taken; start += piece) {
      const text = cell.decoders[index]!.write(
        fresh.subarray(start, Math.min(start + piece, taken)),
      );
      emitText(cell, index, text);
    }
  }

  function onDisplay(event: Extract<KernelEvent, { type: "display" }>): void {
    if (cell === null) return;
    cell.displays += 1;
    const size = Object.values(event.data).reduce((sum, part) => sum + part.length, 0);
    if (
      cell.displays > limits.displayCount ||
      size > limits.displayBytes * 1.4 ||
      cell.displayBytes + size > limits.displayBytes * DISPLAYS_TOTAL ||
      !cell.share.takeWhole(size)
    ) {
      cell.truncated = true;
      return;
    }
    cell.displayBytes += size;
    cell.emit({
      type: "output",
      output: { type: event.kind, data: event.data, metadata: event.metadata },
    });
  }

  function onKeeperEvent(event: KeeperEvent): void {
    switch (event.type) {
      case "tail":
        // What a cell that has ended printed may arrive after the next one has begun.
        if (event.cell === cell?.number) onOutput(event.stream, event.offset, event.data);
        return;
      case "memory":
        if (cell !== null) {
          cell.stop ??= "memory";
          // The keeper asks for the stack and kills.
          cell.killed = true;
          cell.memoryBytes = event.bytes;
        }
        return;
      case "died":
        onDeath(event);
        return;
      case "command-output":
      case "command-done":
        return;
      case "failed":
        end(`The container could not be made: ${event.message}`);
        return;
      case "closed":
        end("The container has ended.");
    }
  }

  function onDeath(death: Death): void {
    if (awaitingFresh || goingBack !== null) return;
    if (cell === null) {
      // A background thread ended the interpreter between two cells.
      if (restoredEarly) {
        restoredEarly = false;
        return;
      }
      recovering ??= Promise.withResolvers();
      if (cellsDone === 0 || death.alone) restart();
      else setPhase(TAKE_OVER_MS, restart);
      return;
    }
    cell.death = death;
    // The checkpoint's word and the keeper's come over two channels, in any order.
    if (cell.restored) finishAfterDeath(false);
    else if (cellsDone === 0 || death.alone) restart();
    else setPhase(TAKE_OVER_MS, restart);
  }

  function onNonsense(): void {
    if (cell !== null) cell.stop = "nonsense";
    restart();
  }

  function restart(): void {
    if (!alive || awaitingFresh) return;
    awaitingFresh = true;
    recovering ??= Promise.withResolvers();
    reader.lose();
    setPhase(RESTART_MS, () => end("The container did not come back."));
    keeper
      .request("restart", { cell: cell?.number ?? 0 })
      .catch(() => end("The container has ended."));
  }

  /** The cell's process is gone, and the session stands where it was before, or anew. */
  function finishAfterDeath(memoryLost: boolean): void {
    const lost = memoryLost ? LOST : KEPT;
    if (memoryLost) cellsDone = 0;
    endRecovery();
    if (cell === null) {
      setPhase(0, null);
      if (memoryLost) newsBetween = LOST_BETWEEN;
      return;
    }
    if (cell.done !== null) {
      finish(toStatus(cell, cell.done), cell.kept && !memoryLost ? ENDED_BETWEEN : lost);
      return;
    }
    const { status, error } = explainDeath(cell, limits.memoryMb);
    cell.error = error;
    finish(status, lost);
  }

  function finish(status: ExecutionStatus, notice: string | null): void {
    const ended = cell!;
    for (const [index, decoder] of ended.decoders.entries()) {
      const text = decoder.end();
      emitText(ended, index, text);
    }
    const report = shortenFatalError(ended.fatalError);
    // Of a cell that was ended from outside the traceback shows the stack.
    if (report !== "" && !ended.killed) ended.emit({ type: "stderr", text: report });
    setPhase(0, null);
    watchNoMore();
    ended.calls.close();
    if (ended.clockFrom === 0) ended.waitedMs += performance.now();
    cell = null;
    quota.endCell();
    const { done } = ended;
    const peak = Math.max(
      done?.peakBytes ?? 0,
      ended.memoryBytes,
      // The kernel kills when all of it is taken.
      ended.death?.memory ? limits.memoryMb * MIB : 0,
    );
    ended.finish({
      type: "done",
      status,
      error: withState(ended, status, peak, limits.memoryMb),
      return_code:
        status === "ok" ? 0 : done?.code || (ended.death?.signal ? 128 + ended.death.signal : 1),
      usage: {
        wall_ms: Math.round((performance.now() - ended.startedAt - ended.waitedMs) * 1000) / 1000,
        cpu_ms: done?.cpuMs ?? 0,
        peak_memory_bytes: peak,
      },
      truncated: ended.truncated || (done?.truncated ?? false),
      notice:
        [newsBetween, notice ?? (ended.interrupted && status !== "ok" ? STILL_THERE : null)]
          .filter((sentence) => sentence !== null)
          .join(" ") || null,
    });
    newsBetween = null;
  }

  async function* collect(ended: Cell, finished: DoneEvent): AsyncGenerator<ExecutionEvent> {
    const folder = String(ended.number).padStart(6, "0");
    try {
      const shown = ended.done?.shownFiles ?? [];
      const { files, refused } = await collectFiles(keeper, folder, limits, shown);
      if (refused !== null) finished.notice = [finished.notice, refused].filter(Boolean).join(" ");
      for (const file of files) yield { type: "file", file };
    } catch {
      // The container ended meanwhile: its files went with it, and the next call says so.
    }
  }

  function setPhase(ms: number, next: (() => void) | null): void {
    clearTimeout(phaseTimer);
    phaseTimer = next === null ? undefined : setTimeout(next, ms);
  }

  function end(message: string): void {
    if (!alive) return;
    alive = false;
    endRecovery();
    channel.destroy();
    keeper.close();
    readyReject(new GatewayError("internal", message));
    if (cell === null) {
      setPhase(0, null);
      return;
    }
    cell.error = { name: "ContainerEnded", message, traceback: message, line: null };
    finish(
      "killed",
      "The container's sandbox ended with this call: its variables are gone. What had been kept of its files comes back with the next call.",
    );
  }
}

const KEPT =
  "The session is back where it was before this call: its variables are kept, this call's are not. Files that were written stay.";
const LOST =
  "The interpreter had to be started anew: all variables are gone. Files that were written stay.";
const ENDED_BETWEEN =
  "The interpreter ended after the call before this one and was brought back with its variables; threads and processes that it had left running are gone.";
const KEPT_EARLIER =
  "The interpreter ended after the call before this one: memory is back where it was before that call. Files that were written stay.";
const LOST_BETWEEN =
  "The interpreter ended after the call before this one and had to be started anew: all variables from before are gone. Files that were written stay.";
const STILL_THERE =
  "The code was stopped; the session's variables are still there, with what the code had changed until then.";
