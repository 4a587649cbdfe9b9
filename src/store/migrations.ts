/**
 * The steps that bring a database from any earlier version to the present one.
 *
 * Step n takes version n to n + 1; `PRAGMA user_version` holds the number. A published step is never
 * changed: a correction is a step of its own.
 */
import type { DatabaseSync } from "node:sqlite";

export const MIGRATIONS: readonly ((database: DatabaseSync) => void)[] = [createFiles];

/** Runs what is missing, each step in a transaction. Throws when the database is newer than this code. */
export function migrate(database: DatabaseSync): void {
  for (;;) {
    // The version is read inside the write lock, so that two servers never run one step twice.
    database.exec("BEGIN IMMEDIATE");
    try {
      const version = Number(database.prepare("PRAGMA user_version").get()?.user_version ?? 0);
      if (version > MIGRATIONS.length) {
        throw new Error(
          `The database has version ${version}, this release knows up to ${MIGRATIONS.length}; use a newer release or another data folder.`,
        );
      }
      const step = MIGRATIONS[version];
      if (step === undefined) {
        database.exec("COMMIT");
        return;
      }
      step(database);
      database.exec(`PRAGMA user_version = ${version + 1}`);
      database.exec("COMMIT");
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  }
}

function createFiles(database: DatabaseSync): void {
  // `position` orders files of the same millisecond and never comes back after a deletion, so that a
  // cursor stays valid.
  database.exec(`
    CREATE TABLE files (
      position INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      filename TEXT NOT NULL,
      mime_type TEXT NOT NULL,
      size_bytes INTEGER NOT NULL,
      downloadable INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER,
      bytes_removed INTEGER NOT NULL DEFAULT 0
    ) STRICT;
  `);
}
