import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

import { openDatabase } from "./database.ts";
import { openKeptContainers } from "./kept-containers.ts";

const folder = mkdtempSync(join(tmpdir(), "curta-kept-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open = () => {
  const database = openDatabase(folder);
  return { database, store: openKeptContainers(database, folder, 1 << 20) };
};

test("records are those on disk, and looking at them does not need it", async () => {
  const { database, store } = open();
  for (const [index, id] of ["older", "gone", "newer"].entries()) store.add(id, index);
  store.touch("older", 10);
  store.setIncomplete("newer", true);
  await store.remove("gone");
  database.close();

  const expected = [
    { id: "older", createdAt: 0, usedAt: 10, incomplete: false },
    { id: "newer", createdAt: 2, usedAt: 2, incomplete: true },
  ];
  expect(store.list()).toEqual(expected);
  expect(store.find("newer")).toEqual(expected[1]);
  expect(store.find("gone")).toBeUndefined();

  const again = open();
  expect(again.store.list()).toEqual(expected);
  again.database.close();
});
