/**
 * The server's side of a keeper, the trusted first process of a container (`python/kernel/keeper.py`).
 *
 * Requests carry an id and are answered in order; the keeper also reports what happens by itself. A
 * keeper that does not answer in time is taken for dead and its connection closed, which ends the
 * container.
 */
import type { Socket } from "node:net";
import { z } from "zod";

import { GatewayError, type ErrorCode } from "../errors.ts";
import { encodeFrame, FrameReader, type Frame } from "../kernel/channel.ts";
import { containerGone } from "./container-gone.ts";

/** What a shell command says of itself; `number` is the one it was started with. */
export type CommandEvent =
  | { type: "command-output"; number: number; stream: 1 | 2; data: Buffer }
  | {
      type: "command-done";
      number: number;
      signal: number;
      code: number;
      cpuMs: number;
      peakBytes: number;
      /** The kernel killed for want of memory. */
      memory: boolean;
      /** It wrote more than the limit, and was killed for that. */
      overflow: boolean;
      hasFiles: boolean;
    };

export type KeeperEvent =
  /** `alone`: no process is left that could take over. */
  | { type: "died"; signal: number; code: number; memory: boolean; alone: boolean }
  | { type: "memory"; bytes: number }
  | { type: "failed"; message: string }
  | CommandEvent
  | { type: "tail"; cell: number; stream: 1 | 2; offset: number; data: Buffer }
  | { type: "closed" };

export interface Keeper {
  request(
    operation: string,
    fields?: object,
    payload?: Uint8Array,
  ): Promise<{ fields: Record<string, unknown>; payload: Buffer }>;
  /** Sends a request whose answer nobody needs. */
  tell(operation: string, fields?: object): void;
  onEvent: (event: KeeperEvent) => void;
  /** Hears of commands, of want of memory and of the end, beside `onEvent`; null while none runs. */
  onCommandEvent: ((event: KeeperEvent) => void) | null;
  close(): void;
}

const ANSWER_MS_MAX = 60_000;
const REQUESTS_MAX = 256;

const reports = z.discriminatedUnion("ev", [
  z.object({
    ev: z.literal("died"),
    signal: z.number(),
    code: z.number(),
    memory: z.boolean(),
    alone: z.boolean(),
  }),
  z.object({ ev: z.literal("memory"), bytes: z.number() }),
  z.object({ ev: z.literal("failed"), message: z.string() }),
  z.object({
    ev: z.literal("tail"),
    cell: z.number(),
    s: z.union([z.literal(1), z.literal(2)]),
    o: z.number(),
  }),
  z.object({
    ev: z.literal("command_output"),
    n: z.number(),
    s: z.union([z.literal(1), z.literal(2)]),
  }),
  z.object({
    ev: z.literal("command_done"),
    n: z.number(),
    signal: z.number(),
    code: z.number(),
    cpu: z.number(),
    peak: z.number(),
    memory: z.boolean(),
    overflow: z.boolean(),
    files: z.boolean(),
  }),
]);
const answers = z.looseObject({
  re: z.number(),
  refused: z.string().optional(),
  message: z.string().optional(),
});

const REFUSALS: Record<string, ErrorCode> = {
  not_found: "not_found",
  invalid: "invalid_request",
  too_large: "request_too_large",
  no_space: "request_too_large",
  no_process: "conflict",
  changed: "conflict",
};

interface Waiting {
  resolve: (answer: { fields: Record<string, unknown>; payload: Buffer }) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

export function createKeeper(socket: Socket, payloadBytesMax: number): Keeper {
  const reader = new FrameReader({ headerBytes: 8 << 20, payloadBytes: payloadBytesMax });
  const waiting = new Map<number, Waiting>();
  let nextId = 1;
  let closed = false;

  const keeper: Keeper = {
    onEvent: () => {},
    onCommandEvent: null,
    request(operation, fields = {}, payload) {
      const id = nextId++;
      return new Promise((resolve, reject) => {
        if (closed || waiting.size >= REQUESTS_MAX) {
          reject(containerGone("The container has ended."));
          return;
        }
        const timer = setTimeout(() => {
          socket.destroy(new Error(`the keeper did not answer "${operation}"`));
        }, ANSWER_MS_MAX);
        waiting.set(id, { resolve, reject, timer });
        socket.write(encodeFrame({ id, op: operation, ...fields }, payload));
      });
    },
    tell(operation, fields = {}) {
      // The answer matters to nobody, and a keeper that is gone is reported by its own event.
      keeper.request(operation, fields).catch(() => {});
    },
    close() {
      socket.destroy();
    },
  };

  socket.on("data", (chunk: Buffer) => {
    try {
      for (const frame of reader.read(chunk)) handle(frame);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
    for (const { reject, timer } of waiting.values()) {
      clearTimeout(timer);
      reject(containerGone("The container has ended."));
    }
    waiting.clear();
    dispatch({ type: "closed" });
  });
  return keeper;

  function dispatch(event: KeeperEvent): void {
    keeper.onCommandEvent?.(event);
    keeper.onEvent(event);
  }

  function handle(frame: Frame): void {
    const answer = answers.safeParse(frame.header);
    if (!answer.success) {
      dispatch(toEvent(frame));
      return;
    }
    const { re, refused, message, ...fields } = answer.data;
    const entry = waiting.get(re);
    if (entry === undefined) return;
    waiting.delete(re);
    clearTimeout(entry.timer);
    if (refused === undefined) entry.resolve({ fields, payload: frame.payload });
    else
      entry.reject(
        new GatewayError(REFUSALS[refused] ?? "internal", message ?? "The keeper refused."),
      );
  }
}

function toEvent(frame: Frame): KeeperEvent {
  const report = reports.parse(frame.header);
  switch (report.ev) {
    case "died": {
      const { signal, code, memory, alone } = report;
      return { type: "died", signal, code, memory, alone };
    }
    case "memory":
      return { type: "memory", bytes: report.bytes };
    case "failed":
      return { type: "failed", message: report.message };
    case "command_output":
      return { type: "command-output", number: report.n, stream: report.s, data: frame.payload };
    case "command_done":
      return {
        type: "command-done",
        number: report.n,
        signal: report.signal,
        code: report.code,
        cpuMs: report.cpu,
        peakBytes: report.peak,
        memory: report.memory,
        overflow: report.overflow,
        hasFiles: report.files,
      };
    case "tail":
      return {
        type: "tail",
        cell: report.cell,
        stream: report.s,
        offset: report.o,
        data: frame.payload,
      };
  }
}
