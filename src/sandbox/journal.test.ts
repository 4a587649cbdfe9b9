/** The journal over a real store: what a session says of its cells, and what can be run again of them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

import { openDatabase } from "../store/database.ts";
import { openJournal, type JournalStore } from "../store/journal.ts";
import { openKeptContainers } from "../store/kept-containers.ts";
import { createJournal } from "./journal.ts";

const folder = mkdtempSync(join(tmpdir(), "curta-journal-"));
const database = openDatabase(folder);
const containers = await openKeptContainers(database, folder, 1 << 20);

afterAll(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

let made = 0;
function setup(cells = 10) {
  made += 1;
  const id = `container_${made}`;
  containers.add(id, 0);
  const bounds = { cells, bytes: 10_000, totalBytes: 1 << 20 };
  const store = openJournal(database, bounds);
  const disk = { isFull: false };
  const failing: JournalStore = {
    ...store,
    write(...change) {
      if (disk.isFull) throw new Error("full");
      store.write(...change);
    },
  };
  const journal = createJournal(failing, id);
  /** A cell of that number ran on `base`, and the state stands where it says. */
  const ran = (last: number, base: number, standing = last) =>
    journal.note(
      { last, base, standing },
      { code: `cell ${last}`, timeoutMs: 1, failed: false, missing: null },
    );
  const chain = () => {
    journal.write();
    return journal.chain().map(({ code }) => code);
  };
  return { journal, ran, chain, disk };
}

test("cells follow each other; one that left no trace is none", () => {
  const { journal, ran, chain } = setup();
  ran(1, 0);
  ran(2, 1, 1);
  ran(3, 1);
  expect(journal.chain()).toEqual([]);
  expect(chain()).toEqual(["cell 1", "cell 3"]);
  // The interpreter ended after cell 3, and came back from before it.
  ran(4, 1);
  expect(chain()).toEqual(["cell 1", "cell 4"]);
});

test("a state that was gone back to has its own cells", () => {
  const { journal, ran, chain } = setup();
  ran(1, 0);
  ran(2, 1);
  journal.moveTo(1);
  expect(chain()).toEqual(["cell 1"]);
  ran(3, 1);
  expect(chain()).toEqual(["cell 1", "cell 3"]);
  journal.moveTo(2);
  expect(chain()).toEqual(["cell 1", "cell 2"]);
  journal.moveTo(0);
  expect(chain()).toEqual([]);
  expect(journal.isBehind({ last: 3, base: 1, standing: 0 })).toBe(false);
});

test("a fresh interpreter is behind until a cell has run in it, or the old ones again", () => {
  const { journal, ran, chain } = setup();
  const fresh = { last: 0, base: 0, standing: 0 };
  expect(journal.isBehind(fresh)).toBe(false);
  ran(1, 0);
  ran(2, 1);
  expect(journal.isBehind({ last: 2, base: 1, standing: 2 })).toBe(false);
  journal.begin();
  expect(journal.isBehind(fresh)).toBe(true);
  // The first cell of the fresh one crashed.
  ran(1, 0, 0);
  expect(journal.isBehind(fresh)).toBe(true);
  const [one, two] = journal.chain();
  journal.ran(2, one!);
  journal.ran(3, two!);
  journal.rebuilt(3, null);
  ran(4, 3);
  expect(chain()).toEqual(["cell 1", "cell 2", "cell 4"]);
  journal.moveTo(2);
  expect(chain()).toEqual(["cell 1"]);

  journal.begin();
  ran(1, 0);
  expect(chain()).toEqual(["cell 1"]);
  expect(journal.length).toBe(1);
});

test("variables lost within a sandbox can be rebuilt as well", () => {
  const { journal, ran, chain } = setup();
  ran(1, 0);
  ran(2, 1, 0);
  expect(journal.isBehind({ last: 2, base: 1, standing: 0 })).toBe(true);
  expect(chain()).toEqual(["cell 1"]);
});

test("cells that were run again only in part are the state from then on", () => {
  const { journal, ran, chain } = setup();
  ran(1, 0);
  ran(2, 1);
  journal.begin();
  const [one] = journal.chain();
  journal.ran(1, one!);
  journal.rebuilt(2, one!);
  ran(3, 2);
  expect(chain()).toEqual(["cell 1", "cell 3"]);
});

test("cells that end the sandbox when they are run again are not tried another time", () => {
  const { journal, ran } = setup();
  ran(1, 0);
  journal.begin();
  journal.giveUp();
  journal.begin();
  expect(journal.isBehind({ last: 0, base: 0, standing: 0 })).toBe(false);
});

test("so long ago that it is not kept any more, a state says how much is missing", () => {
  const { journal, ran, chain } = setup(3);
  for (let number = 1; number <= 6; number += 1) ran(number, number - 1);
  expect(chain()).toEqual(["cell 4", "cell 5", "cell 6"]);
  journal.moveTo(2);
  expect(chain()).toEqual([]);
  expect(journal.length).toBe(2);
  ran(7, 2);
  expect(chain()).toEqual(["cell 7"]);
  expect(journal.length).toBe(3);
});

test("a full disk loses no cell that there is room to remember", () => {
  const { ran, chain, disk } = setup(400);
  disk.isFull = true;
  for (let number = 1; number <= 10; number += 1) ran(number, number - 1);
  expect(chain()).toEqual([]);
  disk.isFull = false;
  expect(chain()).toHaveLength(10);
  disk.isFull = true;
  for (let number = 11; number <= 300; number += 1) ran(number, number - 1);
  disk.isFull = false;
  // Those before could not be reached: they are told as not kept.
  expect(chain()[0]).toMatch(/^cell 4\d$/);
});
