/**
 * A lock between processes.
 *
 * It is an exclusive SQLite transaction, and so a lock of the kernel on an open file: it ends with its process
 * however that dies, also by kill -9, and there is never a stale one to take over. The file beside it only says
 * who holds it, for the sentence that somebody else prints.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface Lock {
  [Symbol.dispose](): void;
}

/** Null when another process has it. The folder has to be there. */
export function tryLock(folder: string, name: string): Lock | null {
  const database = new DatabaseSync(join(folder, `${name}.lock`), { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
    writeFileSync(join(folder, `${name}.pid`), String(process.pid));
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    database.close();
    if (error instanceof Error && /locked|busy/i.test(error.message)) return null;
    throw error;
  }
}

export function readHolder(folder: string, name: string): string {
  try {
    return `process ${readFileSync(join(folder, `${name}.pid`), "utf8")}`;
  } catch {
    // The holder has the lock and not yet written its name.
    return "another process";
  }
}
