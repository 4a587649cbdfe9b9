/**
 * The Python clients of the tests: installed once into the cache folder by the uv that set-up pins, under a
 * name with the hash of their lock file, and found there by every later run.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { makeFolder } from "../../src/setup/folder.ts";
import { acquireLock } from "../../src/setup/lock.ts";
import { findPython, pythonName } from "../../src/setup/python.ts";
import { createReporter } from "../../src/setup/reporter.ts";
import { lastLine, run } from "../../src/setup/run.ts";
import { downloadError, requirementsFile, type PipContext } from "../../src/setup/tools.ts";
import { ensureUv, uvEnvironment } from "../../src/setup/uv.ts";

export interface PythonClients {
  /** The interpreter. */
  python: string;
  /** To be put on its path. */
  packages: string;
}

export async function ensurePythonClients(
  cache: string,
  name: "clients" | "clients-old" | "suites" = "clients",
): Promise<PythonClients> {
  const { signal } = new AbortController();
  const lockFile = requirementsFile(name);
  const python = await findPython(signal);
  const hash = createHash("sha256")
    .update(await readFile(lockFile))
    .digest("hex")
    .slice(0, 16);
  const packages = join(cache, `${name}-${hash}-${pythonName(python)}`);
  const found = { python: python.executable, packages };
  if (existsSync(packages)) return found;

  const reporter = createReporter(process.stderr);
  const scratch = join(cache, "tmp");
  await mkdir(scratch, { recursive: true });
  using _lock = await acquireLock(
    cache,
    (holder) => reporter.note(`Waiting for ${holder}.`),
    signal,
  );
  if (existsSync(packages)) return found;
  const context: PipContext = { python, scratch, reporter, signal };
  const uv = await ensureUv(cache, context);
  await makeFolder(packages, async (folder) => {
    const installed = await run(
      uv,
      ["pip", "install", "--require-hashes", "--no-build", "--compile-bytecode", "--target", folder]
        .concat(["--python", python.executable])
        .concat(["-r", lockFile]),
      { signal, env: await uvEnvironment(context) },
    );
    if (installed.code !== 0)
      throw downloadError(
        lockFile,
        `${installed.stdout}\n${installed.stderr}`,
        lastLine(installed),
      );
  });
  return found;
}
