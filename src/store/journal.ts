/**
 * The journal of cells: what ran in each container's interpreter, so that it can be run again in a fresh one.
 *
 * The cells of a container are a tree, because going back to a named state and going on from there leaves two ways
 * on from one cell. The head says where the container stands; what leads there is what its interpreter holds. A
 * container's cells are bounded in number and bytes: those that no longer lead to the head go first, then the
 * oldest. A cell that has no code (`missing` says why) keeps its place, so that it can be told.
 */
import type { DatabaseSync } from "node:sqlite";

import { inTransaction } from "./transaction.ts";

/** A place of the tree; 0 is a fresh interpreter. `ordinal` counts the cells that lead there. */
export interface JournalSpot {
  position: number;
  ordinal: number;
}

/**
 * Why a cell cannot be run again: its code called functions that somebody outside answered, it was stopped in the middle,
 * or there was no room for it.
 */
export type MissingCell = "calls" | "stopped" | "space";

export interface JournalCell extends JournalSpot {
  parent: number;
  /** Empty when `missing`. */
  code: string;
  timeoutMs: number;
  /** It ended with an exception. */
  failed: boolean;
  missing: MissingCell | null;
}

export interface JournalStore {
  readonly cellsMax: number;
  /** Where a container stands, and the highest position that it has used. */
  open(container: string): { head: JournalSpot; last: number };
  /**
   * Adds cells and says where the container stands, all of it or nothing. Cells up to `pruneTo` that do not lead to
   * the head are forgotten.
   */
  write(
    container: string,
    change: { cells: readonly JournalCell[]; head: JournalSpot; pruneTo: number },
  ): void;
  /** The cells that lead to the head, in order; those before the first one of them could not be kept. */
  chain(container: string): JournalCell[];
}

export interface JournalBounds {
  /** Of one container. 0: no code is kept. */
  cells: number;
  bytes: number;
  /** Of all containers. */
  totalBytes: number;
}

interface Row {
  position: number;
  parent: number;
  ordinal: number;
  timeout_ms: number;
  failed: number;
  missing: MissingCell | null;
  code: string;
}

interface Link {
  position: number;
  parent: number;
  bytes: number;
}

export function openJournal(database: DatabaseSync, bounds: JournalBounds): JournalStore {
  const selectHead = database.prepare(
    `SELECT journal_head AS position, journal_length AS ordinal,
       (SELECT coalesce(max(position), 0) FROM container_cells WHERE container = id) AS last
     FROM containers WHERE id = ?`,
  );
  const setHead = database.prepare(
    "UPDATE containers SET journal_head = ?, journal_length = ? WHERE id = ?",
  );
  const selectTotal = database.prepare("SELECT bytes FROM kept_bytes WHERE what = 'cells'");
  const insert = database.prepare(
    `INSERT INTO container_cells
       (container, position, parent, ordinal, timeout_ms, failed, missing, size_bytes, code)
     VALUES (:container, :position, :parent, :ordinal, :timeoutMs, :failed, :missing, :size, :code)`,
  );
  const selectLinks = database.prepare(
    "SELECT position, parent, size_bytes AS bytes FROM container_cells WHERE container = ? ORDER BY position",
  );
  const selectCell = database.prepare(
    `SELECT position, parent, ordinal, timeout_ms, failed, missing, code FROM container_cells
     WHERE container = ? AND position = ?`,
  );
  const remove = database.prepare(
    "DELETE FROM container_cells WHERE container = ? AND position = ?",
  );

  return {
    cellsMax: bounds.cells,
    open,
    write(container, { cells, head, pruneTo }) {
      inTransaction(database, () => {
        for (const cell of cells) add(container, cell);
        setHead.run(head.position, head.ordinal, container);
        if (pruneTo > 0 || cells.length > 0) trim(container, head, pruneTo);
      });
    },
    chain(container) {
      const { head } = open(container);
      const cells: JournalCell[] = [];
      for (let { position } = head; position > 0;) {
        const row = selectCell.get(container, position) as Row | undefined;
        if (row === undefined) break;
        cells.push(toCell(row));
        position = row.parent; // Smaller than its own.
      }
      return cells.toReversed();
    },
  };

  function open(container: string): { head: JournalSpot; last: number } {
    const row = selectHead.get(container) as (JournalSpot & { last: number }) | undefined;
    const { position, ordinal, last } = row ?? { position: 0, ordinal: 0, last: 0 };
    // A head whose cell is gone still has its number, which no other cell may get.
    return { head: { position, ordinal }, last: Math.max(last, position) };
  }

  function add(container: string, cell: JournalCell): void {
    const { position, parent, ordinal, timeoutMs, failed } = cell;
    let { code, missing } = cell;
    const bytes = Buffer.byteLength(code);
    const total = Number(selectTotal.get()?.bytes ?? 0);
    if (bytes > bounds.bytes || total + bytes > bounds.totalBytes) {
      code = "";
      missing ??= "space";
    }
    insert.run({
      container,
      position,
      parent,
      ordinal,
      timeoutMs,
      failed: Number(failed),
      missing,
      size: code === "" ? 0 : bytes,
      code,
    });
  }

  /** Forgets cells until the container is within its bounds. The head itself stays. */
  function trim(container: string, head: JournalSpot, pruneTo: number): void {
    const links = selectLinks.all(container) as unknown as Link[];
    let count = links.length;
    let bytes = links.reduce((sum, link) => sum + link.bytes, 0);
    const isOver = () => count > bounds.cells || bytes > bounds.bytes;
    if (pruneTo === 0 && !isOver()) return;
    const byPosition = new Map(links.map((link) => [link.position, link]));
    const leading = new Set<Link>();
    for (let at = byPosition.get(head.position); at !== undefined; at = byPosition.get(at.parent))
      leading.add(at);
    const drop = (link: Link) => {
      remove.run(container, link.position);
      count -= 1;
      bytes -= link.bytes;
    };
    for (const link of links)
      if (!leading.has(link) && (link.position <= pruneTo || isOver())) drop(link);
    for (const link of links)
      if (leading.has(link) && link.position !== head.position && isOver()) drop(link);
  }
}

function toCell({ timeout_ms, failed, ...row }: Row): JournalCell {
  return { ...row, timeoutMs: timeout_ms, failed: failed !== 0 };
}
