import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { findPython } from "./python.ts";

const signal = new AbortController().signal;
let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "curta-python-"))));
afterEach(() => rm(folder, { recursive: true }));

test("the first that will do is taken; shims that lead nowhere are passed over", async () => {
  const shim = await program(
    "python3.14",
    'echo "pyenv: version 3.14 is not installed" >&2; exit 127',
  );
  const free = await describing("python3.13t", [3, 13, 0], { freeThreaded: true });
  const good = await describing("python3.12", [3, 12, 4]);
  const python = await findPython(signal, [join(folder, "absent"), shim, free, good]);
  expect(python.version).toEqual([3, 12, 4]);
});

test.each([
  ["too old", [3, 10, 13], "the too old 3.10.13"],
  ["too new", [3, 15, 0], "the too new 3.15.0"],
])("a Python that is %s is named in the sentence", async (_what, version, words) => {
  const only = await describing("python3", version);
  await expect(findPython(signal, [only])).rejects.toThrow(
    `Curta needs Python 3.11 to 3.14 and finds only ${words} (${only}): install one`,
  );
});

test("a Python too old to describe itself is still asked for its version", async () => {
  const ancient = await program("python3", 'if [ "$1" = -c ]; then echo 2.7.18; else exit 1; fi');
  await expect(findPython(signal, [ancient])).rejects.toThrow(
    `finds only the too old 2.7.18 (${ancient})`,
  );
});

test("no Python at all", async () => {
  await expect(findPython(signal, [join(folder, "absent")])).rejects.toThrow(
    "finds no Python on the PATH",
  );
});

function describing(name: string, version: number[], more: object = {}): Promise<string> {
  const facts = {
    version,
    implementation: "cpython",
    executable: join(folder, name),
    prefix: "/usr",
    platformFolder: "lib",
    standardLibrary: "/usr/lib/python3",
    packagesFolder: "site-packages",
    multiarch: "x86_64-linux-gnu",
    libraryFolders: [],
    freeThreaded: false,
    hasPip: true,
    hasVenv: true,
    mimeTypes: {},
    ...more,
  };
  return program(name, `echo '${JSON.stringify(facts)}'`);
}

async function program(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}
