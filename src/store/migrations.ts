/**
 * The steps that bring a database from any earlier version to the present one.
 *
 * Step n takes version n to n + 1; `PRAGMA user_version` holds the number. A published step is never
 * changed: a correction is a step of its own.
 */
import type { DatabaseSync } from "node:sqlite";

export const MIGRATIONS: readonly ((database: DatabaseSync) => void)[] = [
  createFiles,
  createLedger,
  createBatches,
  createContainers,
  createJournal,
  countBatchRequests,
];

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

function createLedger(database: DatabaseSync): void {
  // Rows are facts about what was answered: the database refuses to change or remove one.
  database.exec(`
    CREATE TABLE ledger (
      position INTEGER PRIMARY KEY AUTOINCREMENT,
      at INTEGER NOT NULL,
      id TEXT NOT NULL UNIQUE,
      kind TEXT NOT NULL CHECK (kind IN ('message', 'execution')),
      outcome TEXT NOT NULL CHECK (outcome IN ('whole', 'cut')),
      model TEXT NOT NULL,
      container TEXT NOT NULL,
      key TEXT NOT NULL,
      input_tokens INTEGER NOT NULL,
      cache_creation_input_tokens INTEGER NOT NULL,
      cache_read_input_tokens INTEGER NOT NULL,
      output_tokens INTEGER NOT NULL,
      web_search_requests INTEGER NOT NULL,
      web_fetch_requests INTEGER NOT NULL,
      executions INTEGER NOT NULL,
      code_tokens INTEGER NOT NULL,
      result_tokens INTEGER NOT NULL,
      image_tokens INTEGER NOT NULL,
      billed_input_tokens INTEGER NOT NULL,
      billed_output_tokens INTEGER NOT NULL,
      bytes_in INTEGER NOT NULL,
      bytes_out INTEGER NOT NULL,
      wall_ms REAL NOT NULL,
      cpu_ms REAL NOT NULL,
      peak_memory_bytes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX ledger_at ON ledger (at);
    CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger
      BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER ledger_is_never_shortened BEFORE DELETE ON ledger
      BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
  `);
}

function createBatches(database: DatabaseSync): void {
  // The index holds only what waits, so that finding the next request costs nothing after years of batches.
  database.exec(`
    CREATE TABLE batches (
      position INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      betas TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      ended_at INTEGER,
      cancel_initiated_at INTEGER
    ) STRICT;
    CREATE TABLE batch_requests (
      batch TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      custom_id TEXT NOT NULL,
      params TEXT NOT NULL,
      outcome TEXT NOT NULL DEFAULT 'processing'
        CHECK (outcome IN ('processing', 'succeeded', 'errored', 'canceled', 'expired')),
      result TEXT NOT NULL DEFAULT '',
      PRIMARY KEY (batch, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX batch_requests_processing ON batch_requests (batch) WHERE outcome = 'processing';
  `);
}

function createContainers(database: DatabaseSync): void {
  database.exec(`
    CREATE TABLE containers (
      id TEXT PRIMARY KEY,
      created_at INTEGER NOT NULL,
      used_at INTEGER NOT NULL,
      incomplete INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE container_files (
      container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
      path TEXT NOT NULL,
      stamp TEXT NOT NULL,
      size_bytes INTEGER NOT NULL,
      PRIMARY KEY (container, path)
    ) STRICT, WITHOUT ROWID;
  `);
}

function createJournal(database: DatabaseSync): void {
  // A cell's size stands before its code, so that adding sizes up reads no code. `parent` is the cell that the
  // interpreter's state came from, 0 a fresh interpreter; a container stands at `journal_head`, so many cells from a
  // fresh one.
  database.exec(`
    ALTER TABLE containers ADD COLUMN journal_head INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE containers ADD COLUMN journal_length INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE container_cells (
      container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      parent INTEGER NOT NULL,
      ordinal INTEGER NOT NULL,
      timeout_ms REAL NOT NULL,
      failed INTEGER NOT NULL,
      missing TEXT CHECK (missing IN ('calls', 'stopped', 'space')),
      size_bytes INTEGER NOT NULL,
      code TEXT NOT NULL,
      PRIMARY KEY (container, position)
    ) STRICT;
    CREATE TABLE kept_bytes (what TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO kept_bytes VALUES ('cells', 0);
    INSERT INTO kept_bytes SELECT 'files', coalesce(sum(size_bytes), 0) FROM container_files;
  `);
  // Totals that are looked at with every write are kept, also where rows go with their container.
  for (const [what, table] of [
    ["cells", "container_cells"],
    ["files", "container_files"],
  ] as const) {
    database.exec(`
      CREATE TRIGGER ${table}_added AFTER INSERT ON ${table}
        BEGIN UPDATE kept_bytes SET bytes = bytes + new.size_bytes WHERE what = '${what}'; END;
      CREATE TRIGGER ${table}_changed AFTER UPDATE OF size_bytes ON ${table}
        BEGIN UPDATE kept_bytes SET bytes = bytes - old.size_bytes + new.size_bytes WHERE what = '${what}'; END;
      CREATE TRIGGER ${table}_removed AFTER DELETE ON ${table}
        BEGIN UPDATE kept_bytes SET bytes = bytes - old.size_bytes WHERE what = '${what}'; END;
    `);
  }
}

function countBatchRequests(database: DatabaseSync): void {
  // How often a request was begun by a server that ended before it did.
  database.exec("ALTER TABLE batch_requests ADD COLUMN begun INTEGER NOT NULL DEFAULT 0");
}
