/**
 * Containers by id: made on demand from the pool, queued one call at a time, ended when idle too long or
 * too old.
 *
 * When the bound on live containers is reached, the one that has been idle longest makes room, as long
 * as it has been idle for a minute; otherwise the caller is told to come back. A container that nobody has
 * used for `parkSeconds` is parked: it makes do with less memory, and the next call wakes it.
 *
 * What outlives a sandbox is kept on disk (`keeping.ts`). A sandbox that ends (it made room, it or the zygote died,
 * the server was restarted or killed) takes the variables along. The container stays: its next call gets a fresh
 * sandbox under the same id, with the files, and is told so; or the cells are run again before it, where it asks.
 */
import { randomBytes } from "node:crypto";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { runCommand } from "./command.ts";
import { containerGone } from "./container-gone.ts";
import type { ContainerRecord } from "../store/kept-containers.ts";
import { createHistory } from "./history.ts";
import { watchCell } from "./journal.ts";
import type { Keeper } from "./keeper.ts";
import { createKeeping, type Keeping, type KeptStores } from "./keeping.ts";
import type { Pool, Sandbox } from "./pool.ts";
import type {
  Container,
  ContainerHistory,
  ContainerInfo,
  Containers,
  ExecuteOptions,
  ExecutionEvent,
  Place,
  WorkspaceFile,
} from "./sandbox.ts";
import type { SessionLimits } from "./session.ts";

const SWEEP_MS = 15_000;
const EVICT_AFTER_IDLE_MS = 60_000;
/** A server that ends waits so long for the files of the last calls. */
const LAST_KEEP_MS = 5000;
const WAKE_ATTEMPTS = 3;

interface Entry {
  id: string;
  createdAt: Date;
  lastUsedMs: number;
  /** Null until the first use of a container that an earlier server has left. */
  sandbox: Sandbox | null;
  /** A fresh sandbox is being made for it, or its interpreter rebuilt. */
  waking: Promise<Sandbox> | null;
  /** Null where containers end with their sandbox. */
  keeping: Keeping | null;
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
  kept: KeptStores | null,
  now: () => number = Date.now,
): Containers {
  const entries = new Map<string, Entry>();
  const idleMs = config.containerIdleMinutes * 60_000;
  const lifeMs = config.containerDays * 86_400_000;
  const parkMs = config.parkSeconds * 1000;
  const sweeper = setInterval(
    () => {
      sweep();
      // Not at every sweep: others wait for theirs, and this writes to the disk.
      for (const { keeping } of entries.values()) keeping?.touch();
    },
    Math.min(SWEEP_MS, parkMs),
  );
  sweeper.unref();

  return {
    async create() {
      // Whoever waits for a container waits for no look at the records on disk.
      sweepLive();
      if (entries.size >= config.containers) makeRoom();
      const sandbox = await pool.take();
      const id = `container_01${randomBytes(12).toString("base64url").replaceAll(/[-_]/g, "x")}${randomBytes(5).toString("hex")}`;
      const at = now();
      kept?.containers.add(id, at);
      return add(id, at, sandbox).container;
    },
    async get(id) {
      return find(id).container;
    },
    list() {
      sweep();
      const asleep = (kept?.containers.list() ?? []).filter(({ id }) => !entries.has(id));
      const live = [...entries.values()].map((entry) => entry.container);
      return [...live, ...asleep.map(toInfo)];
    },
    async delete(id) {
      remove(find(id));
    },
    async close() {
      clearInterval(sweeper);
      await keepTheLast();
      for (const entry of entries.values()) letGo(entry);
      await pool.close();
    },
  };

  function add(
    id: string,
    createdMs: number,
    sandbox: Sandbox | null,
    usedMs: number = createdMs,
  ): Entry {
    const entry: Entry = {
      id,
      createdAt: new Date(createdMs),
      lastUsedMs: usedMs,
      sandbox,
      waking: null,
      keeping: null,
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
        history: historyOf(() => entry),
        execute: (options, signal) => execute(entry, options, signal),
        writeFile: async (path, bytes) => void (await write(entry, "put", path, bytes)),
        readFile: async (path) =>
          (await request(entry, "get", { path, max: config.uploadMb << 20 })).payload,
        listFiles: () => listFiles(entry),
        look: (path) => look(entry, path),
        edit: async (path, bytes) =>
          (await write(entry, "edit", path, bytes)).fields.existed === true,
      },
    };
    if (kept !== null) {
      const { replaySeconds } = config;
      const present = () => (entries.get(id) === entry && isAlive(entry) ? entry.sandbox : null);
      const lastUsedMs = () => entry.lastUsedMs;
      entry.keeping = createKeeping(kept, { id, lastUsedMs, limits, replaySeconds, present });
    }
    entries.set(id, entry);
    return entry;
  }

  async function* execute(
    entry: Entry,
    options: ExecuteOptions,
    signal: AbortSignal,
  ): AsyncGenerator<ExecutionEvent> {
    const release = await enter(entry, signal);
    try {
      yield* executeInside(entry, options, release, signal);
    } finally {
      leave(entry, release);
    }
  }

  /** Of a call that has been let in. */
  async function* executeInside(
    entry: Entry,
    options: ExecuteOptions,
    release: () => void,
    signal: AbortSignal,
  ): AsyncGenerator<ExecutionEvent> {
    entry.parked = false;
    for await (const event of start(entry, options, release, signal)) {
      if (event.type !== "done") {
        yield event;
        continue;
      }
      const news = entry.keeping?.takeNews();
      yield { ...event, notice: [news, event.notice].filter(Boolean).join(" ") || null };
    }
  }

  function leave(entry: Entry, release: () => void): void {
    entry.lastUsedMs = now();
    entry.keeping?.soon();
    release();
    if (kept === null && !isAlive(entry)) remove(entry);
  }

  function historyOf(find: () => Entry): ContainerHistory {
    return createHistory({
      checkpointsMax: config.checkpoints,
      now,
      async inside(signal, work) {
        const entry = find();
        const release = await enter(entry, signal);
        try {
          const sandbox = await rebuiltSandboxOf(entry, undefined, signal);
          return await work(sandbox, (options, own) => executeInside(entry, options, release, own));
        } finally {
          leave(entry, release);
        }
      },
      moved() {
        const { keeping, sandbox } = find();
        if (sandbox !== null) keeping?.journal?.moveTo(sandbox.session.cells.standing);
      },
    });
  }

  async function* start(
    entry: Entry,
    options: ExecuteOptions,
    release: () => void,
    signal: AbortSignal,
  ): AsyncGenerator<ExecutionEvent> {
    const sandbox = await rebuiltSandboxOf(entry, options.replay, signal);
    if (options.language === "bash") {
      entry.commands += 1;
      yield* runCommand(sandbox.keeper, { ...options, number: entry.commands }, limits, signal);
      return;
    }
    try {
      yield* runCell(entry, sandbox, options, release, signal);
    } catch (error) {
      // It ended between the look at it and the call, so the code has not run: a fresh one runs it.
      const hasEnded = error instanceof GatewayError && error.code === "not_found";
      if (kept === null || !hasEnded || isAlive(entry)) throw error;
      const fresh = await rebuiltSandboxOf(entry, options.replay, signal);
      yield* runCell(entry, fresh, options, release, signal);
    }
  }

  async function* runCell(
    entry: Entry,
    { session }: Sandbox,
    options: ExecuteOptions,
    release: () => void,
    signal: AbortSignal,
  ): AsyncGenerator<ExecutionEvent> {
    const run = session.run(options, signal);
    const cell = watchCell(entry.keeping?.journal ?? null, session, options);
    const dismiss = async () => {
      await run.return();
      cell.end();
      release();
    };
    try {
      for await (const event of run) {
        cell.see(event);
        if (event.type === "calls") entry.dismiss = dismiss;
        yield event;
        if (entry.dismiss === dismiss) entry.dismiss = null;
      }
    } finally {
      if (entry.dismiss === dismiss) entry.dismiss = null;
      cell.end();
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
      throw gone(entry.id);
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
    try {
      return await request(entry, operation, { path }, bytes);
    } finally {
      entry.keeping?.soon();
    }
  }

  async function look(entry: Entry, path: string): Promise<Place> {
    entry.lastUsedMs = now();
    const answer = await request(entry, "look", { path, max: config.uploadMb << 20 });
    const entries = answer.fields.entries as [string, number][] | null;
    if (entries === null) return { type: "file", bytes: answer.payload };
    return {
      type: "folder",
      entries: entries.map(([name, size]) => ({ path: name, sizeBytes: size < 0 ? null : size })),
    };
  }

  async function listFiles(entry: Entry): Promise<WorkspaceFile[]> {
    const { fields } = await request(entry, "list");
    const rows = fields.files as [string, number, number][];
    return rows.map(([path, sizeBytes, modifiedMs]) => ({ path, sizeBytes, modifiedMs }));
  }

  async function request(
    entry: Entry,
    operation: string,
    fields?: object,
    payload?: Uint8Array,
  ): ReturnType<Keeper["request"]> {
    const { keeper } = await sandboxOf(entry);
    return await keeper.request(operation, fields, payload);
  }

  /** The container's sandbox, or a fresh one with its files when that has ended. */
  async function sandboxOf(entry: Entry): Promise<Sandbox> {
    if (entry.waking !== null) {
      await entry.waking.catch(() => {});
      return await sandboxOf(entry);
    }
    if (entry.sandbox?.session.alive === true) return entry.sandbox;
    const { keeping } = entry;
    if (keeping === null) {
      remove(entry);
      throw gone(entry.id);
    }
    return await whileWaking(entry, () => wake(entry, keeping));
  }

  /** The same, with the interpreter's state rebuilt where that is lost and somebody asks for it. */
  async function rebuiltSandboxOf(
    entry: Entry,
    asked: boolean | undefined,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    const sandbox = await sandboxOf(entry);
    const { keeping } = entry;
    const isAsked = asked ?? config.replay === "yes";
    if (!isAsked || keeping === null || !keeping.isBehind(sandbox)) return sandbox;
    return await whileWaking(entry, async () => {
      await keeping.rebuild(sandbox, signal);
      return sandbox.session.alive ? sandbox : await wake(entry, keeping);
    });
  }

  /** Whoever wants the sandbox meanwhile gets what comes of it. */
  function whileWaking(entry: Entry, work: () => Promise<Sandbox>): Promise<Sandbox> {
    entry.waking = work().finally(() => {
      entry.waking = null;
    });
    return entry.waking;
  }

  async function wake(entry: Entry, keeping: Keeping): Promise<Sandbox> {
    for (let attempt = 1; ; attempt += 1) {
      const sandbox = await pool.take();
      try {
        await keeping.bringBack(sandbox);
      } catch (error) {
        // The zygote has died, and this one, which was ready, with it.
        if (attempt < WAKE_ATTEMPTS && !sandbox.session.alive) continue;
        sandbox.session.close();
        throw error;
      }
      if (!entries.has(entry.id)) {
        sandbox.session.close();
        throw gone(entry.id);
      }
      entry.sandbox = sandbox;
      entry.parked = false;
      return sandbox;
    }
  }

  async function keepTheLast(): Promise<void> {
    const all = Promise.all([...entries.values()].map(async (entry) => entry.keeping?.settle()));
    const bound = Promise.withResolvers<void>();
    const timer = setTimeout(bound.resolve, LAST_KEEP_MS);
    await Promise.race([all, bound.promise]);
    clearTimeout(timer);
  }

  function find(id: string): Entry {
    const entry = entries.get(id) ?? findKept(id);
    if (entry === undefined || isExpired(entry) || (kept === null && !isAlive(entry))) {
      if (entry !== undefined) remove(entry);
      throw gone(id);
    }
    entry.lastUsedMs = now();
    return entry;
  }

  /** A container that has no sandbox, as it stands on disk. */
  function findKept(id: string): Entry | undefined {
    const record = kept?.containers.find(id);
    if (record === undefined) return undefined;
    if (entries.size >= config.containers) makeRoom();
    return add(id, record.createdAt, null, record.usedAt);
  }

  function isAlive(entry: Entry): boolean {
    return entry.sandbox?.session.alive === true;
  }

  function isExpired(entry: Entry): boolean {
    return isIdle(entry) && isOver(entry.createdAt.getTime(), entry.lastUsedMs);
  }

  function isOver(createdMs: number, usedMs: number): boolean {
    return now() - usedMs > idleMs || now() - createdMs > lifeMs;
  }

  function toInfo({ id, createdAt, usedAt }: ContainerRecord): ContainerInfo {
    return { id, createdAt: new Date(createdAt), expiresAt: new Date(usedAt + idleMs) };
  }

  /** Code that waits for somebody outside keeps nobody busy. */
  function isIdle(entry: Entry): boolean {
    return entry.waiting === 0 || entry.dismiss !== null;
  }

  function sweep(): void {
    sweepLive();
    sweepKept();
  }

  function sweepLive(): void {
    for (const entry of entries.values()) {
      if (isExpired(entry)) {
        remove(entry);
        continue;
      }
      if (!isAlive(entry)) {
        const isUnused = entry.waiting === 0 && entry.waking === null;
        // Whoever has just used it may be about to use it again.
        if (isUnused && (kept === null || now() - entry.lastUsedMs >= EVICT_AFTER_IDLE_MS)) {
          letGo(entry);
          continue;
        }
      } else if (!entry.parked && entry.waiting === 0 && now() - entry.lastUsedMs >= parkMs) {
        entry.parked = true;
        entry.sandbox?.session.park();
      }
    }
  }

  /** Forgets what has expired without a sandbox. */
  function sweepKept(): void {
    for (const { id, createdAt, usedAt } of kept?.containers.list() ?? []) {
      if (!entries.has(id) && isOver(createdAt, usedAt)) forget(id);
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
    letGo(oldest);
  }

  function remove(entry: Entry): void {
    letGo(entry);
    forget(entry.id);
  }

  /** Ends its sandbox. What is kept of it stays. */
  function letGo(entry: Entry): void {
    entry.keeping?.stop();
    entries.delete(entry.id);
    entry.sandbox?.session.close();
  }

  function forget(id: string): void {
    // Files that cannot be removed are in nobody's way: no record leads to them.
    kept?.containers.remove(id).catch(() => {});
  }
}

function gone(id: string): GatewayError {
  // Clients know an expired container by these first words.
  return containerGone(
    `Container not found: \`${id.slice(0, 100)}\` has expired or never was. Leave \`container\` out to get a new one, or make one with POST /v1/containers.`,
  );
}
