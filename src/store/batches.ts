/**
 * Message batches: what was asked, and what came of each request.
 *
 * A request is *processing* from its creation until its result is written, in one statement, so a server
 * that was killed runs again exactly what it had not finished. What was asked is forgotten with its result.
 * A request that a server did not live through some times is not tried again: it may be what ends it.
 */
import type { DatabaseSync } from "node:sqlite";

import { GatewayError } from "../errors.ts";
import { newId } from "./id.ts";
import { inTransaction } from "./transaction.ts";

export interface Batch {
  id: string;
  /** Values of `anthropic-beta` that came with it, joined as in the header. */
  betas: string;
  createdAt: number;
  expiresAt: number;
  endedAt: number | null;
  cancelInitiatedAt: number | null;
  counts: Record<Outcome, number>;
}

export type Outcome = "processing" | "succeeded" | "errored" | "canceled" | "expired";

export interface BatchRequest {
  customId: string;
  /** The request's body as JSON. */
  params: string;
}

export interface PendingRequest extends BatchRequest {
  batch: string;
  position: number;
  betas: string;
}

export interface BatchPage {
  batches: Batch[];
  hasMore: boolean;
}

export interface BatchStore {
  create(requests: readonly BatchRequest[], betas: string): Batch;
  /** Throws `not_found`. */
  get(id: string): Batch;
  /** Newest first. */
  list(page: { limit: number; afterId?: string; beforeId?: string }): BatchPage;
  /** Everything that is not running is canceled at once; `isRunning` tells what is. */
  cancel(id: string, isRunning: (position: number) => boolean): Batch;
  /** Throws `invalid_request` while it is processing. */
  delete(id: string): void;
  /** Results in order behind a position, at most `limit`; each `result` is JSON. */
  results(
    id: string,
    afterPosition: number,
    limit: number,
  ): { position: number; customId: string; result: string }[];
  /** The oldest requests that wait; those of expired batches are ended first. */
  pending(limit: number): PendingRequest[];
  /** It is about to run. */
  begin(request: PendingRequest): void;
  /** It has not ended, and that is not its own doing. */
  giveBack(request: PendingRequest): void;
  finish(request: PendingRequest, outcome: Outcome, result: string): void;
}

/** Servers that may end while they run a request. */
const BEGINNINGS_MAX = 3;
const ENDS_SERVERS = JSON.stringify({
  type: "errored",
  error: {
    type: "error",
    error: {
      type: "api_error",
      message: `The server has ended ${BEGINNINGS_MAX} times while it ran this request, which is therefore not run again.`,
    },
    request_id: null,
  },
});

const DAY_MS = 24 * 60 * 60 * 1000;
/** As the hosted API: a batch has a day, its results stay for 29. */
const PROCESSING_MS = DAY_MS;
const RESULTS_MS = 29 * DAY_MS;

const COLUMNS = "id, betas, created_at, expires_at, ended_at, cancel_initiated_at";

interface Row {
  id: string;
  betas: string;
  created_at: number;
  expires_at: number;
  ended_at: number | null;
  cancel_initiated_at: number | null;
}

export function openBatchStore(
  database: DatabaseSync,
  clock: () => number,
  openBatchesMax: number,
): BatchStore {
  const prepare = (sql: string) => database.prepare(sql);
  const insertBatch = prepare(
    "INSERT INTO batches (id, betas, created_at, expires_at) VALUES (?, ?, ?, ?)",
  );
  const insertRequest = prepare(
    "INSERT INTO batch_requests (batch, position, custom_id, params) VALUES (?, ?, ?, ?)",
  );
  const select = prepare(`SELECT ${COLUMNS} FROM batches WHERE id = ?`);
  const selectCounts = prepare(
    "SELECT outcome, count(*) AS n FROM batch_requests WHERE batch = ? GROUP BY outcome",
  );
  const addBeginnings = prepare(
    "UPDATE batch_requests SET begun = begun + ? WHERE batch = ? AND position = ?",
  );
  const setOutcome = prepare(
    "UPDATE batch_requests SET outcome = ?, result = ?, params = '' WHERE batch = ? AND position = ? AND outcome = 'processing'",
  );

  endWhatIsOver();

  return {
    create(requests, betas) {
      return inTransaction(database, () => {
        const now = clock();
        prepare("DELETE FROM batches WHERE ended_at < ?").run(now - RESULTS_MS);
        const open = prepare("SELECT count(*) AS n FROM batches WHERE ended_at IS NULL").get();
        if (Number(open?.n) >= openBatchesMax) {
          throw new GatewayError(
            "rate_limit",
            `${openBatchesMax} batches are in progress already; wait for one to end, or cancel one.`,
            { retryAfterSeconds: 60 },
          );
        }
        const id = newId("msgbatch");
        insertBatch.run(id, betas, now, now + PROCESSING_MS);
        for (const [position, { customId, params }] of requests.entries())
          insertRequest.run(id, position, customId, params);
        return find(id);
      });
    },
    get: find,
    list({ limit, afterId, beforeId }) {
      const isBackward = beforeId !== undefined;
      const cursor = afterId ?? beforeId;
      const at =
        cursor === undefined
          ? undefined
          : (prepare("SELECT position FROM batches WHERE id = ?").get(cursor)?.position ?? -1);
      const where =
        at === undefined ? "" : `WHERE position ${isBackward ? ">" : "<"} ${Number(at)}`;
      const order = isBackward ? "ASC" : "DESC";
      // A cursor that is gone ends the list rather than beginning it anew.
      const rows =
        at === -1
          ? []
          : (prepare(
              `SELECT ${COLUMNS} FROM batches ${where} ORDER BY position ${order} LIMIT ?`,
            ).all(limit + 1) as unknown as Row[]);
      const batches = rows.slice(0, limit).map(toBatch);
      return { batches: isBackward ? batches.toReversed() : batches, hasMore: rows.length > limit };
    },
    cancel(id, isRunning) {
      return inTransaction(database, () => {
        const batch = find(id);
        if (batch.endedAt !== null)
          throw new GatewayError("invalid_request", `Batch \`${id}\` has ended already.`);
        prepare(
          "UPDATE batches SET cancel_initiated_at = ? WHERE id = ? AND cancel_initiated_at IS NULL",
        ).run(clock(), id);
        const waiting = prepare(
          "SELECT position FROM batch_requests WHERE batch = ? AND outcome = 'processing'",
        ).all(id) as { position: number }[];
        for (const { position } of waiting)
          if (!isRunning(position)) setOutcome.run("canceled", '{"type":"canceled"}', id, position);
        endIfDone(id);
        return find(id);
      });
    },
    delete(id) {
      if (find(id).endedAt === null) {
        throw new GatewayError(
          "invalid_request",
          `Batch \`${id}\` is in progress; cancel it and wait for its end before you delete it.`,
        );
      }
      prepare("DELETE FROM batches WHERE id = ?").run(id);
    },
    results(id, afterPosition, limit) {
      return prepare(
        "SELECT position, custom_id AS customId, result FROM batch_requests WHERE batch = ? AND position > ? ORDER BY position LIMIT ?",
      ).all(id, afterPosition, limit) as unknown as ReturnType<BatchStore["results"]>;
    },
    pending(limit) {
      expire();
      return prepare(
        `SELECT batch, batch_requests.position AS position, custom_id AS customId, params, betas
         FROM batch_requests JOIN batches ON batches.id = batch
         WHERE ended_at IS NULL AND outcome = 'processing' ORDER BY batches.position, batch_requests.position LIMIT ?`,
      ).all(limit) as unknown as PendingRequest[];
    },
    begin({ batch, position }) {
      addBeginnings.run(1, batch, position);
    },
    giveBack({ batch, position }) {
      addBeginnings.run(-1, batch, position);
    },
    finish({ batch, position }, outcome, result) {
      inTransaction(database, () => {
        setOutcome.run(outcome, result, batch, position);
        endIfDone(batch);
      });
    },
  };

  function find(id: string): Batch {
    const row = select.get(id) as Row | undefined;
    if (row === undefined)
      throw new GatewayError("not_found", `Batch \`${id.slice(0, 100)}\` not found.`);
    return toBatch(row);
  }

  function toBatch(row: Row): Batch {
    const counts = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
    for (const { outcome, n } of selectCounts.all(row.id) as { outcome: Outcome; n: number }[])
      counts[outcome] = n;
    return {
      id: row.id,
      betas: row.betas,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
      endedAt: row.ended_at,
      cancelInitiatedAt: row.cancel_initiated_at,
      counts,
    };
  }

  function endIfDone(id: string): void {
    prepare(
      `UPDATE batches SET ended_at = ? WHERE id = ? AND ended_at IS NULL AND NOT EXISTS
       (SELECT 1 FROM batch_requests WHERE batch = id AND outcome = 'processing')`,
    ).run(clock(), id);
  }

  /** What an earlier server has left: nothing of it runs. */
  function endWhatIsOver(): void {
    inTransaction(database, () => {
      prepare(
        `UPDATE batch_requests SET outcome = 'canceled', result = '{"type":"canceled"}', params = ''
         WHERE outcome = 'processing' AND batch IN
         (SELECT id FROM batches WHERE ended_at IS NULL AND cancel_initiated_at IS NOT NULL)`,
      ).run();
      prepare(
        `UPDATE batch_requests SET outcome = 'errored', result = ?, params = ''
         WHERE outcome = 'processing' AND begun >= ?`,
      ).run(ENDS_SERVERS, BEGINNINGS_MAX);
      for (const { id } of prepare("SELECT id FROM batches WHERE ended_at IS NULL").all())
        endIfDone(String(id));
    });
  }

  function expire(): void {
    const late = prepare("SELECT id FROM batches WHERE ended_at IS NULL AND expires_at <= ?").all(
      clock(),
    ) as { id: string }[];
    for (const { id } of late) {
      inTransaction(database, () => {
        prepare(
          `UPDATE batch_requests SET outcome = 'expired', result = '{"type":"expired"}', params = ''
           WHERE batch = ? AND outcome = 'processing'`,
        ).run(id);
        endIfDone(id);
      });
    }
  }
}
