import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { GatewayError } from "../errors.ts";
import { requireRoom } from "./disk.ts";
import { folderBytes, makeFolder } from "./folder.ts";

let home: string;
beforeEach(async () => (home = await mkdtemp(join(tmpdir(), "curta-folder-"))));
afterEach(() => rm(home, { recursive: true }));

test("a folder is not there until it is complete", async () => {
  await makeFolder(join(home, "place"), (folder) => {
    expect(existsSync(join(home, "place"))).toBe(false);
    return writeFile(join(folder, "whole"), "x");
  });
  expect(await readdir(home)).toEqual(["place"]);
  expect(await readdir(join(home, "place"))).toEqual(["whole"]);
});

test("a failed attempt leaves nothing", async () => {
  const attempt = makeFolder(join(home, "place"), async () => {
    throw new Error("no luck");
  });
  await expect(attempt).rejects.toThrow("no luck");
  expect(await readdir(home)).toEqual([]);
});

test("sizes are summed through folders, and a folder that is not there has none", async () => {
  await mkdir(join(home, "deep", "er"), { recursive: true });
  await writeFile(join(home, "one"), "123");
  await writeFile(join(home, "deep", "er", "two"), "12345");
  expect(await folderBytes(home)).toBe(8);
  expect(await folderBytes(join(home, "absent"))).toBe(0);
});

test("no room is said with both figures", async () => {
  const refused = requireRoom(home, 1e18, "The embedded model");
  await expect(refused).rejects.toThrow(GatewayError);
  await expect(refused).rejects.toThrow(
    /^The embedded model needs 1000000000\.00 GB and .+ has [\d.]+ [GMk]B free: make room there, or set CURTA_CACHE/,
  );
  await requireRoom(home, 1, "Nothing");
});
