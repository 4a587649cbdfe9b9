import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { openDatabase } from "./database.ts";
import { openFilesStore } from "./files.ts";
import type { FilesStore, NewFile } from "./files.ts";
import { MIGRATIONS } from "./migrations.ts";

const KIB = 1024;

test("a file outlives the server with its record and its bytes", async () => {
  await using place = await createPlace();
  const stored = await place.store.add(file("a.csv", "1,2\n"));
  await place.reopen();
  expect(place.store.get(stored.id)).toEqual(stored);
  expect((await place.store.read(stored.id)).toString()).toBe("1,2\n");
  expect(await new Response(await place.store.stream(stored.id)).text()).toBe("1,2\n");
});

test("the bound on all files holds, small ones count a block, and deleting makes room", async () => {
  await using place = await createPlace({ maxBytes: 12 * KIB });
  const small = await place.store.add(file("1.txt", "x"));
  await place.store.add(file("2.txt", "x".repeat(6 * KIB)));
  const refused = place.store.add(file("3.txt", "x".repeat(4 * KIB)));
  await expect(refused).rejects.toMatchObject({
    code: "invalid_request",
    details: { error_code: "storage_quota_exceeded" },
  });
  await place.store.delete(small.id);
  await place.store.add(file("3.txt", "x".repeat(4 * KIB)));
  await place.reopen();
  await expect(place.store.add(file("4.txt", "x".repeat(4 * KIB)))).rejects.toMatchObject({
    code: "invalid_request",
  });
});

test("many files at once do not pass the bound together", async () => {
  await using place = await createPlace({ maxBytes: 12 * KIB });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, (_, n) => place.store.add(file(`${n}`, "x"))),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(3);
});

test("a file whose time is over is gone, says so, and leaves its room", async () => {
  await using place = await createPlace({ maxBytes: 4 * KIB });
  const short = await place.store.add({
    ...file("short.txt", "x"),
    expiresAt: new Date(place.now + 1000),
  });
  place.now += 1001;
  expect(() => place.store.get(short.id)).toThrow(
    expect.objectContaining({ code: "not_found", details: { error_code: "file_expired" } }),
  );
  expect(place.store.list({ limit: 10 }).files).toEqual([]);
  const next = await place.store.add(file("next.txt", "y"));
  expect(await readdir(join(place.folder, "files"))).toEqual([next.id]);
});

test("bytes without a record are removed at the start, but not those of a write under way", async () => {
  await using place = await createPlace();
  const kept = await place.store.add(file("a.txt", "x"));
  const files = join(place.folder, "files");
  await writeFile(join(files, "file_old.part"), "x");
  await utimes(join(files, "file_old.part"), 0, 0);
  await writeFile(join(files, "file_new.part"), "x");
  await place.reopen();
  expect((await readdir(files)).toSorted()).toEqual([kept.id, "file_new.part"].toSorted());
});

test("an id that climbs out of the folder finds nothing", async () => {
  await using place = await createPlace();
  await expect(place.store.read("../curta.sqlite")).rejects.toMatchObject({ code: "not_found" });
  await expect(place.store.delete("../curta.sqlite")).rejects.toMatchObject({ code: "not_found" });
});

test("a database of a newer release is refused with a sentence", async () => {
  await using place = await createPlace();
  const database = openDatabase(place.folder);
  database.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
  database.close();
  expect(() => openDatabase(place.folder)).toThrow(/newer release/);
});

test("on a full disk nothing is stored and what was there stays", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "curta-full-"));
  try {
    // A file system of two MiB in a mount namespace of its own, so that the disk is really full.
    const program = new URL("../../test/support/fill-disk.ts", import.meta.url).pathname;
    const script = `mount -t tmpfs -o size=2m none ${folder} && exec "$0" ${program} ${folder}`;
    const args = ["--mount", "--map-root-user", "sh", "-c", script, process.execPath];
    if (
      spawnSync("unshare", ["--mount", "--map-root-user", "mount", "-t", "tmpfs", "none", folder])
        .status !== 0
    ) {
      context.skip("this machine allows no mount namespace");
    }
    const { stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", timeout: 20_000 });
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({
      code: "storage_full",
      kept: 1,
      leftOver: 0,
      afterDelete: "stored",
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

interface Place extends AsyncDisposable {
  folder: string;
  store: FilesStore;
  now: number;
  reopen(): Promise<void>;
}

async function createPlace({ maxBytes = 1024 * KIB } = {}): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "curta-store-"));
  const openStore = async () => {
    const opened = openDatabase(folder);
    return {
      database: opened,
      store: await openFilesStore({ database: opened, folder, maxBytes, clock: () => place.now }),
    };
  };
  const place = { folder, now: Date.now() } as Place;
  let { database, store } = await openStore();
  return Object.assign(place, {
    store,
    async reopen() {
      database.close();
      ({ database, store } = await openStore());
      place.store = store;
    },
    async [Symbol.asyncDispose]() {
      database.close();
      await rm(folder, { recursive: true, force: true });
    },
  });
}

function file(filename: string, content: string): NewFile {
  return { filename, mimeType: "text/plain", bytes: Buffer.from(content), downloadable: true };
}
