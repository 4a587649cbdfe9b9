/**
 * The ledger: one row for each message and each execution of the direct API, written once.
 *
 * Rows are only ever added; the database itself refuses to change or remove one. A row is committed before
 * the answer's last event leaves, so every answer that a client has whole is in here, also after the server
 * was killed. Figures of a report are sums over these rows and nothing else.
 *
 * The commit stands in the way of the answer because nothing else would keep that promise: it is a few writes to the
 * write-ahead log, which the operating system holds when the process is gone, and no wait for the disk. Committing
 * for several answers at once would be faster only where answers wait for each other. What does wait for the disk,
 * bringing the log's pages to their places, is done every so many rows and after the answer has left.
 */
import type { DatabaseSync, SQLInputValue } from "node:sqlite";

/** The figures that reports add up: tokens, counts, bytes, milliseconds. */
const FIGURES = [
  "input_tokens",
  "cache_creation_input_tokens",
  "cache_read_input_tokens",
  "output_tokens",
  "web_search_requests",
  "web_fetch_requests",
  "executions",
  "code_tokens",
  "result_tokens",
  "image_tokens",
  "billed_input_tokens",
  "billed_output_tokens",
  "bytes_in",
  "bytes_out",
  "wall_ms",
  "cpu_ms",
] as const;

export type Figure = (typeof FIGURES)[number];

export interface LedgerEntry extends Record<Figure, number> {
  /** Of the message or the execution; it can be entered once. */
  id: string;
  kind: "message" | "execution";
  /** `cut`: the client left or something failed; the figures are what was known by then. */
  outcome: "whole" | "cut";
  /** As the client named it; empty for executions without a model. */
  model: string;
  container: string;
  key: string;
  /** The largest of the executions. */
  peak_memory_bytes: number;
}

/** What reports can be grouped by. */
export const GROUPINGS = ["day", "model", "container", "key"] as const;

export type Grouping = (typeof GROUPINGS)[number];

export interface ReportQuery {
  groupBy: readonly Grouping[];
  /** Milliseconds since 1970; from inclusive, to exclusive. */
  fromMs?: number;
  toMs?: number;
}

export interface ReportRow extends Record<Figure, number>, Partial<Record<Grouping, string>> {
  messages: number;
  peak_memory_bytes: number;
}

export interface Report {
  rows: ReportRow[];
  total: ReportRow;
  /** There were more groups than a report holds; the total has them all. */
  truncated: boolean;
}

export interface Ledger {
  /** Never throws: the answer is worth more than its entry. What cannot be entered is reported. */
  append(entry: LedgerEntry): void;
  report(query: ReportQuery): Report;
}

const ROWS_MAX = 10_000;
/** A row changes some five pages, so this is where SQLite itself would bring them to their places. */
const ROWS_PER_CHECKPOINT = 200;

const EXPRESSIONS: Record<Grouping, string> = {
  day: "strftime('%Y-%m-%d', at / 1000, 'unixepoch')",
  model: "model",
  container: "container",
  key: "key",
};

export function openLedger(
  database: DatabaseSync,
  clock: () => number,
  onFailure: (cause: unknown, entry: LedgerEntry) => void,
): Ledger {
  const columns = [
    "at",
    "id",
    "kind",
    "outcome",
    "model",
    "container",
    "key",
    "peak_memory_bytes",
    ...FIGURES,
  ] as const;
  const insert = database.prepare(
    `INSERT INTO ledger (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
  );
  let appended = 0;
  return {
    append(entry) {
      const row = { ...entry, at: clock() };
      try {
        insert.run(...columns.map((name): SQLInputValue => row[name]));
      } catch (cause) {
        onFailure(cause, entry);
      }
      appended += 1;
      if (appended % ROWS_PER_CHECKPOINT === 0) setImmediate(checkpoint);
    },
    report({ groupBy, fromMs = 0, toMs = Number.MAX_SAFE_INTEGER }) {
      const groups = GROUPINGS.filter((name) => groupBy.includes(name));
      const found = select(groups, fromMs, toMs);
      return {
        rows: found.slice(0, ROWS_MAX),
        total: select([], fromMs, toMs)[0]!,
        truncated: found.length > ROWS_MAX,
      };
    },
  };

  function checkpoint(): void {
    try {
      if (!database.isOpen) return;
      database.exec("PRAGMA wal_checkpoint(PASSIVE)");
      // The first commit into an emptied log waits for the disk once more, so it is one that nobody waits for.
      const version = Number(database.prepare("PRAGMA user_version").get()?.user_version);
      database.exec(`PRAGMA user_version = ${version}`);
    } catch {
      // A full disk, or somebody reads: the log keeps what it has until the next time.
    }
  }

  function select(groups: readonly Grouping[], fromMs: number, toMs: number): ReportRow[] {
    const names = groups.map((name) => `${EXPRESSIONS[name]} AS "${name}"`);
    // Times are fractions, and sums of those end in 0.000000001: thousandths of a millisecond will do.
    const sums = FIGURES.map((name) => `round(coalesce(sum(${name}), 0), 3) AS ${name}`);
    const positions = groups.map((_, index) => index + 1).join(", ");
    const statement = database.prepare(
      `SELECT ${[
        ...names,
        "coalesce(sum(kind = 'message'), 0) AS messages",
        ...sums,
        "coalesce(max(peak_memory_bytes), 0) AS peak_memory_bytes",
      ].join(", ")} FROM ledger WHERE at >= ? AND at < ?
       ${groups.length === 0 ? "" : `GROUP BY ${positions} ORDER BY ${positions} LIMIT ${ROWS_MAX + 1}`}`,
    );
    // Numbers arrive as numbers: none of these sums passes 2^53 in a lifetime.
    return statement.all(fromMs, toMs) as unknown as ReportRow[];
  }
}
