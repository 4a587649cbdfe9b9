import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

import { openDatabase } from "./database.ts";
import { openJournal, type JournalBounds, type JournalCell } from "./journal.ts";
import { openKeptContainers } from "./kept-containers.ts";

const folder = mkdtempSync(join(tmpdir(), "curta-journal-"));
const database = openDatabase(folder);
const containers = await openKeptContainers(database, folder, 1 << 20);

afterAll(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

let made = 0;
function setup(bounds: Partial<JournalBounds> = {}) {
  made += 1;
  const id = `container_${made}`;
  containers.add(id, 0);
  const store = openJournal(database, {
    cells: 10,
    bytes: 1000,
    totalBytes: 1 << 20,
    ...bounds,
  });
  return { id, store, codes: () => store.chain(id).map(({ code }) => code) };
}

function cell(position: number, parent: number, ordinal: number, code: string): JournalCell {
  return { position, parent, ordinal, code, timeoutMs: 1000, failed: false, missing: null };
}

const keptBytes = (): number =>
  Number(database.prepare("SELECT bytes FROM kept_bytes WHERE what = 'cells'").get()?.bytes);

test("the cells that lead to the head are given back, in order, as they were", () => {
  const { id, store } = setup();
  const one = { ...cell(1, 0, 1, "ü = 1"), failed: true, timeoutMs: 1500.5 };
  const other = { ...cell(2, 0, 1, "other"), code: "", missing: "calls" as const };
  const three = cell(3, 1, 2, "three");
  store.write(id, { cells: [one, other, three], head: three, pruneTo: 0 });
  expect(store.chain(id)).toEqual([one, three]);
  expect(store.open(id)).toEqual({ head: { position: 3, ordinal: 2 }, last: 3 });
  store.write(id, { cells: [], head: other, pruneTo: 0 });
  expect(store.chain(id)).toEqual([other]);
  store.write(id, { cells: [], head: { position: 0, ordinal: 0 }, pruneTo: 0 });
  expect(store.chain(id)).toEqual([]);
});

test("with too many cells those beside the chain go first, then its first ones, never the head", () => {
  const { id, store, codes } = setup({ cells: 3 });
  const cells = [
    cell(1, 0, 1, "1"),
    cell(2, 1, 2, "beside"),
    cell(3, 1, 2, "3"),
    cell(4, 3, 3, "4"),
  ];
  store.write(id, { cells, head: cells[3]!, pruneTo: 0 });
  expect(codes()).toEqual(["1", "3", "4"]);
  const five = cell(5, 4, 4, "5");
  store.write(id, { cells: [five], head: five, pruneTo: 0 });
  expect(codes()).toEqual(["3", "4", "5"]);
  expect(store.chain(id)[0]?.ordinal).toBe(2);
  const long = cell(6, 5, 5, "x".repeat(1000));
  store.write(id, { cells: [long], head: long, pruneTo: 0 });
  expect(codes()).toEqual([long.code]);
});

test("a cell that is too large keeps its place and no code", () => {
  const { id, store } = setup();
  const cells = [cell(1, 0, 1, "1"), cell(2, 1, 2, "ü".repeat(501)), cell(3, 2, 3, "3")];
  store.write(id, { cells, head: cells[2]!, pruneTo: 0 });
  expect(store.chain(id).map(({ code, missing }) => [code, missing])).toEqual([
    ["1", null],
    ["", "space"],
    ["3", null],
  ]);
});

test("all containers together have a bound, and what goes with a container makes room", async () => {
  const before = keptBytes();
  const { id, store } = setup({ totalBytes: before + 10 });
  const other = setup();
  const one = cell(1, 0, 1, "123456");
  const two = cell(2, 1, 2, "12345");
  store.write(id, { cells: [one, two], head: two, pruneTo: 0 });
  expect(store.chain(id).map(({ missing }) => missing)).toEqual([null, "space"]);
  expect(keptBytes()).toBe(before + 6);
  await containers.remove(id);
  expect(keptBytes()).toBe(before);
  expect(other.store.open(id)).toEqual({ head: { position: 0, ordinal: 0 }, last: 0 });
});

test("what an earlier sandbox has left beside the chain is forgotten", () => {
  const { id, store } = setup();
  const cells = [cell(1, 0, 1, "1"), cell(2, 0, 1, "2"), cell(3, 0, 1, "3")];
  store.write(id, { cells, head: cells[0]!, pruneTo: 2 });
  store.write(id, { cells: [], head: cells[1]!, pruneTo: 0 });
  expect(store.chain(id)).toEqual([]);
  store.write(id, { cells: [], head: cells[2]!, pruneTo: 0 });
  expect(store.chain(id)).toEqual([cells[2]]);
});

test("all of it is written, or nothing", () => {
  const { id, store } = setup();
  const one = cell(1, 0, 1, "1");
  store.write(id, { cells: [one], head: one, pruneTo: 0 });
  const two = cell(2, 1, 2, "2");
  expect(() => store.write(id, { cells: [two, one], head: two, pruneTo: 0 })).toThrow(/UNIQUE/);
  expect(store.open(id)).toEqual({ head: { position: 1, ordinal: 1 }, last: 1 });
});
