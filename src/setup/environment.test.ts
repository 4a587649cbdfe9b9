import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { readElf } from "./elf.ts";
import { findEnvironment, locateEnvironment } from "./environment.ts";
import { locateSandbox } from "./locate-sandbox.ts";
import { downloadError } from "./tools.ts";

let cache: string;
beforeEach(async () => (cache = await mkdtemp(join(tmpdir(), "curta-environment-"))));
afterEach(() => rm(cache, { recursive: true }));

test("an empty cache is reported with the command that fills it", () => {
  const config = { cache, embeddedModel: "1.5b", upstreamUrl: "" } as const;
  expect(findEnvironment(config)).toBeNull();
  expect(() => locateEnvironment(config)).toThrow(
    `The sandbox is not set up in ${cache}: run \`npm start\``,
  );
});

test("of several finished sandboxes the newest Python's is taken, never a half-built one", async () => {
  for (const name of [
    "key-python3.9.2",
    "key-python3.11.7",
    "key-python3.12.0.building",
    "other-python3.14.0",
  ]) {
    await mkdir(join(cache, "sandbox", name), { recursive: true });
    const manifest = {
      pythonVersion: name,
      executable: "/usr/bin/python3",
      home: "/usr",
      sitePackages: "/usr/lib",
      libraryPath: "/usr/lib",
      fontListFolder: "/usr/share",
      fontFamilies: [],
      packages: {},
      programs: [],
      sizeBytes: 1,
    };
    await writeFile(join(cache, "sandbox", name, "manifest.json"), JSON.stringify(manifest));
  }
  expect(locateSandbox(cache, "key")?.manifest.pythonVersion).toBe("key-python3.11.7");
  expect(locateSandbox(cache, "absent")).toBeNull();
});

test.each([
  ["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "its hash differs"],
  ["OSError: [Errno 28] No space left on device", "The disk became full"],
  [
    "Failed to establish a new connection: Temporary failure in name resolution",
    "Could not reach the Python package index",
  ],
  ["No solution found", "Could not download uv.txt: detail"],
])("%s", (output, words) => {
  expect(downloadError("/somewhere/uv.txt", output, "detail").message).toContain(words);
});

test("the libraries of a program are read from its file", () => {
  const facts = readElf(process.execPath);
  expect(facts?.needed).toContain("libc.so.6");
  expect(facts?.interpreter).toMatch(/^\/lib.*\/ld-linux/);
  expect(readElf(import.meta.filename)).toBeNull();
});
