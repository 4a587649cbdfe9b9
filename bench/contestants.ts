/** Starts what is compared, once each, and only what the chosen rows need. */
import { join } from "node:path";

import type { Environment } from "../src/sandbox/environment.ts";
import type { Contestants } from "./bench.ts";
import { startCurta } from "./curta.ts";
import { ensureJupyter } from "./jupyter-install.ts";
import { startPython } from "./python-process.ts";
import type { PythonInstall } from "./python-process.ts";
import { startServerProcess } from "./server-process.ts";

export interface ContestantOptions {
  cache: string;
  environment: Environment;
  python: PythonInstall;
  scratch: string;
  /** Containers that have room beside each other. */
  containers: number;
  signal: AbortSignal;
}

/** What has been started ends with `started`. */
export function createContestants(
  { cache, environment, python, scratch, containers, signal }: ContestantOptions,
  started: AsyncDisposableStack,
): Contestants {
  const once = <T extends AsyncDisposable>(start: () => Promise<T>): (() => Promise<T>) => {
    let running: Promise<T> | undefined;
    return () => (running ??= start().then((contestant) => started.use(contestant)));
  };
  const room = { CURTA_CONTAINERS: String(containers) };
  return {
    curta: once(() => startCurta(cache, room)),
    poolless: once(() => startCurta(cache, { ...room, CURTA_POOL: "0" })),
    parking: once(() => startCurta(cache, { ...room, CURTA_POOL: "0", CURTA_PARK_SECONDS: "1" })),
    echo: once(() => startServerProcess("bench/echo.ts", [], process.env)),
    jupyter: once(async () => {
      const site = await ensureJupyter(cache, environment.manifest, signal);
      return await startPython("jupyter", withJupyter(python, site, scratch));
    }),
    fork: once(() => startPython("bare_fork", python)),
    plain: once(() => startPython("plain", python)),
  };
}

function withJupyter(python: PythonInstall, site: string, scratch: string): PythonInstall {
  // The kernel chooses its own inline backend, unless one is set.
  const { MPLBACKEND: _chosen, ...env } = python.env;
  return {
    executable: python.executable,
    env: {
      ...env,
      PYTHONPATH: `${site}:${env.PYTHONPATH}`,
      JUPYTER_RUNTIME_DIR: join(scratch, "runtime"),
      JUPYTER_CONFIG_DIR: join(scratch, "jupyter"),
      IPYTHONDIR: join(scratch, "ipython"),
    },
  };
}
