/**
 * Builds an interpreter's state anew: runs the cells of its journal again, in order, in a fresh sandbox.
 *
 * The cells see the files of the workspace as they were kept last, so a file that was uploaded is there and one that
 * a cell has changed since shows its last state. Afterwards the workspace is what it was before: files that the
 * cells have changed are put back, files that they have made are removed, so that code that appends to a file has
 * not done so twice. What cells print, show and leave in $OUTPUT_DIR is dropped. All of it together has a bound in time.
 */
import type { JournalCell, JournalSpot, MissingCell } from "../store/journal.ts";
import type { KeptContainers } from "../store/kept-containers.ts";
import { putFilesBack } from "./kept-files.ts";
import type { Journal } from "./journal.ts";
import type { Sandbox } from "./pool.ts";
import type { ExecutionEvent } from "./sandbox.ts";

export interface Replay {
  /** Of the cells that led to the state; those before the first were not kept. */
  length: number;
  cells: readonly JournalCell[];
  ran: number;
  /** With the number of each and what it ended with, which it did not the first time. */
  failures: string[];
  /** Not run any more, because the time was over. */
  left: JournalCell[];
  /** The sandbox ended with this cell. */
  endedAt: JournalCell | null;
}

/** With less time left a cell is not begun. */
const CELL_MS_MIN = 100;
const NAMED_MAX = 5;
const ERROR_CHARACTERS_MAX = 200;

/** Throws when `signal` aborts; the sandbox is ended then, because its state is nobody's. */
export async function replay(
  { keeper, session }: Sandbox,
  journal: Journal,
  kept: KeptContainers,
  id: string,
  ms: number,
  signal: AbortSignal,
): Promise<Replay> {
  const cells = journal.chain();
  const result: Replay = {
    length: journal.length,
    cells,
    ran: 0,
    failures: [],
    left: [],
    endedAt: null,
  };
  const deadline = performance.now() + ms;
  let upTo: JournalSpot = { position: 0, ordinal: 0 };
  const { fields } = await keeper.request("list");
  for (const [index, cell] of cells.entries()) {
    if (cell.missing !== null) continue;
    const leftMs = deadline - performance.now();
    if (leftMs < CELL_MS_MIN) {
      result.left = cells.slice(index);
      break;
    }
    const timeoutMs = Math.min(cell.timeoutMs, leftMs);
    const run = session.run({ code: cell.code, timeoutMs, live: false }, signal);
    const done = await lastOf(run);
    if (signal.aborted || !session.alive) {
      session.close();
      signal.throwIfAborted();
      result.endedAt = cell;
      journal.giveUp();
      return result;
    }
    const { last, standing } = session.cells;
    if (standing === last) journal.ran(last, cell);
    if (done.status === "timeout" && timeoutMs < cell.timeoutMs) {
      result.left = cells.slice(index);
      break;
    }
    upTo = cell;
    result.ran += 1;
    const asBefore = done.status === "ok" || (done.status === "error" && cell.failed);
    if (!asBefore) result.failures.push(describeFailure(cell, done));
  }
  await putFilesBack(keeper, kept, id, fields.files);
  journal.rebuilt(session.cells.standing, result.left.length > 0 ? upTo : null);
  return result;
}

type DoneEvent = Extract<ExecutionEvent, { type: "done" }>;

async function lastOf(run: AsyncIterable<ExecutionEvent>): Promise<DoneEvent> {
  for await (const event of run) if (event.type === "done") return event;
  throw new Error("A cell that was run again ended without its last event.");
}

function describeFailure({ ordinal }: JournalCell, { status, error }: DoneEvent): string {
  const said = error === null ? status : `${error.name}: ${error.message}`;
  const [line = ""] = said.split("\n");
  return `call ${ordinal} (${line.slice(0, ERROR_CHARACTERS_MAX)})`;
}

/** What the model is told of it. */
export function describeReplay(result: Replay, seconds: number): string {
  const { cells, length, ran, failures, left, endedAt } = result;
  if (endedAt !== null)
    return `The container's interpreter had to be started anew: all variables, imports and functions are gone. Running its calls again ended the sandbox at call ${endedAt.ordinal}, so that is not tried another time; run again what you need. The files of /workspace are back.`;
  const first = (cells[0]?.ordinal ?? length + 1) - 1;
  const sentences = [
    ran === 0
      ? "The container's interpreter had to be started anew since the last call, and no call could be run again: all variables, imports and functions are gone."
      : `The interpreter was started anew and ${count(ran)} run again, in order: the variables, imports and functions that they made are there again. What depends on time, chance or files that have changed since may differ.`,
    first > 0 && `The first ${count(first)} too many to be kept, and not run again.`,
    ...(Object.keys(MISSING) as MissingCell[]).map((reason) => {
      const numbers = cells.filter((cell) => cell.missing === reason && !left.includes(cell));
      return numbers.length > 0 && `Not run again, because ${MISSING[reason]}: ${name(numbers)}.`;
    }),
    failures.length > 0 && `Failed this time: ${list(failures)}.`,
    left.length > 0 &&
      `The ${seconds} s for this were over at call ${left[0]!.ordinal} of ${length}: that one and those after it are not rebuilt.`,
    "The files of /workspace are as they were after the last call.",
  ];
  return sentences.filter((sentence) => sentence !== false).join(" ");
}

const MISSING: Record<MissingCell, string> = {
  calls: "their code called tools",
  stopped: "they were stopped before their end",
  space: "there was no room to keep them",
};

function count(calls: number): string {
  return calls === 1 ? "1 call was" : `${calls} calls were`;
}

function name(cells: readonly JournalCell[]): string {
  return list(cells.map(({ ordinal }) => `call ${ordinal}`));
}

function list(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return [...names.slice(0, NAMED_MAX), ...(more > 0 ? [`${more} more`] : [])].join(", ");
}
