/**
 * Copies into a root every shared library that its files need from the host.
 *
 * Libraries that a wheel brings along are found through their own run paths; only what the host's loader
 * would find in its folders is copied, with whatever that needs in turn.
 */
import { copyFile, mkdir, realpath } from "node:fs/promises";
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { GatewayError } from "../errors.ts";
import { readElf } from "./elf.ts";
import { walk } from "./folder.ts";
import { run } from "./run.ts";

/** Loaded by name at run time, so no file lists them: user lookup, thread cancellation, the system-call filter. */
const LOADED_BY_NAME = [
  "libnss_files.so.2",
  "libresolv.so.2",
  "libgcc_s.so.1",
  "libseccomp.so.2",
  "libm.so.6",
  "libdl.so.2",
  "librt.so.1",
  "libpthread.so.0",
];

export interface LibraryOptions {
  root: string;
  /** The interpreter's place on the host. */
  executable: string;
  /** Folders of the interpreter's own libraries, looked into first. */
  ownFolders: readonly string[];
  /** Where libraries go, below the root: `usr/lib/x86_64-linux-gnu`. */
  target: string;
  signal: AbortSignal;
}

export async function copySharedLibraries(options: LibraryOptions): Promise<void> {
  const { root, target } = options;
  const index = await hostLibraries(options.signal);
  const find = (name: string): string | undefined =>
    options.ownFolders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ??
    index.get(name);

  const { needed, bundled } = await readRoot(root);
  const interpreter = readElf(options.executable)?.interpreter;
  if (!interpreter)
    throw new GatewayError(
      "internal",
      `${options.executable} is not a program that Curta can copy: install the distribution's python3.`,
    );
  await mkdir(join(root, target), { recursive: true });
  await mkdir(join(root, dirname(interpreter)), { recursive: true });
  await copyFile(interpreter, join(root, interpreter));

  const waiting = [...needed, ...LOADED_BY_NAME];
  const done = new Set([basename(interpreter)]);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (done.has(name)) continue;
    done.add(name);
    const source = find(name);
    if (source) {
      await copyFile(await realpath(source), join(root, target, name));
      waiting.push(...(readElf(source)?.needed ?? []));
    } else if (!bundled.has(name) && !LOADED_BY_NAME.includes(name)) {
      throw new GatewayError(
        "internal",
        `The sandbox needs the library ${name}, which this system does not have: install its package, then run this again.`,
      );
    }
  }
}

/** Names needed and names present among all ELF files of the root. */
async function readRoot(root: string): Promise<{ needed: Set<string>; bundled: Set<string> }> {
  const needed = new Set<string>();
  const bundled = new Set<string>();
  for await (const path of walk(root)) {
    const name = basename(path);
    const isProgram = path.startsWith(join(root, "usr/bin/"));
    if (!name.includes(".so") && !isProgram) continue;
    bundled.add(name);
    for (const library of readElf(path)?.needed ?? []) needed.add(library);
  }
  return { needed, bundled };
}

/** Every library that the host's loader knows, by name. */
async function hostLibraries(signal: AbortSignal): Promise<Map<string, string>> {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: "C" };
  const { code, stdout } = await run("ldconfig", ["-p"], { signal, env });
  if (code !== 0)
    throw new GatewayError(
      "internal",
      "Could not list this system's libraries with ldconfig -p: install the C library's tools (libc-bin), then run this again.",
    );
  const architecture = process.arch === "arm64" ? "AArch64" : "x86-64";
  const libraries = new Map<string, string>();
  for (const [, name, kind, path] of stdout.matchAll(/^\s*(\S+) \(([^)]*)\) => (\S+)$/gm)) {
    // The first one listed is the one that the loader takes.
    if (name && path && kind?.includes(architecture) && !libraries.has(name))
      libraries.set(name, path);
  }
  return libraries;
}
