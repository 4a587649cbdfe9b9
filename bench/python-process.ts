/**
 * Contestants written in Python, as processes that answer one request at a time on descriptor 3.
 *
 * They run the sandbox's own interpreter and libraries, on the host and without any protection, so that
 * what differs from Curta is Curta. They time themselves: the way to them is no part of their figure.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";

import type { Environment } from "../src/sandbox/environment.ts";

export interface PythonInstall {
  executable: string;
  env: Record<string, string>;
}

export interface Reply {
  ms: number;
  stdout: string;
  pid: number;
}

export interface PythonProcess extends AsyncDisposable {
  ask(request: object): Promise<Reply>;
  /** Resolves when it has printed that many bytes more than before. */
  waitUntilPrinted(bytes: number): Promise<void>;
  processId: number;
}

const STOP_MS_MAX = 10_000;

/** The sandbox's interpreter as a program of the host, with the sandbox's number of BLAS threads. */
export function locatePython(
  { sandboxFolder, manifest }: Environment,
  scratch: string,
): PythonInstall {
  const root = join(sandboxFolder, "root");
  const source = fileURLToPath(new URL("../python", import.meta.url));
  return {
    executable: join(root, manifest.executable),
    env: {
      PATH: "/usr/bin:/bin",
      LANG: "C.UTF-8",
      HOME: scratch,
      PYTHONHOME: join(root, manifest.home),
      PYTHONPATH: [join(root, manifest.sitePackages), source].join(":"),
      PYTHONDONTWRITEBYTECODE: "1",
      LD_LIBRARY_PATH: join(root, manifest.libraryPath),
      MPLBACKEND: "agg",
      MPLCONFIGDIR: join(scratch, "matplotlib"),
      OPENBLAS_NUM_THREADS: "1",
      OMP_NUM_THREADS: "1",
      MKL_NUM_THREADS: "1",
    },
  };
}

export async function startPython(program: string, python: PythonInstall): Promise<PythonProcess> {
  const file = fileURLToPath(new URL(`./python/${program}.py`, import.meta.url));
  const child = spawn(python.executable, [file], {
    stdio: ["ignore", "pipe", "inherit", "pipe"],
    env: python.env,
  });
  const channel = child.stdio[3] as Duplex;
  const end = once(child, "exit");
  const lines = createInterface({ input: channel })[Symbol.asyncIterator]();
  let awaited = { bytes: 0, resolve: () => {} };
  child.stdout!.on("data", (chunk: Buffer) => {
    awaited.bytes -= chunk.length;
    if (awaited.bytes <= 0) awaited.resolve();
  });

  const read = async () => {
    const line = await lines.next();
    if (line.done) throw new Error(`${program}.py ended; its own words are above.`);
    return JSON.parse(line.value) as Reply;
  };
  const stop = async () => {
    channel.end();
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    if (child.exitCode === null && child.signalCode === null) await end;
    clearTimeout(timer);
  };
  try {
    await read();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    processId: child.pid!,
    waitUntilPrinted: (bytes) => new Promise((resolve) => (awaited = { bytes, resolve })),
    async ask(request) {
      channel.write(`${JSON.stringify(request)}\n`);
      return await read();
    },
    [Symbol.asyncDispose]: stop,
  };
}
