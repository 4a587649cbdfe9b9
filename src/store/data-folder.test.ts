import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { claimDataFolder } from "./data-folder.ts";

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "curta-data-"))));
afterEach(() => rm(folder, { recursive: true }));

test("a data folder has one server at a time", () => {
  const data = join(folder, "new", "data");
  const claim = claimDataFolder(data);
  expect(() => claimDataFolder(data)).toThrow(
    `Curta is running with the data folder ${data} already (process ${process.pid})`,
  );
  claim[Symbol.dispose]();
  claimDataFolder(data)[Symbol.dispose]();
});

test("a data folder that cannot be used is one sentence", async () => {
  const file = join(folder, "file");
  await writeFile(file, "");
  expect(() => claimDataFolder(join(file, "data"))).toThrow(
    /^The data folder .* cannot be used: ENOTDIR/,
  );
});
