/**
 * The zygote's process (`python/kernel/zygote.py`), started inside bubblewrap.
 *
 * bubblewrap gives it a file tree of its own that holds the sandbox's root read-only, the folder with
 * the server's socket, a handful of devices and nothing else of the host; no network, no capabilities,
 * no environment. A server that runs as root starts it as a user that nobody else is: what runs inside
 * is then unprivileged in the eyes of the kernel too, which is what keeps /proc/sys shut.
 *
 * The server reaches it by a socket in a folder of mode 0700. Two connections make a container, one to
 * its keeper and one to its session. bubblewrap ends with the server (`--die-with-parent`), and
 * standard input closes with it too; containers end when their keeper's connection does.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  mkdtempSync,
  renameSync,
  rmSync,
  readdirSync,
  readFileSync,
  statSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import type { Environment } from "./environment.ts";
import { prepareControlGroups, type ControlGroups } from "./cgroup.ts";
import type { Layers } from "./layers.ts";
import { encodeFrame, FrameReader } from "../kernel/channel.ts";

export interface Connection {
  keeper: Socket;
  channel: Socket;
  token: Buffer;
}

export interface Zygote {
  /** Version of the control groups that containers get, or the reason why there are none. */
  readonly controlGroups: 1 | 2 | string;
  /** Version of Landlock that the kernel has, 0 for none. */
  readonly landlock: number;
  /** `waits`: it is made for the pool. */
  connect(container: string, waits: boolean): Promise<Connection>;
  /** Resolves with a sentence when the process has ended, for whatever reason. */
  readonly exited: Promise<string>;
  close(): Promise<void>;
}

/** No account has this number, and none should: a user of its own is what separates it from all others. */
export const SANDBOX_USER = 62_842;

const START_MS_MAX = 120_000;
const CONNECT_MS_MAX = 10_000;
const SOCKET_PATH_MAX = 100;

const listening = z.object({
  ev: z.literal("listening"),
  baseline: z.number(),
  python: z.string(),
  landlock: z.number(),
});

export async function startZygote(
  config: Config,
  environment: Environment,
  log: (line: string) => void,
  without: Layers = [],
): Promise<Zygote> {
  const asRoot = process.getuid?.() === 0;
  const folder = makeSocketFolder(config, asRoot);
  const socketPath = join(folder, "zygote");
  const kernelFolder = installKernel(config);
  const user = asRoot ? SANDBOX_USER : process.getuid!();
  const { groups, reason } = prepareControlGroups(user);
  const words = bubblewrapArguments(config, environment, folder, kernelFolder, groups, without);
  // The shell waits for a line, so that the process is in its control group before it starts others.
  const child = spawn(
    "/bin/sh",
    ["-c", 'read -r _ && exec "$@"', "sh", environment.bubblewrap, ...words],
    {
      stdio: ["pipe", "pipe", "pipe"],
      env: {},
      cwd: "/",
      // A process group of its own: Ctrl-C in a terminal goes to the server's, and the server lets the code that
      // runs end first.
      detached: true,
      ...(asRoot ? { uid: SANDBOX_USER, gid: SANDBOX_USER } : {}),
    },
  );
  const complaints = keepLastLines(child, log);
  let removed: Promise<void> | undefined;
  const exited = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(`bubblewrap could not be started: ${error.message}`));
    child.on("exit", (code, signal) => {
      rmSync(folder, { recursive: true, force: true });
      removed = groups?.remove();
      resolve(
        `the sandbox's zygote ended with ${signal ?? `code ${code}`}: ${complaints() || "it said nothing"}`,
      );
    });
  });
  child.stdin.on("error", () => {});
  if (child.pid !== undefined) groups?.adopt(child.pid);
  child.stdin.write("go\n");
  let heard: z.infer<typeof listening>;
  try {
    heard = await waitUntilListening(child, exited);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return {
    controlGroups: groups?.version ?? reason,
    landlock: heard.landlock,
    exited,
    async connect(container, waits) {
      const token = randomBytes(16);
      const keeper = await open(socketPath, { container, role: "keeper" });
      try {
        const channel = await open(socketPath, {
          container,
          role: "session",
          token: token.toString("hex"),
          waits,
        });
        return { keeper, channel, token };
      } catch (error) {
        keeper.destroy();
        throw error;
      }
    },
    async close() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
      await exited;
      clearTimeout(timer);
      await removed;
    },
  };
}

function bubblewrapArguments(
  config: Config,
  environment: Environment,
  socketFolder: string,
  kernelFolder: string,
  groups: ControlGroups | null,
  without: Layers,
): string[] {
  const { manifest } = environment;
  const settings = {
    socket: "/server/zygote",
    kernel: "/kernel",
    memoryMb: config.memoryMb,
    filesMb: config.filesMb,
    fileCount: config.fileCount,
    processes: config.processes,
    outputBytes: config.outputMb << 20,
    without: [...config.weaken.split(",").filter((name) => name === "seccomp"), ...without],
    cgroup: groups?.version ?? 0,
  };
  return [
    ...WALLS,
    ...rootMounts(environment.sandboxFolder),
    ...OWN_FOLDERS,
    ...DEVICES.flatMap((name) => ["--dev-bind", `/dev/${name}`, `/devices/${name}`]),
    ...DEVICE_LINKS,
    ...Object.entries(groups?.folders ?? {}).flatMap(([name, path]) =>
      bind(path, `/cgroup/${name}`),
    ),
    ...bind(socketFolder, "/server"),
    "--ro-bind",
    kernelFolder,
    "/kernel",
    ...Object.entries(variables(config, environment)).flatMap(([name, value]) => [
      "--setenv",
      name,
      value,
    ]),
    "--chdir",
    "/tmp",
    "--",
    manifest.executable,
    "-B",
    "-S",
    "-c",
    LAUNCHER,
    JSON.stringify(settings),
  ];
}

const WALLS = (
  "--unshare-user --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup-try " +
  "--die-with-parent --new-session --cap-drop ALL --hostname sandbox --clearenv"
).split(" ");

/** `/stage` is where a keeper puts its container's tree together; see python/kernel/isolation.py. */
const OWN_FOLDERS = (
  "--proc /proc --dev /dev --tmpfs /tmp --dir /stage --dir /workspace " +
  "--tmpfs /devices --dir /devices/shm --dir /devices/empty --tmpfs /programs"
).split(" ");

const DEVICES = ["null", "zero", "full", "random", "urandom"];

const DEVICE_LINKS = (
  "--symlink /proc/self/fd /devices/fd --symlink /proc/self/fd/0 /devices/stdin " +
  "--symlink /proc/self/fd/1 /devices/stdout --symlink /proc/self/fd/2 /devices/stderr " +
  "--remount-ro /devices"
).split(" ");

/** The sandbox's root twice: under /base for the containers, and at the paths that Python is built for. */
function rootMounts(sandboxFolder: string): string[] {
  const root = join(sandboxFolder, "root");
  const names = ["usr", "lib", "lib64", "lib32", "bin", "etc"];
  return [
    "--ro-bind",
    sandboxFolder,
    "/base",
    ...names.flatMap((name) => {
      const path = join(root, name);
      const status = lstatSync(path, { throwIfNoEntry: false });
      if (status === undefined) return [];
      const isLink = status.isSymbolicLink();
      return isLink
        ? ["--symlink", readlinkSync(path), `/${name}`]
        : ["--ro-bind", path, `/${name}`];
    }),
  ];
}

function bind(source: string, target: string): string[] {
  return ["--bind", source, target];
}

/** `-S` keeps site's search of other folders out; the data stack's folder is the only one added. */
const LAUNCHER = [
  "import sys, os",
  "sys.path[:0] = ['/kernel']",
  "sys.path.append(os.environ['CURTA_SITE_PACKAGES'])",
  "import site, builtins",
  "site.setcopyright(); site.sethelper()",
  "from kernel.forks import keep_hooks",
  "keep_hooks()",
  "from kernel.zygote import main",
  "main()",
].join("\n");

/** The environment of every cell. What OpenMP starts would not survive a fork; of BLAS's threads see python/kernel/blas.py. */
function variables(config: Config, { manifest }: Environment): Record<string, string> {
  return {
    HOME: "/home/user",
    USER: "user",
    LOGNAME: "user",
    PATH: "/usr/bin:/bin",
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    TMPDIR: "/tmp",
    INPUT_DIR: "/workspace",
    MPLBACKEND: "agg",
    MPLCONFIGDIR: "/tmp/matplotlib",
    PYTHONHOME: manifest.home,
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONUNBUFFERED: "1",
    IPYTHONDIR: "/tmp/ipython",
    OPENBLAS_NUM_THREADS: String(config.blasThreads),
    // For how many ticks, a power of two, an idle thread of it looks for work before it sleeps: a tenth of a millisecond.
    ...(config.blasThreads > 1 ? { OPENBLAS_THREAD_TIMEOUT: "18" } : {}),
    OMP_NUM_THREADS: "1",
    MKL_NUM_THREADS: "1",
    NUMEXPR_NUM_THREADS: "1",
    ARROW_DEFAULT_MEMORY_POOL: "system",
    // Memory of large arrays goes back to the kernel when it is freed: reused after a checkpoint's fork, each of
    // its pages would cost a copy of what nobody needs, instead of a page of zeros (huge where numpy asks for it).
    GLIBC_TUNABLES: "glibc.malloc.mmap_threshold=1048576:glibc.malloc.trim_threshold=4194304",
    // No thread that could write to memory while the zygote's is mapped anew.
    JE_ARROW_MALLOC_CONF: "background_thread:false",
    LOKY_MAX_CPU_COUNT: "1",
    CURTA_SITE_PACKAGES: manifest.sitePackages,
    CURTA_FONT_LIST: manifest.fontListFolder,
    CURTA_FONTS: manifest.fontFamilies.join(","),
  };
}

/**
 * The kernel's source, where the sandbox's user can read it: a checkout may lie under a closed home. It
 * goes into the cache, or into the data folder of a server that may only read the cache.
 */
function installKernel(config: Config): string {
  const source = fileURLToPath(new URL("../../python/kernel", import.meta.url));
  const hash = createHash("sha256");
  for (const name of readdirSync(source).toSorted()) {
    if (name.endsWith(".py")) hash.update(name).update(readFileSync(join(source, name)));
  }
  const version = hash.digest("hex").slice(0, 16);
  const shared = join(config.cache, "kernel", version);
  if (existsSync(shared)) return shared;
  try {
    return copyKernel(source, shared);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EACCES" && code !== "EROFS" && code !== "EPERM") throw error;
    const own = join(config.data, "kernel", version);
    return existsSync(own) ? own : copyKernel(source, own);
  }
}

function copyKernel(source: string, target: string): string {
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  const building = mkdtempSync(`${target}.`);
  cpSync(source, join(building, "kernel"), {
    recursive: true,
    filter: (path) => !path.includes("__pycache__"),
  });
  openToReaders(building);
  try {
    renameSync(building, target);
  } catch (error) {
    // Another start has made the same folder in the meantime.
    rmSync(building, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

function openToReaders(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToReaders(path);
    else chmodSync(path, 0o644);
  }
}

/** A folder that only the sandbox's user may enter, with a path short enough for a socket. */
function makeSocketFolder(config: Config, asRoot: boolean): string {
  const wanted = join(config.data, "run");
  const isShort = wanted.length + 20 <= SOCKET_PATH_MAX;
  const parent = isShort && !(asRoot && isBelowClosed(config.data)) ? wanted : tmpdir();
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  if (asRoot && parent === wanted) makeReachable(config.data, wanted);
  const folder = mkdtempSync(join(parent, "zygote-"));
  if (asRoot) chownSync(folder, SANDBOX_USER, SANDBOX_USER);
  return folder;
}

/** Whether a folder above is closed to others, as root's home is: the sandbox's user could not pass it. */
function isBelowClosed(folder: string): boolean {
  const above = dirname(resolve(folder));
  if (above === resolve(folder)) return false;
  if (existsSync(above) && (statSync(above).mode & 0o001) === 0) return true;
  return isBelowClosed(above);
}

/** The data folder stays closed to listing; the sandbox's user may only pass through to its socket. */
function makeReachable(data: string, run: string): void {
  chmodSync(data, 0o711);
  chmodSync(run, 0o711);
}

function keepLastLines(child: ChildProcess, log: (line: string) => void): () => string {
  let last = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    last = (last + text).slice(-2000);
    log(text.trimEnd().slice(0, 2000));
  });
  return () => last.trim().split("\n").slice(-3).join(" ");
}

async function waitUntilListening(
  child: ChildProcess,
  exited: Promise<string>,
): Promise<z.infer<typeof listening>> {
  const reader = new FrameReader({ headerBytes: 65_536, payloadBytes: 0 });
  const heard = new Promise<z.infer<typeof listening>>((resolve, reject) => {
    child.stdout!.on("data", (chunk: Buffer) => {
      try {
        for (const frame of reader.read(chunk)) resolve(listening.parse(frame.header));
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
  const late = AbortSignal.timeout(START_MS_MAX);
  return await Promise.race([
    heard,
    exited.then((sentence): never => {
      throw new GatewayError("internal", `The sandbox did not start: ${sentence}.`);
    }),
    new Promise<never>((_, reject) => {
      late.addEventListener("abort", () =>
        reject(new GatewayError("internal", "The sandbox did not start within two minutes.")),
      );
    }),
  ]);
}

function open(path: string, hello: object): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.setTimeout(CONNECT_MS_MAX, () =>
      socket.destroy(new Error("the zygote does not answer")),
    );
    socket.once("error", (cause) =>
      reject(
        new GatewayError("overloaded", "No container could be made just now.", {
          cause,
          retryAfterSeconds: 2,
        }),
      ),
    );
    socket.once("connect", () => {
      socket.setTimeout(0);
      socket.write(encodeFrame(hello));
      resolve(socket);
    });
  });
}
