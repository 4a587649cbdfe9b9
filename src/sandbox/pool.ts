/**
 * Sandboxes kept ready, so that a new container costs nothing to wait for.
 *
 * The pool holds up to `size` sessions that have run nothing. Taking one starts the making of its
 * successor; with the pool empty, the caller waits for one made for it. At most MAKING_MAX are made at
 * once, so that a burst of new containers does not starve the cells that run. A zygote that dies is
 * replaced, after a pause that doubles while it keeps dying; containers that live go on living.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { GatewayError } from "../errors.ts";
import { createKeeper, type Keeper } from "./keeper.ts";
import { createSession, type Session, type SessionLimits } from "./session.ts";
import type { Zygote } from "./zygote.ts";

export interface Sandbox {
  keeper: Keeper;
  session: Session;
}

export interface Pool {
  /** A session that has run nothing. Throws `overloaded` when none can be made in time. */
  take(): Promise<Sandbox>;
  readonly ready: number;
  readonly controlGroups: Zygote["controlGroups"];
  readonly landlock: Zygote["landlock"];
  close(): Promise<void>;
}

export interface PoolOptions {
  size: number;
  limits: SessionLimits;
  transferBytesMax: number;
  startZygote(): Promise<Zygote>;
  warn(message: string): void;
}

const MAKING_MAX = 4;
/** By then the end of a zygote that refuses a connection is known. */
const DEATH_MS = 1000;
/** Callers wait so long for a zygote that takes the place of one that died. */
const SUCCESSOR_MS = 30_000;
const SHUTTING_DOWN = "The server is shutting down.";
const RESTART_PAUSE_MS = [200, 1000, 5000, 15_000, 60_000];

export async function createPool(options: PoolOptions): Promise<Pool> {
  let zygote: Promise<Zygote> = options.startZygote();
  let deaths = 0;
  const state = { closed: false };
  const closing = new AbortController();
  let making = 0;
  const waiting: (() => void)[] = [];
  const shelf: Sandbox[] = [];
  const first = await zygote;
  watch(first);
  refill();

  return {
    async take() {
      for (let sandbox = shelf.shift(); sandbox !== undefined; sandbox = shelf.shift()) {
        if (sandbox.session.alive) {
          refill();
          return sandbox;
        }
      }
      refill();
      return await make(false);
    },
    controlGroups: first.controlGroups,
    landlock: first.landlock,
    get ready() {
      return shelf.length;
    },
    async close() {
      state.closed = true;
      // A successor that has not begun to start is not waited for.
      closing.abort();
      for (const { session } of shelf) session.close();
      const process = await zygote.catch(() => null);
      await process?.close();
    },
  };

  /** `waits`: nobody is to have it at once, so that it has time to make things ready. */
  async function make(waits: boolean): Promise<Sandbox> {
    if (making >= MAKING_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
    making += 1;
    try {
      if (state.closed) throw new GatewayError("overloaded", SHUTTING_DOWN);
      const process = await living();
      try {
        return await makeFrom(process, waits);
      } catch (error) {
        // When the zygote died over it, its successor makes the container.
        const hasDied = await Promise.race([
          process.exited.then(() => true),
          wait(DEATH_MS, false),
        ]);
        if (!hasDied || state.closed) throw error;
        return await makeFrom(await living(), waits);
      }
    } finally {
      making -= 1;
      waiting.shift()?.();
    }
  }

  async function makeFrom(process: Zygote, waits: boolean): Promise<Sandbox> {
    const connection = await process.connect(randomUUID(), waits);
    const keeper = createKeeper(connection.keeper, options.transferBytesMax);
    const session = createSession(connection.channel, keeper, connection.token, options.limits);
    await session.ready;
    return { keeper, session };
  }

  /** The zygote, or its successor when that comes in time. */
  async function living(): Promise<Zygote> {
    const process = await Promise.race([zygote, wait(SUCCESSOR_MS, null)]).catch(
      (error: unknown) => {
        throw state.closed ? new GatewayError("overloaded", SHUTTING_DOWN) : error;
      },
    );
    if (process !== null) return process;
    throw new GatewayError("overloaded", "The sandbox is being started again.", {
      retryAfterSeconds: 5,
    });
  }

  function refill(): void {
    const missing = options.size - shelf.length - making;
    for (let count = 0; count < missing && !state.closed; count += 1) {
      make(true).then(
        (sandbox) => {
          if (state.closed || shelf.length >= options.size) sandbox.session.close();
          else shelf.push(sandbox);
        },
        (error: unknown) =>
          state.closed || options.warn(`a container could not be made ready: ${String(error)}`),
      );
    }
  }

  function watch(process: Zygote): void {
    void process.exited.then(async (sentence) => {
      if (state.closed) return;
      options.warn(`${sentence}; starting another`);
      zygote = restartAfterPause();
      try {
        watch(await zygote);
        deaths = 0;
        refill();
      } catch (error) {
        if (!state.closed) options.warn(`the sandbox cannot be started again: ${String(error)}`);
      }
    });
  }

  async function restartAfterPause(): Promise<Zygote> {
    for (;;) {
      const pause = RESTART_PAUSE_MS[Math.min(deaths, RESTART_PAUSE_MS.length - 1)]!;
      deaths += 1;
      await sleep(pause, undefined, { ref: false, signal: closing.signal });
      try {
        return await options.startZygote();
      } catch (error) {
        if (state.closed || deaths > 10) throw error;
        options.warn(String(error));
      }
    }
  }
}

function wait<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(resolve, ms, value).unref());
}
