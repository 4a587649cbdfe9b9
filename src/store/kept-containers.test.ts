import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

import { openDatabase } from "./database.ts";
import { openKeptContainers } from "./kept-containers.ts";

const KIB = 1024;
const bytes = (kib: number, text = "x"): Buffer => Buffer.from(text.repeat(kib * KIB));

async function createPlace(bytesMax: number) {
  const folder = await mkdtemp(join(tmpdir(), "curta-kept-"));
  let database = openDatabase(folder);
  const place = {
    folder,
    store: await openKeptContainers(database, folder, bytesMax),
    kept: (id: string) => readdir(join(folder, "kept", id)).catch(() => []),
    async reopen() {
      database.close();
      database = openDatabase(folder);
      place.store = await openKeptContainers(database, folder, bytesMax);
    },
    async [Symbol.asyncDispose]() {
      database.close();
      await rm(folder, { recursive: true });
    },
  };
  return place;
}

test("a container is found again with the last bytes of each file", async () => {
  await using place = await createPlace(100 * KIB);
  place.store.add("one", 5);
  await place.store.save("one", "../a", "1", Buffer.from("old"));
  await place.store.save("one", "../a", "2", Buffer.from("new"));
  await place.store.save("one", "gone", "1", Buffer.from(""));
  await place.store.drop("one", "gone");
  place.store.touch("one", 7);
  place.store.setIncomplete("one", true);
  await place.reopen();
  expect(place.store.list()).toEqual([{ id: "one", createdAt: 5, usedAt: 7, incomplete: true }]);
  expect([...place.store.files("one")]).toEqual([["../a", "2"]]);
  expect(String(await place.store.read("one", "../a"))).toBe("new");
  place.store.restamp(
    "one",
    new Map([
      ["../a", "3"],
      ["unknown", "1"],
    ]),
  );
  expect([...place.store.files("one")]).toEqual([["../a", "3"]]);
  expect(await place.kept("one")).toHaveLength(1);
});

test("records are those on disk, and looking at them does not need it", async () => {
  await using place = await createPlace(0);
  const { store } = place;
  for (const [index, id] of ["older", "gone", "newer"].entries()) store.add(id, index);
  store.touch("older", 10);
  store.setIncomplete("newer", true);
  await store.remove("gone");
  await place.reopen();
  // The first store has no database any more.
  for (const either of [store, place.store]) {
    const newer = { id: "newer", createdAt: 2, usedAt: 2, incomplete: true };
    expect(either.list()).toEqual([
      { id: "older", createdAt: 0, usedAt: 10, incomplete: false },
      newer,
    ]);
    expect(either.find("newer")).toEqual(newer);
    expect(either.find("gone")).toBeUndefined();
  }
});

test("all files together have a bound, tiny ones count a block, and what goes makes room", async () => {
  await using place = await createPlace(16 * KIB);
  const { store } = place;
  for (const id of ["one", "two"]) store.add(id, 0);
  await store.save("one", "tiny", "", Buffer.from("x"));
  await store.save("one", "a", "", bytes(8));
  await expect(store.save("two", "b", "", bytes(5))).rejects.toMatchObject({
    code: "storage_full",
  });
  // The bytes that it takes the place of count no longer.
  await store.save("one", "a", "", bytes(12));
  await store.drop("one", "tiny");
  await store.save("two", "b", "", bytes(4));
  await place.reopen();
  await expect(place.store.save("two", "c", "", Buffer.from(""))).rejects.toThrow(/used up/);
  await place.store.remove("one");
  await place.store.save("two", "c", "", bytes(12));
  expect(await place.kept("one")).toEqual([]);
});

test("many at once do not pass the bound together", async () => {
  await using place = await createPlace(12 * KIB);
  place.store.add("one", 0);
  const saves = Array.from({ length: 8 }, (_, n) => place.store.save("one", `${n}`, "", bytes(1)));
  const outcomes = await Promise.allSettled(saves);
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  expect(await place.kept("one")).toHaveLength(3);
});

test("a file that comes after its container was deleted leaves nothing", async () => {
  await using place = await createPlace(12 * KIB);
  await expect(place.store.save("never", "a", "", bytes(1))).rejects.toThrow(/FOREIGN KEY/);
  expect(await readdir(join(place.folder, "kept"))).toEqual([]);
});

test("what a killed server has left of containers that are no more is removed at the next start", async () => {
  await using place = await createPlace(12 * KIB);
  place.store.add("one", 0);
  await place.store.save("one", "a", "", bytes(1));
  await mkdir(join(place.folder, "kept", "left"));
  await writeFile(join(place.folder, "kept", "left", "file"), "");
  await place.reopen();
  expect(await readdir(join(place.folder, "kept"))).toEqual(["one"]);
  expect(place.store.files("one").size).toBe(1);
});
