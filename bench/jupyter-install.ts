/** Jupyter's kernel and client, pinned with hashes, in a folder of the cache that only the benchmark uses. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { SandboxManifest } from "../src/sandbox/environment.ts";
import { makeFolder } from "../src/setup/folder.ts";
import { acquireLock } from "../src/setup/lock.ts";
import { findPython } from "../src/setup/python.ts";
import { createReporter } from "../src/setup/reporter.ts";
import { run } from "../src/setup/run.ts";
import { downloadError } from "../src/setup/tools.ts";
import { ensureUv, uvEnvironment } from "../src/setup/uv.ts";

const REQUIREMENTS = fileURLToPath(new URL("./requirements.txt", import.meta.url));

/** Returns the folder for PYTHONPATH; the data stack itself comes from the sandbox, so it is the same one. */
export async function ensureJupyter(
  cache: string,
  { pythonVersion }: SandboxManifest,
  signal: AbortSignal,
): Promise<string> {
  const key = createHash("sha256")
    .update(`${process.arch} ${pythonVersion} `)
    .update(readFileSync(REQUIREMENTS))
    .digest("hex");
  const folder = join(cache, `bench-${key.slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  const reporter = createReporter(process.stderr);
  using _lock = await acquireLock(
    cache,
    (holder) => reporter.note(`Waiting for ${holder}.`),
    signal,
  );
  const scratch = join(cache, "tmp");
  await mkdir(scratch, { recursive: true });
  const context = { python: await findPython(signal), scratch, reporter, signal };
  const uv = await ensureUv(cache, context);
  const step = reporter.step("Jupyter, to compare with");
  await makeFolder(folder, async (building) => {
    const target = ["--target", building, "--python", context.python.executable];
    const version = ["--python-version", pythonVersion, "--link-mode", "copy"];
    const strict = ["--require-hashes", "--only-binary", ":all:", "-r", REQUIREMENTS];
    const { code, stderr } = await run(uv, ["pip", "install", ...target, ...version, ...strict], {
      signal,
      env: { ...(await uvEnvironment(context)), UV_CACHE_DIR: join(scratch, "uv") },
    });
    if (code !== 0) throw downloadError(REQUIREMENTS, stderr, stderr.trim().slice(0, 600));
  });
  step.end("installed");
  return folder;
}
