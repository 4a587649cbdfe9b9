/** Opens the one SQLite database of a data folder, in its present version. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { GatewayError } from "../errors.ts";
import { migrate } from "./migrations.ts";

const BUSY_TIMEOUT_MS = 5000;
/** 32 MiB. The ledger has the log emptied long before, when no answer waits; see there. */
const LOG_PAGES_MAX = 8192;

export function openDatabase(dataFolder: string): DatabaseSync {
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(join(dataFolder, "curta.sqlite"), {
      timeout: BUSY_TIMEOUT_MS,
    });
    try {
      // A write-ahead log lets readers go on while one writes; NORMAL may lose the last records at a
      // power cut but never the database.
      database.exec(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON",
      );
      database.exec(`PRAGMA wal_autocheckpoint = ${LOG_PAGES_MAX}`);
      migrate(database);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (cause) {
    throw toStorageError(
      cause,
      `The database in ${dataFolder} cannot be opened: ${messageOf(cause)}`,
    );
  }
}

/** A full disk by its own name, whether the file system or SQLite met it; anything else as `internal`. */
export function toStorageError(cause: unknown, message: string): GatewayError {
  if (cause instanceof GatewayError) return cause;
  if (isDiskFull(cause)) {
    return new GatewayError(
      "storage_full",
      "The disk is full: nothing was stored, and what was there before is intact.",
      {
        cause,
      },
    );
  }
  return new GatewayError("internal", message, { cause });
}

const SQLITE_FULL = 13;

function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return code === "ENOSPC" || code === "EDQUOT" || errcode === SQLITE_FULL;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
