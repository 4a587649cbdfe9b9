/**
 * The shell and its tools in a sandbox root: copies of the machine's own programs, and of what its package
 * manager has where the machine lacks one.
 *
 * Nothing is installed on the machine. Missing packages are downloaded with apt-get into the cache's scratch
 * folder, with lists of their own there, which an ordinary user may do as well, and unpacked. What cannot be had
 * is left out and named; without the few that every command needs, set-up says which package is missing.
 * Programs lose set-user-id and every other special bit by being copied.
 */
import { existsSync, realpathSync } from "node:fs";
import { copyFile, link, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { basename, delimiter, join } from "node:path";

import { GatewayError } from "../errors.ts";
import { run } from "./run.ts";
import type { Tree } from "./sandbox-tree.ts";
import type { PipContext } from "./tools.ts";

/** No command gets far without these; every system for people has them. */
const REQUIRED = (
  "bash sh cat chmod cp cut date dirname basename echo env false find grep gzip head ln ls mkdir mktemp mv nl od " +
  "paste printf pwd readlink realpath rm rmdir sed seq sha256sum sleep sort split stat tail tar tee test timeout " +
  "touch tr true uname uniq wc xargs yes awk"
).split(" ");

/** Looked for on the machine and left out without a word where there is none. */
const COMMON = (
  "[ b2sum base32 base64 cksum cmp column comm csplit dd df diff diff3 dir du egrep expand expr factor fgrep fmt fold " +
  "getconf gunzip gzexe hexdump id install join link locale md5sum mkfifo nice nohup nproc numfmt pathchk pr printenv ps ptx rev " +
  "sdiff setsid sha1sum sha224sum sha384sum sha512sum shred shuf sum tac truncate tsort unexpand unlink vdir which whoami xxd " +
  "zcat zcmp zdiff zgrep zless"
).split(" ");

/** Tools that models reach for, with the package that has them where the machine does not; first name, then file. */
const WANTED: readonly { name: string; file?: string; package: string }[] = [
  { name: "gawk", package: "gawk" },
  { name: "zip", package: "zip" },
  { name: "unzip", package: "unzip" },
  { name: "file", package: "file" },
  { name: "jq", package: "jq" },
  { name: "bc", package: "bc" },
  { name: "bzip2", package: "bzip2" },
  { name: "xz", package: "xz-utils" },
  { name: "patch", package: "patch" },
  { name: "tree", package: "tree" },
  { name: "rg", package: "ripgrep" },
  { name: "fd", file: "fdfind", package: "fd-find" },
  { name: "sqlite3", package: "sqlite3" },
];

/** Other names of what is there. */
const ALIASES: Record<string, string> = {
  bunzip2: "bzip2",
  bzcat: "bzip2",
  unxz: "xz",
  xzcat: "xz",
  awk: "gawk",
};

const PROGRAM_FOLDERS = ["usr/bin", "bin", "usr/sbin", "sbin"];
const MAGIC_FILES = [
  "usr/lib/file/magic.mgc",
  "usr/share/misc/magic.mgc",
  "usr/share/file/magic.mgc",
];

/** What this file puts into a root; part of the root's key. */
export const PROGRAM_NAMES: readonly string[] = [
  ...REQUIRED,
  ...COMMON,
  ...WANTED.map(({ name }) => name),
];

export interface CopiedPrograms {
  /** Folders with libraries that the machine does not have. */
  libraryFolders: string[];
  /** Names as they are called inside. */
  names: string[];
}

export async function copyPrograms(tree: Tree, context: PipContext): Promise<CopiedPrograms> {
  const { reporter, scratch, signal } = context;
  const roots = ["/"];
  const lacking = WANTED.filter((wanted) => findProgram(roots, wanted) === null);
  if (lacking.length > 0) {
    const unpacked = await fetchPackages(
      lacking.map((wanted) => wanted.package),
      join(scratch, "packages"),
      signal,
    );
    if (unpacked !== null) roots.push(unpacked);
  }

  const names = new Set<string>();
  const copied = new Map<string, string>();
  const target = join(tree.root, "usr/bin");
  const add = async (name: string, source: string): Promise<void> => {
    const real = realpathSync(source);
    const path = join(target, name);
    const first = copied.get(real);
    // Systems with one program for many names are not copied many times.
    if (first === undefined) await copyFile(real, path);
    else await link(first, path);
    copied.set(real, first ?? path);
    names.add(name);
  };
  for (const name of [...REQUIRED, ...COMMON]) {
    const source = findProgram(roots, { name });
    if (source !== null) await add(name, source);
    else if (REQUIRED.includes(name))
      throw new GatewayError(
        "not_found",
        `The sandbox's shell needs the program ${name}, which this system does not have: install it (bash, coreutils, findutils, grep, sed, gawk, tar and gzip have all of them), then run this again.`,
      );
  }
  const missing: string[] = [];
  for (const wanted of WANTED) {
    const source = findProgram(roots, wanted);
    if (source === null) missing.push(wanted.name);
    else if (!names.has(wanted.name)) await add(wanted.name, source);
  }
  await addAliases(target, names);
  await addPython(tree, names);
  await copyMagic(tree.root, roots);
  if (missing.length > 0)
    reporter.note(
      `The sandbox's shell goes without ${missing.join(", ")}: install what you miss on this system, remove the cache's sandbox folder, and run this again.`,
    );
  return { libraryFolders: await libraryFolders(roots.slice(1)), names: [...names].toSorted() };
}

function findProgram(
  roots: readonly string[],
  { name, file = name }: { name: string; file?: string },
): string | null {
  const own = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder.startsWith("/usr/"));
  for (const root of roots) {
    const folders = PROGRAM_FOLDERS.map((folder) => join(root, folder));
    for (const folder of root === "/" ? [...folders, ...own] : folders) {
      for (const candidate of new Set([file, name])) {
        const path = join(folder, candidate);
        if (existsSync(path)) return path;
      }
    }
  }
  return null;
}

async function addAliases(target: string, names: Set<string>): Promise<void> {
  for (const [alias, program] of Object.entries(ALIASES)) {
    if (!names.has(program) || names.has(alias)) continue;
    await symlink(program, join(target, alias));
    names.add(alias);
  }
}

/** Python by its usual names, and a `pip` that says what it can and cannot do. */
async function addPython(tree: Tree, names: Set<string>): Promise<void> {
  const target = join(tree.root, "usr/bin");
  for (const name of ["python", "python3"]) {
    await symlink(basename(tree.executable), join(target, name));
    names.add(name);
  }
  for (const name of ["pip", "pip3"]) {
    await writeFile(join(target, name), PIP);
    names.add(name);
  }
}

const PIP = `#!/usr/bin/python3
"""pip, as far as it makes sense without a network: it lists and shows."""

import importlib.metadata
import sys

command = next((word for word in sys.argv[1:] if not word.startswith("-")), "help")
found = sorted((d.name, d.version) for d in importlib.metadata.distributions())
if command in ("list", "freeze"):
    for name, version in found:
        print(f"{name}=={version}" if command == "freeze" else f"{name:<28} {version}")
elif command == "show":
    wanted = {word.lower().replace("_", "-") for word in sys.argv[2:]}
    shown = [(name, version) for name, version in found if name.lower().replace("_", "-") in wanted]
    for name, version in shown:
        print(f"Name: {name}\\nVersion: {version}")
    if not shown:
        sys.exit("WARNING: Package(s) not found: " + ", ".join(sorted(wanted)))
else:
    sys.exit(
        "pip: nothing can be installed or removed here: the sandbox has no network. "
        "'pip list' shows the libraries that are there."
    )
`;

async function copyMagic(root: string, roots: readonly string[]): Promise<void> {
  const source = roots
    .flatMap((from) => MAGIC_FILES.map((file) => join(from, file)))
    .find((file) => existsSync(file));
  if (source === undefined) return;
  await mkdir(join(root, "usr/share/misc"), { recursive: true });
  await copyFile(realpathSync(source), join(root, "usr/share/misc/magic.mgc"));
}

async function libraryFolders(roots: readonly string[]): Promise<string[]> {
  const folders: string[] = [];
  for (const root of roots) {
    for (const parent of ["usr/lib", "lib"].map((name) => join(root, name))) {
      if (!existsSync(parent)) continue;
      folders.push(parent);
      for (const entry of await readdir(parent, { withFileTypes: true }))
        if (entry.isDirectory()) folders.push(join(parent, entry.name));
    }
  }
  return folders;
}

/**
 * Downloads packages, with what they need that the system lacks, and unpacks them. Null where there is no
 * apt-get, or where it has no network: what is missing is then left out.
 */
async function fetchPackages(
  names: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<string | null> {
  const archives = join(folder, "cache/archives");
  const unpacked = join(folder, "unpacked");
  for (const path of [join(folder, "lists/partial"), join(archives, "partial"), unpacked])
    await mkdir(path, { recursive: true });
  const options = [
    `Dir::State::lists=${join(folder, "lists")}`,
    `Dir::Cache=${join(folder, "cache")}`,
    "Debug::NoLocking=1",
    // Of root's, who would give the work to a user that cannot enter the folder.
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
  const apt = async (...words: string[]): Promise<boolean> => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
    return (await run("apt-get", [...options, "-qq", ...words], { signal, env })).code === 0;
  };
  if (!(await apt("update"))) return null;
  const download = ["-y", "--no-install-recommends", "--download-only", "install"];
  // One that the distribution does not have must not cost the others.
  if (!(await apt(...download, ...names))) for (const name of names) await apt(...download, name);
  for (const name of await readdir(archives)) {
    if (!name.endsWith(".deb")) continue;
    await run("dpkg-deb", ["-x", join(archives, name), unpacked], { signal });
  }
  return unpacked;
}
