/**
 * Builds the sandbox's file system: a tree that stands by itself.
 *
 * Nothing of the host's `/usr` is mounted into a sandbox. What user code may read is copied once: the
 * interpreter, its standard library, the libraries of the lock file, the shared libraries that those
 * need, a shell with its usual tools (programs.ts), fonts, time zones and a handful of files in `/etc`. Code
 * in a Python session can start none of these programs; only shell commands do. Paths inside never name a
 * folder of the host. The tree is proved at the end by importing everything inside bubblewrap, as an
 * unprivileged user, with no network, exactly as sessions will.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import {
  chmod,
  copyFile,
  cp,
  lstat,
  mkdir,
  readFile,
  readdir,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { GatewayError } from "../errors.ts";
import { requireRoom } from "./disk.ts";
import { readElf } from "./elf.ts";
import { makeFolder, walk, watchFolder } from "./folder.ts";
import { FONT_FAMILIES, copyFonts } from "./fonts.ts";
import { locateSandbox } from "./locate-sandbox.ts";
import type { SandboxFolder } from "./locate-sandbox.ts";
import { copyPrograms, PROGRAM_NAMES } from "./programs.ts";
import { proveSandbox } from "./prove-sandbox.ts";
import type { Python } from "./python.ts";
import { lastLine, run } from "./run.ts";
import { treeOf } from "./sandbox-tree.ts";
import type { Tree } from "./sandbox-tree.ts";
import { copySharedLibraries } from "./shared-libraries.ts";
import { downloadError, requirementsFile } from "./tools.ts";
import type { PipContext } from "./tools.ts";

/** Raised whenever this builder makes something else from the same input, so that old folders are not used. */
const BUILDER_VERSION = 4;

/** Measured: what the finished tree and the downloads beside it take at most, with some room. */
const NEEDED_BYTES = 1_600_000_000;
/** Measured: what uv has unpacked when it is done, for the progress bar. */
const UNPACKED_BYTES = 800_000_000;

/** Changes with everything that the folder's content depends on, Python's version apart. */
export function sandboxKey(): string {
  const hash = createHash("sha256").update(
    `${BUILDER_VERSION} ${process.arch} ${FONT_FAMILIES.join()} ${PROGRAM_NAMES.join()}`,
  );
  for (const name of ["requirements", "fonts"]) hash.update(readFileSync(requirementsFile(name)));
  return hash.digest("hex").slice(0, 16);
}

export interface BuildContext extends PipContext {
  cache: string;
  bubblewrap: string;
  uv: string;
  uvEnvironment: NodeJS.ProcessEnv;
}

export async function buildSandbox(context: BuildContext): Promise<SandboxFolder> {
  const { cache, python, signal } = context;
  const key = sandboxKey();
  const home = join(cache, "sandbox");
  await mkdir(home, { recursive: true });
  await requireRoom(home, NEEDED_BYTES, "The sandbox's Python");
  await makeFolder(join(home, `${key}-python${python.version.join(".")}`), async (folder) => {
    const tree = treeOf(python, join(folder, "root"));
    await copyInterpreter(tree, python);
    await installPackages(tree, context);
    const step = context.reporter.step("sandbox: fonts, libraries, bytecode");
    await prunePackages(tree.site);
    await copyFonts(join(tree.root, "usr/share/fonts/curta"), context);
    await writeSystemFiles(tree, python);
    await lengthenZones(tree, python, signal);
    const programs = await copyPrograms(tree, context);
    await copySharedLibraries({
      root: tree.root,
      executable: python.executable,
      ownFolders: [...python.libraryFolders, ...programs.libraryFolders],
      target: tree.libraries,
      signal,
    });
    await hideBuildPaths(tree, python);
    await compileAll(tree, python, signal);
    await setPermissions(tree);
    step.end("done");
    await proveSandbox(folder, tree, programs.names, context);
  });
  const built = locateSandbox(cache, key);
  if (!built)
    throw new GatewayError(
      "internal",
      `The sandbox that was just built is not in ${home}: something removed it; run this again.`,
    );
  return built;
}

/** Parts of the standard library that cannot work inside (windows, installers) or would only cost room. */
const NOT_COPIED = new Set([
  "__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "site-packages", "sitecustomize.py", "test", "tkinter", "turtle.py", "turtledemo", "venv",
]); // prettier-ignore

async function copyInterpreter(tree: Tree, python: Python): Promise<void> {
  await mkdir(join(tree.root, "usr/bin"), { recursive: true });
  await mkdir(join(tree.root, "usr/lib"), { recursive: true });
  await mkdir(join(tree.root, "usr/lib64"), { recursive: true });
  // The loader's path is fixed in every program: /lib64/… on x86_64, /lib/… on aarch64.
  await symlink("usr/bin", join(tree.root, "bin"));
  await symlink("usr/lib", join(tree.root, "lib"));
  await symlink("usr/lib64", join(tree.root, "lib64"));
  await copyFile(python.executable, tree.executable);
  await cp(python.standardLibrary, tree.standardLibrary, {
    recursive: true,
    dereference: true,
    filter: (source) => {
      const name = basename(source);
      return (
        !NOT_COPIED.has(name) &&
        !name.startsWith("config-") &&
        !/^_(tkinter|test|ctypes_test|xxtestfuzz|xxsubinterpreters_test)/.test(name) &&
        !name.endsWith(".a")
      );
    },
  });
  await mkdir(tree.site, { recursive: true });
}

/**
 * The interpreter's files name the folder they were built for, which may be under somebody's home.
 *
 * Overwritten with `/usr` and as many slashes as keep the length, which is the same folder to everybody who
 * reads it: the loader's run paths, `sysconfig`. Where the string ends with the prefix, its last part stays:
 * linkers let a shorter string (there, the version number) share the end of a longer one.
 */
async function hideBuildPaths(tree: Tree, python: Python): Promise<void> {
  const { prefix } = python;
  if (prefix.length <= "/usr".length) return;
  const built = Buffer.from(prefix);
  const same = Buffer.from("/usr".padEnd(prefix.length, "/"));
  const hide = async (path: string): Promise<void> => {
    const bytes = await readFile(path);
    const places: number[] = [];
    for (let at = bytes.indexOf(built); at >= 0; at = bytes.indexOf(built, at + built.length))
      places.push(at);
    for (const at of places) {
      const whole = bytes[at + built.length] !== 0;
      same.copy(bytes, at, 0, whole ? built.length : prefix.lastIndexOf("/") + 1);
    }
    if (places.length > 0) await writeFile(path, bytes);
  };
  await hide(tree.executable);
  for await (const path of walk(join(tree.root, tree.libraries)))
    if (basename(path).startsWith("libpython")) await hide(path);
  for await (const path of walk(tree.standardLibrary)) {
    if (path.startsWith(tree.site)) continue;
    if (path.endsWith(".so") || basename(path).startsWith("_sysconfigdata")) await hide(path);
  }
}

async function installPackages(tree: Tree, context: BuildContext): Promise<void> {
  const { cache, python, signal, uv } = context;
  // Kept until the sandbox is finished: after an interruption nothing is downloaded twice.
  const downloads = join(cache, "tmp", "uv");
  const step = context.reporter.step("sandbox: Python libraries");
  const install = [
    "pip",
    "install",
    "--target",
    tree.site,
    "--python",
    python.executable,
    "--require-hashes",
  ];
  const strict = ["--only-binary", ":all:", "-r", requirementsFile("requirements")];
  const result = await watchFolder(
    downloads,
    (bytes) => step.progress(bytes, UNPACKED_BYTES),
    () =>
      run(uv, [...install, ...strict], {
        signal,
        env: { ...context.uvEnvironment, UV_CACHE_DIR: downloads },
      }),
  );
  if (result.code !== 0)
    throw downloadError(
      "python/requirements.txt",
      result.stderr,
      result.stderr.trim().replaceAll(/\s+/g, " ").slice(0, 600),
    );
  step.end("installed");
}

/** Programs, tests and headers in wheels: nothing inside may run or compile them. */
async function prunePackages(site: string): Promise<void> {
  await rm(join(site, "bin"), { recursive: true, force: true });
  await rm(join(site, ".lock"), { force: true });
  const doomed: string[] = [];
  const visit = async (folder: string, depth: number): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (!entry.isDirectory()) {
        if (/\.(pyx|pxd|pxi|h|hpp|c|cpp|a|lib)$/.test(entry.name)) doomed.push(path);
      } else if (
        entry.name === "tests" ||
        entry.name === "__pycache__" ||
        path === join(site, "pyarrow/include")
      )
        doomed.push(path);
      else if (depth < 12) await visit(path, depth + 1);
    }
  };
  await visit(site, 0);
  for (const path of doomed) await rm(path, { recursive: true, force: true });
}

/** Formats that data comes in and that Python does not know by itself. */
const MIME_TYPES = {
  ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  ".ipynb": "application/x-ipynb+json",
  ".jsonl": "application/jsonl",
  ".md": "text/markdown",
  ".ods": "application/vnd.oasis.opendocument.spreadsheet",
  ".parquet": "application/vnd.apache.parquet",
  ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  ".sqlite": "application/vnd.sqlite3",
  ".webp": "image/webp",
  ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  ".yaml": "application/yaml",
};

async function writeSystemFiles(tree: Tree, python: Python): Promise<void> {
  const { root } = tree;
  for (const folder of [
    "etc",
    "proc",
    "sys",
    "dev",
    "tmp",
    "run",
    "workspace",
    "outputs",
    "home/user",
    "usr/share/curta/matplotlib",
    "usr/lib/locale",
  ]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  const write = (name: string, ...lines: string[]): Promise<void> =>
    writeFile(join(root, "etc", name), `${lines.join("\n")}\n`);
  await write(
    "passwd",
    "root:x:0:0:root:/:/usr/sbin/nologin",
    "user:x:1000:1000:user:/home/user:/bin/bash",
    "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin",
  );
  await write("group", "root:x:0:", "user:x:1000:", "nogroup:x:65534:");
  await write("hosts", "127.0.0.1 localhost", "::1 localhost");
  await write(
    "nsswitch.conf",
    "passwd: files",
    "group: files",
    "hosts: files",
    "services: files",
    "protocols: files",
  );
  await write(
    "mime.types",
    ...Object.entries({ ...MIME_TYPES, ...python.mimeTypes }).map(
      ([suffix, type]) => `${type} ${suffix.replace(/^\./, "")}`,
    ),
  );
  const zones = join("/", tree.site.slice(root.length), "tzdata/zoneinfo");
  await symlink(join("../..", zones), join(root, "usr/share/zoneinfo"));
  await symlink("../usr/share/zoneinfo/Etc/UTC", join(root, "etc/localtime"));
  // From 2.35 on glibc has C.UTF-8 built in; before, it is a folder.
  for (const name of ["C.utf8", "C.UTF-8"]) {
    const source = join("/usr/lib/locale", name);
    if (existsSync(source))
      await cp(source, join(root, "usr/lib/locale", name), { recursive: true, dereference: true });
  }
}

const ZONES = fileURLToPath(new URL("../../python/setup/zones.py", import.meta.url));

/** For libraries that read the first form of a time zone only. */
async function lengthenZones(tree: Tree, python: Python, signal: AbortSignal): Promise<void> {
  const words = ["-I", ZONES, join(tree.site, "tzdata/zoneinfo")];
  const result = await run(python.executable, words, { signal });
  if (result.code !== 0)
    throw new GatewayError("internal", `The time zones could not be written: ${lastLine(result)}`);
}

/** Compiled with the paths that tracebacks show inside, and never checked against the sources again. */
async function compileAll(tree: Tree, python: Python, signal: AbortSignal): Promise<void> {
  const options = [
    "-q",
    "-j",
    "0",
    "-s",
    tree.root,
    "-p",
    "/",
    "--invalidation-mode",
    "unchecked-hash",
  ];
  // Single files of wheels are for other Python versions and do not compile; what matters is imported below.
  await run(
    python.executable,
    ["-I", "-W", "ignore", "-m", "compileall", ...options, tree.standardLibrary],
    { signal },
  );
}

/** Everybody may read everything; the programs and the loader may be run, as nobody but who runs them. */
async function setPermissions(tree: Tree): Promise<void> {
  const loader = readElf(tree.executable)?.interpreter ?? "";
  const programs = dirname(tree.executable);
  for await (const path of walk(tree.root)) {
    const stat = await lstat(path);
    if (stat.isSymbolicLink()) continue;
    const runnable = dirname(path) === programs || basename(path) === basename(loader);
    // Hard links shared with uv's cache, which is removed at the end.
    await chmod(path, runnable ? 0o755 : 0o644);
  }
  const visit = async (folder: string): Promise<void> => {
    await chmod(folder, 0o755);
    for (const entry of await readdir(folder, { withFileTypes: true }))
      if (entry.isDirectory()) await visit(join(folder, entry.name));
  };
  await visit(tree.root);
}
