/**
 * `npm run bench`: Curta and what it is compared with, side by side in one run.
 *
 * Ratios come first, for the machine and its neighbours are the same on both sides of a ratio; absolute
 * times are context. `--quick` measures less of everything, `--only live,chart` some groups, `--sessions
 * 500` more live sessions, `--write` leaves the result in docs/performance.md.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { loadConfig } from "../src/config.ts";
import { locateEnvironment } from "../src/setup/environment.ts";
import type { Bench, GroupResult } from "./bench.ts";
import { NO_MODEL } from "./curta.ts";
import { GROUPS } from "./groups.ts";
import { ensureJupyter } from "./jupyter-install.ts";
import { describeLoad, describeMachine } from "./machine.ts";
import { locatePython } from "./python-process.ts";
import { renderGroup, renderVerdict } from "./table.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    sessions: { type: "string", default: "100" },
  },
});

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
}

const scratch = await mkdtemp(join(tmpdir(), "curta-bench-"));
try {
  const bench = await prepare(scratch);
  process.stdout.write(`${describeMachine()}; load ${describeLoad()} at the start\n`);
  const results: GroupResult[] = [];
  for (const group of GROUPS) {
    if (values.only !== "" && !values.only.split(",").includes(group.name)) continue;
    const result = await group.run(bench);
    results.push(result);
    process.stdout.write(renderGroup(group, result.rows));
  }
  const rows = results.flatMap((result) => result.rows);
  process.stdout.write(`\n${renderVerdict(rows)}; load ${describeLoad()} at the end\n`);
} catch (error) {
  process.stderr.write(`${stop.signal.aborted ? "Interrupted." : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await rm(scratch, { recursive: true, force: true });
}

async function prepare(folder: string): Promise<Bench> {
  const { cache } = loadConfig();
  const environment = locateEnvironment({ cache, embeddedModel: "1.5b", upstreamUrl: NO_MODEL });
  const python = locatePython(environment, folder);
  const site = await ensureJupyter(cache, environment.manifest, stop.signal);
  const { MPLBACKEND: _inline, ...env } = python.env;
  return {
    cache,
    environment,
    python,
    jupyter: {
      executable: python.executable,
      env: {
        ...env,
        PYTHONPATH: `${site}:${env.PYTHONPATH}`,
        JUPYTER_RUNTIME_DIR: join(folder, "runtime"),
        JUPYTER_CONFIG_DIR: join(folder, "jupyter"),
        IPYTHONDIR: join(folder, "ipython"),
      },
    },
    options: { quick: values.quick, sessions: Number(values.sessions) },
    signal: stop.signal,
  };
}
