/** uv, the installer that makes the sandbox's Python in seconds; pinned, and never installed into the system. */
import { existsSync } from "node:fs";
import { chmod, copyFile, rm } from "node:fs/promises";
import { join } from "node:path";

import { makeFolder } from "./folder.ts";
import { run } from "./run.ts";
import { requirementsFile, unpackWheel } from "./tools.ts";
import type { PipContext } from "./tools.ts";

const VERSION = "0.13.8";

export async function ensureUv(cache: string, context: PipContext): Promise<string> {
  const folder = join(cache, "tools", `uv-${VERSION}`);
  const program = join(folder, "uv");
  if (existsSync(program)) return program;
  const step = context.reporter.step("uv");
  await makeFolder(folder, async (building) => {
    const wheel = join(building, "wheel");
    await unpackWheel(requirementsFile("uv"), wheel, context);
    await copyFile(join(wheel, `uv-${VERSION}.data`, "scripts", "uv"), join(building, "uv"));
    await chmod(join(building, "uv"), 0o755);
    await rm(wheel, { recursive: true });
  });
  step.end(`${VERSION} from PyPI`);
  return program;
}

/** uv's environment: the index that pip is configured with, unless the user configured uv itself. */
export async function uvEnvironment(context: PipContext): Promise<NodeJS.ProcessEnv> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    TMPDIR: context.scratch,
    UV_NO_PROGRESS: "1",
    UV_PYTHON_DOWNLOADS: "never",
  };
  if (env.UV_INDEX_URL || env.UV_DEFAULT_INDEX || env.UV_INDEX) return env;
  const { stdout } = await run(context.python.executable, ["-m", "pip", "config", "list"], {
    signal: context.signal,
  });
  const index = /^(?:global|install|:env:)\.index-url='(.+)'$/m.exec(stdout)?.[1];
  return index ? { ...env, UV_DEFAULT_INDEX: index } : env;
}
