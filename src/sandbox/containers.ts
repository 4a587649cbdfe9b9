/**
 * Containers by id: made on demand from the pool, queued one call at a time, ended when idle too long or
 * too old.
 *
 * When the bound on live containers is reached, the one that has been idle longest makes room, as long
 * as it has been idle for a minute; otherwise the caller is told to come back. A container that nobody has
 * used for `parkSeconds` is parked: it makes do with less memory, and the next call wakes it.
 */
import { randomBytes } from "node:crypto";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { runCommand } from "./command.ts";
import type { Keeper } from "./keeper.ts";
import type { Pool, Sandbox } from "./pool.ts";
import type {
  Container,
  Containers,
  ExecuteOptions,
  ExecutionEvent,
  Place,
  WorkspaceFile,
} from "./sandbox.ts";
import type { Session, SessionLimits } from "./session.ts";

const SWEEP_MS = 15_000;
const EVICT_AFTER_IDLE_MS = 60_000;

interface Entry {
  id: string;
  createdAt: Date;
  lastUsedMs: number;
  keeper: Keeper;
  session: Session;
  /** The end of the call that runs or waits last; calls queue behind it. */
  tail: Promise<void>;
  waiting: number;
  /** It was told to make do with less since it was used last. */
  parked: boolean;
  /** Shell commands so far. */
  commands: number;
  /** Ends the execution that waits for answers to its calls; null while there is none. */
  dismiss: (() => Promise<void>) | null;
  container: Container;
}

export function createContainers(
  pool: Pool,
  config: Config,
  limits: SessionLimits,
  now: () => number = Date.now,
): Containers {
  const entries = new Map<string, Entry>();
  const idleMs = config.containerIdleMinutes * 60_000;
  const lifeMs = config.containerDays * 86_400_000;
  const parkMs = config.parkSeconds * 1000;
  const sweeper = setInterval(sweep, Math.min(SWEEP_MS, parkMs));
  sweeper.unref();

  return {
    async create() {
      sweep();
      if (entries.size >= config.containers) makeRoom();
      const sandbox = await pool.take();
      return add(sandbox).container;
    },
    async get(id) {
      return find(id).container;
    },
    list() {
      sweep();
      return [...entries.values()].map((entry) => entry.container);
    },
    async delete(id) {
      remove(find(id));
    },
    async close() {
      clearInterval(sweeper);
      for (const entry of entries.values()) remove(entry);
      await pool.close();
    },
  };

  function add({ keeper, session }: Sandbox): Entry {
    const id = `container_01${randomBytes(12).toString("base64url").replaceAll(/[-_]/g, "x")}${randomBytes(5).toString("hex")}`;
    const entry: Entry = {
      id,
      createdAt: new Date(now()),
      lastUsedMs: now(),
      keeper,
      session,
      tail: Promise.resolve(),
      waiting: 0,
      parked: false,
      commands: 0,
      dismiss: null,
      container: {
        id,
        get createdAt() {
          return entry.createdAt;
        },
        get expiresAt() {
          return new Date(entry.lastUsedMs + idleMs);
        },
        execute: (options, signal) => execute(entry, options, signal),
        writeFile: async (path, bytes) => void (await write(entry, "put", path, bytes)),
        readFile: async (path) =>
          (await entry.keeper.request("get", { path, max: config.uploadMb << 20 })).payload,
        listFiles: () => listFiles(entry),
        look: (path) => look(entry, path),
        edit: async (path, bytes) =>
          (await write(entry, "edit", path, bytes)).fields.existed === true,
      },
    };
    entries.set(id, entry);
    return entry;
  }

  async function* execute(
    entry: Entry,
    options: ExecuteOptions,
    signal: AbortSignal,
  ): AsyncGenerator<ExecutionEvent> {
    const release = await enter(entry, signal);
    entry.parked = false;
    try {
      if (options.language === "bash") {
        entry.commands += 1;
        yield* runCommand(entry.keeper, { ...options, number: entry.commands }, limits, signal);
      } else yield* runCell(entry, options, release, signal);
    } finally {
      entry.lastUsedMs = now();
      release();
      if (!entry.session.alive) remove(entry);
    }
  }

  async function* runCell(
    entry: Entry,
    options: ExecuteOptions,
    release: () => void,
    signal: AbortSignal,
  ): AsyncGenerator<ExecutionEvent> {
    const run = entry.session.run(options, signal);
    const dismiss = async () => {
      await run.return();
      release();
    };
    try {
      for await (const event of run) {
        if (event.type === "calls") entry.dismiss = dismiss;
        yield event;
        if (entry.dismiss === dismiss) entry.dismiss = null;
      }
    } finally {
      if (entry.dismiss === dismiss) entry.dismiss = null;
    }
  }

  /** Waits for the calls before this one. Resolves with what lets the next one in. */
  async function enter(entry: Entry, signal: AbortSignal): Promise<() => void> {
    if (entry.waiting > config.containerQueue) {
      throw new GatewayError(
        "rate_limit",
        `${config.containerQueue} calls wait for this container already.`,
        { retryAfterSeconds: 5 },
      );
    }
    const { dismiss } = entry;
    entry.dismiss = null;
    await dismiss?.();
    const before = entry.tail;
    let leave: () => void = () => {};
    entry.tail = new Promise((resolve) => {
      leave = resolve;
    });
    entry.waiting += 1;
    let isInside = true;
    const release = () => {
      if (isInside) entry.waiting -= 1;
      isInside = false;
      leave();
    };
    await before;
    if (signal.aborted || !entries.has(entry.id)) {
      release();
      signal.throwIfAborted();
      throw new GatewayError("not_found", gone(entry.id));
    }
    entry.lastUsedMs = now();
    return release;
  }

  async function write(
    entry: Entry,
    operation: "put" | "edit",
    path: string,
    bytes: Uint8Array,
  ): ReturnType<Keeper["request"]> {
    if (bytes.length > config.uploadMb << 20) {
      throw new GatewayError(
        "request_too_large",
        `A file may have ${config.uploadMb} MiB at most.`,
      );
    }
    entry.lastUsedMs = now();
    return await entry.keeper.request(operation, { path }, bytes);
  }

  async function look(entry: Entry, path: string): Promise<Place> {
    entry.lastUsedMs = now();
    const answer = await entry.keeper.request("look", { path, max: config.uploadMb << 20 });
    const entries = answer.fields.entries as [string, number][] | null;
    if (entries === null) return { type: "file", bytes: answer.payload };
    return {
      type: "folder",
      entries: entries.map(([name, size]) => ({ path: name, sizeBytes: size < 0 ? null : size })),
    };
  }

  async function listFiles(entry: Entry): Promise<WorkspaceFile[]> {
    const { fields } = await entry.keeper.request("list");
    const rows = fields.files as [string, number, number][];
    return rows.map(([path, sizeBytes, modifiedMs]) => ({ path, sizeBytes, modifiedMs }));
  }

  function find(id: string): Entry {
    const entry = entries.get(id);
    if (entry === undefined || !entry.session.alive || isExpired(entry)) {
      if (entry !== undefined) remove(entry);
      throw new GatewayError("not_found", gone(id));
    }
    entry.lastUsedMs = now();
    return entry;
  }

  function isExpired(entry: Entry): boolean {
    if (!isIdle(entry)) return false;
    return now() - entry.lastUsedMs > idleMs || now() - entry.createdAt.getTime() > lifeMs;
  }

  /** Code that waits for somebody outside keeps nobody busy. */
  function isIdle(entry: Entry): boolean {
    return entry.waiting === 0 || entry.dismiss !== null;
  }

  function sweep(): void {
    for (const entry of entries.values()) {
      if (isExpired(entry) || !entry.session.alive) remove(entry);
      else if (!entry.parked && entry.waiting === 0 && now() - entry.lastUsedMs >= parkMs) {
        entry.parked = true;
        entry.session.park();
      }
    }
  }

  function makeRoom(): void {
    const idle = [...entries.values()]
      .filter((entry) => isIdle(entry) && now() - entry.lastUsedMs >= EVICT_AFTER_IDLE_MS)
      .toSorted((one, other) => one.lastUsedMs - other.lastUsedMs);
    const oldest = idle[0];
    if (oldest === undefined) {
      throw new GatewayError(
        "overloaded",
        `All ${config.containers} containers are in use; delete one or raise CURTA_CONTAINERS.`,
        {
          retryAfterSeconds: 30,
        },
      );
    }
    remove(oldest);
  }

  function remove(entry: Entry): void {
    entries.delete(entry.id);
    entry.session.close();
  }
}

function gone(id: string): string {
  // Clients know an expired container by these first words.
  return `Container not found: \`${id.slice(0, 100)}\` has expired or never was. Leave \`container\` out to get a new one.`;
}
