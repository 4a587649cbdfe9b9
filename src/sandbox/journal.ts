/**
 * The journal of one container: which cells its interpreter's state came from.
 *
 * The session numbers its cells anew in each sandbox and says after each where its state stands; the journal maps
 * these numbers to places in the store, which outlives sandboxes. So undo needs no mention: a cell that was run on
 * a state that was gone back to has that state's last cell for its parent.
 *
 * Nothing here is written while somebody waits: cells are noted in memory and written together, a moment later.
 * A container is *behind* its journal when its interpreter is fresh and the journal says more: then the cells can
 * be run again (`replay.ts`), until a cell has run without that, from which the journal begins anew.
 */
import type { JournalCell, JournalSpot, JournalStore, MissingCell } from "../store/journal.ts";
import type { ExecutionEvent, ExecutionStatus } from "./sandbox.ts";
import type { CellsSoFar, Session } from "./session.ts";

export interface NotedCell {
  code: string;
  timeoutMs: number;
  failed: boolean;
  missing: MissingCell | null;
}

export interface Journal {
  /** After each cell, however it ended. */
  note(cells: CellsSoFar, cell: NotedCell): void;
  /** After a named state was gone back to. */
  moveTo(standing: number): void;
  /** Writes down what has been noted. What the disk does not take is tried again at the next call. */
  write(): void;
  /** A fresh sandbox is the container's from now on. */
  begin(): void;
  isBehind(cells: CellsSoFar): boolean;
  /** What the cells are that lead to where the container stands, in order. */
  chain(): JournalCell[];
  /** So many cells led to the present head, those included that could not be kept. */
  readonly length: number;
  /** The session has run a cell of the chain again, and its state holds it under this number. */
  ran(number: number, cell: JournalSpot): void;
  /** The cells were run again, all of them or up to one. */
  rebuilt(standing: number, upTo: JournalSpot | null): void;
  /** Running the cells again has ended the sandbox: they are not tried another time. */
  giveUp(): void;
}

/** Follows a cell that is about to begin, and notes it once when it has ended, before another one can begin. */
export function watchCell(
  journal: Journal | null,
  session: Session,
  { code, timeoutMs }: Pick<NotedCell, "code" | "timeoutMs">,
): { see(event: ExecutionEvent): void; end(): void } {
  if (journal === null) return { see() {}, end() {} };
  const { last } = session.cells;
  let hasCalled = false;
  let status: ExecutionStatus | null = null;
  let isNoted = false;
  return {
    see(event) {
      if (event.type === "calls") hasCalled = true;
      if (event.type === "done") ({ status } = event);
    },
    end() {
      // It may have ended before it began.
      if (isNoted || session.cells.last === last) return;
      isNoted = true;
      const wasStopped = status !== "ok" && status !== "error";
      const missing = hasCalled ? "calls" : wasStopped ? "stopped" : null;
      journal.note(session.cells, { code, timeoutMs, failed: status !== "ok", missing });
    },
  };
}

const FRESH: JournalSpot = { position: 0, ordinal: 0 };
/** Cells that the disk does not take are dropped beyond these, the oldest first. */
const PENDING_MAX = 256;
const PENDING_BYTES_MAX = 2 << 20;

export function createJournal(store: JournalStore, container: string): Journal {
  const spots = new Map([[0, FRESH]]);
  let head = FRESH;
  let last = 0;
  let pending: JournalCell[] = [];
  let isDirty = false;
  /** What earlier sandboxes have left up to here cannot be gone back to, unless it leads to the head. */
  let pruneTo = 0;
  let hopeless = 0;

  const journal: Journal = {
    note({ last: number, base, standing }, cell) {
      if (standing === number) {
        const { position: parent, ordinal } = spotOf(base);
        last += 1;
        const row = { ...cell, position: last, parent, ordinal: ordinal + 1 };
        pending.push(cell.missing === null ? row : { ...row, code: "" });
        head = { position: last, ordinal: ordinal + 1 };
        place(number, head);
        isDirty = true;
        if (pendingIsFull()) journal.write();
      } else if (standing > 0) moveTo(standing);
    },
    moveTo,
    write() {
      if (!isDirty) return;
      try {
        store.write(container, { cells: pending, head, pruneTo });
        pending = [];
        isDirty = false;
        pruneTo = 0;
      } catch {
        // A full disk, or the container was deleted meanwhile.
        while (pendingIsFull()) pending.shift();
      }
    },
    begin() {
      journal.write();
      ({ head, last } = store.open(container));
      pending = [];
      isDirty = false;
      pruneTo = last;
      spots.clear();
      spots.set(0, FRESH);
    },
    isBehind({ standing }) {
      return (
        standing === 0 && spots.get(0)?.position !== head.position && hopeless !== head.position
      );
    },
    chain: () => store.chain(container),
    get length() {
      return head.ordinal;
    },
    ran: place,
    rebuilt(standing, upTo) {
      head = upTo ?? head;
      place(standing, head);
      isDirty = true;
    },
    giveUp() {
      hopeless = head.position;
    },
  };
  return journal;

  function moveTo(standing: number): void {
    const spot = spotOf(standing);
    if (spot.position === head.position) return;
    head = spot;
    isDirty = true;
  }

  function spotOf(number: number): JournalSpot {
    // So long ago that its cells are not kept anyway.
    return spots.get(number) ?? { position: -1, ordinal: number };
  }

  function place(number: number, spot: JournalSpot): void {
    spots.delete(number);
    spots.set(number, spot);
    for (const old of spots.keys()) {
      if (spots.size <= store.cellsMax + 1) break;
      if (old !== 0) spots.delete(old);
    }
  }

  function pendingIsFull(): boolean {
    const bytes = pending.reduce((sum, { code }) => sum + code.length, 0);
    return pending.length > PENDING_MAX || bytes > PENDING_BYTES_MAX;
  }
}
