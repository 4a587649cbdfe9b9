/** One set-up at a time for each cache folder. */
import { mkdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

import { readHolder, tryLock, type Lock } from "../store/file-lock.ts";

const RETRY_MS = 200;
const NAME = "setup";

/** Waits without end for the lock, or until `signal` aborts; `onWait` is called once when somebody has it. */
export async function acquireLock(
  folder: string,
  onWait: (holder: string) => void,
  signal: AbortSignal,
): Promise<Lock> {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted();
    const lock = tryLock(folder, NAME);
    if (lock) return lock;
    if (tries === 0) onWait(readHolder(folder, NAME));
    await delay(RETRY_MS, undefined, { signal });
  }
}
