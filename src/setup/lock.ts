/**
 * One set-up at a time for each cache folder.
 *
 * The lock is an exclusive SQLite transaction, and so a lock of the kernel on an open file: it ends with
 * its process however that dies, also by kill -9, and there is never a stale one to take over. The file
 * beside it only says who holds it, for the sentence that a waiting start prints.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";

const RETRY_MS = 200;

export interface Lock {
  [Symbol.dispose](): void;
}

/** Waits without end for the lock, or until `signal` aborts; `onWait` is called once when somebody has it. */
export async function acquireLock(
  folder: string,
  onWait: (holder: string) => void,
  signal: AbortSignal,
): Promise<Lock> {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const holderFile = join(folder, "setup.pid");
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted();
    const lock = tryLock(join(folder, "setup.lock"));
    if (lock) {
      writeFileSync(holderFile, String(process.pid));
      return lock;
    }
    if (tries === 0) onWait(readHolder(holderFile));
    await delay(RETRY_MS, undefined, { signal });
  }
}

function tryLock(file: string): Lock | null {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    database.close();
    if (error instanceof Error && /locked|busy/i.test(error.message)) return null;
    throw error;
  }
}

function readHolder(file: string): string {
  try {
    return `process ${readFileSync(file, "utf8")}`;
  } catch {
    // The holder has the lock and not yet written its name.
    return "another process";
  }
}
