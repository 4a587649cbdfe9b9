/**
 * Keeps one container on disk, so that it outlives its sandbox, and brings it back into a fresh one.
 *
 * Kept are its last use, the files of its workspace and the journal of its cells. They are written half a second
 * after a call, while nobody waits; calls that follow meanwhile are served by the same look. A sandbox that ends
 * takes the variables along: the container's next call gets a fresh one with the files, and is told so. Where
 * somebody asks for it the cells of the journal are run again (`replay.ts`) before anything else sees that sandbox.
 */
import type { JournalStore } from "../store/journal.ts";
import type { KeptContainers } from "../store/kept-containers.ts";
import { createJournal, type Journal } from "./journal.ts";
import { bringFilesBack, keepFiles } from "./kept-files.ts";
import type { Sandbox } from "./pool.ts";
import { describeReplay, replay } from "./replay.ts";
import type { SessionLimits } from "./session.ts";

export interface Keeping {
  /** Null where no code is kept. */
  readonly journal: Journal | null;
  /** Something may have changed. */
  soon(): void;
  /** Resolves when everything that changed before is on disk, or could not be brought there. */
  settle(): Promise<void>;
  /** Writes its last use down, so that a server that is killed leaves it with the right age. */
  touch(): void;
  /** Fills a fresh sandbox with the files. */
  bringBack(sandbox: Sandbox): Promise<void>;
  isBehind(sandbox: Sandbox): boolean;
  /** Runs the journal's cells again. The caller lets nobody else use the sandbox meanwhile. */
  rebuild(sandbox: Sandbox, signal: AbortSignal): Promise<void>;
  /** What the next execution has to say of what happened since the last one, once. */
  takeNews(): string | null;
  /** The sandbox is let go. */
  stop(): void;
}

export interface KeptStores {
  containers: KeptContainers;
  journal: JournalStore | null;
}

export interface KeepingOptions {
  id: string;
  /** Its last use; at first as it stands on disk. */
  lastUsedMs: () => number;
  limits: SessionLimits;
  replaySeconds: number;
  /** The sandbox as long as it is the container's and lives. */
  present: () => Sandbox | null;
}

/** Calls that follow meanwhile are served by the same look at the files. */
const KEEP_AFTER_MS = 500;
const LOST_NAMED_MAX = 10;

export function createKeeping(
  { containers: store, journal: journalStore }: KeptStores,
  { id, lastUsedMs, limits, replaySeconds, present }: KeepingOptions,
): Keeping {
  const journal = journalStore === null ? null : createJournal(journalStore, id);
  let touchedMs = lastUsedMs();
  let timer: NodeJS.Timeout | null = null;
  /** The last look at the files that was begun. */
  let running: Promise<void> = Promise.resolve();
  /** The workspace is in the middle of being rebuilt. */
  let isRebuilding = false;
  let isStopped = false;
  let news: { interpreter: string; files: string } | null = null;

  return {
    journal,
    soon() {
      if (timer !== null || isStopped) return;
      timer = setTimeout(keep, KEEP_AFTER_MS);
      timer.unref();
    },
    settle,
    touch,
    async bringBack({ keeper }) {
      await running;
      const lost = await bringFilesBack(keeper, store, id);
      journal?.begin();
      const isWhole = lost.length === 0 && store.find(id)?.incomplete === false;
      news = { interpreter: STARTED_ANEW, files: isWhole ? "" : someLost(lost) };
    },
    isBehind: ({ session }) => journal?.isBehind(session.cells) === true,
    async rebuild(sandbox, signal) {
      if (journal === null) return;
      keep();
      await running;
      isRebuilding = true;
      try {
        const result = await replay(sandbox, journal, store, id, replaySeconds * 1000, signal);
        news = { files: "", ...news, interpreter: describeReplay(result, replaySeconds) };
      } finally {
        isRebuilding = false;
      }
    },
    takeNews() {
      const told = news === null ? null : [news.interpreter, news.files].filter(Boolean).join(" ");
      news = null;
      return told;
    },
    stop() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      isStopped = true;
      touch();
      journal?.write();
    },
  };

  function touch(): void {
    const usedMs = lastUsedMs();
    if (touchedMs === usedMs) return;
    try {
      store.touch(id, usedMs);
      touchedMs = usedMs;
    } catch {
      // A full disk: the last use is written down at the next look.
    }
  }

  async function settle(): Promise<void> {
    if (timer !== null) keep();
    await running;
  }

  function keep(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    touch();
    journal?.write();
    running = running.then(async () => {
      const sandbox = present();
      if (sandbox === null || isRebuilding) return;
      try {
        await keepFiles(sandbox, store, id, limits);
      } catch {
        // The container or the disk has failed; what was kept before is still there, and the next call tries again.
      }
    });
  }
}

const STARTED_ANEW =
  "The container's interpreter had to be started anew since the last call: all variables, imports and functions are gone; run again what you need. The files of /workspace are back.";

function someLost(paths: readonly string[]): string {
  const named = paths.slice(0, LOST_NAMED_MAX).join(", ");
  return `Some could not be kept${named === "" ? "" : `: ${named}`}; check with os.listdir before you rely on one.`;
}
