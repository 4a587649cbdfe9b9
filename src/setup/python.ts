/** Finds a Python of this machine whose copy can become the sandbox's. */
import { fileURLToPath } from "node:url";
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import { run } from "./run.ts";

const pythonSchema = z.object({
  version: z.tuple([z.number(), z.number(), z.number()]),
  implementation: z.string(),
  executable: z.string(),
  prefix: z.string(),
  platformFolder: z.string(),
  standardLibrary: z.string(),
  packagesFolder: z.string(),
  multiarch: z.string(),
  libraryFolders: z.array(z.string()),
  freeThreaded: z.boolean(),
  hasPip: z.boolean(),
  hasVenv: z.boolean(),
  mimeTypes: z.record(z.string(), z.string()),
});

export type Python = z.infer<typeof pythonSchema>;

const OLDEST_MINOR = 11;
/** The lock file has wheels up to this one. */
const NEWEST_MINOR = 14;

/** `python3.14` to `python3.11`, then whatever `python3` is. */
const NAMES = [...newestFirst().map((minor) => `python3.${minor}`), "python3"];

const DESCRIBE = fileURLToPath(new URL("../../python/setup/describe.py", import.meta.url));

/** Throws `not_found`, saying what was seen, when none will do. `names` are programs to try, in order. */
export async function findPython(
  signal: AbortSignal,
  names: readonly string[] = NAMES,
): Promise<Python> {
  const refused: string[] = [];
  for (const name of names) {
    // -I keeps PYTHONPATH and the user's own packages out of the answer.
    const { code, stdout } = await run(name, ["-I", DESCRIBE], { signal });
    if (code === 127) continue;
    const python = parsePython(stdout);
    const objection = python ? objectionTo(python) : await objectionToSilent(name, signal);
    if (python && !objection) return python;
    if (objection) refused.push(objection);
  }
  const wanted = `Python 3.${OLDEST_MINOR} to 3.${NEWEST_MINOR}`;
  const help =
    "install one (on Debian and Ubuntu: apt-get install python3 python3-venv) and run this again";
  throw new GatewayError(
    "not_found",
    refused.length === 0
      ? `Curta needs ${wanted} and finds no Python on the PATH: ${help}.`
      : `Curta needs ${wanted} and finds only ${[...new Set(refused)].join(", ")}: ${help}.`,
  );
}

export function pythonName(python: Python): string {
  return `python${python.version[0]}.${python.version[1]}`;
}

function newestFirst(): number[] {
  return Array.from(
    { length: NEWEST_MINOR - OLDEST_MINOR + 1 },
    (_, index) => NEWEST_MINOR - index,
  );
}

function parsePython(stdout: string): Python | null {
  try {
    return pythonSchema.parse(JSON.parse(stdout));
  } catch {
    // Version managers' shims and very old Pythons answer with an error message instead.
    return null;
  }
}

function objectionTo(python: Python): string | null {
  const [major, minor] = python.version;
  const name = `${python.version.join(".")} (${python.executable})`;
  if (major !== 3 || minor < OLDEST_MINOR) return `the too old ${name}`;
  if (minor > NEWEST_MINOR) return `the too new ${name}`;
  if (python.implementation !== "cpython") return `${python.implementation} ${name}`;
  if (python.freeThreaded) return `the free-threaded ${name}`;
  return null;
}

/** For a Python too old to describe itself: its version, in words that every Python understands. */
async function objectionToSilent(name: string, signal: AbortSignal): Promise<string | null> {
  const { code, stdout } = await run(
    name,
    ["-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"],
    { signal },
  );
  return code === 0 ? `the too old ${stdout.trim()} (${name})` : null;
}
