/**
 * `npm run bench`: Curta and what it is compared with, side by side in one run.
 *
 * Ratios come first, for the machine and its neighbours are the same on both sides of a ratio; absolute
 * times are context.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { loadConfig } from "../src/config.ts";
import { locateEnvironment } from "../src/setup/environment.ts";
import type { Bench } from "./bench.ts";
import { createContestants } from "./contestants.ts";
import { NO_MODEL } from "./curta.ts";
import { GROUPS } from "./groups.ts";
import { describeLoad, describeMachine } from "./machine.ts";
import { locatePython } from "./python-process.ts";
import { runSoak } from "./soak.ts";
import { writeReport } from "./report.ts";
import type { MeasuredGroup } from "./report.ts";
import { renderGroup, renderVerdict } from "./table.ts";

/** Bounds of a run; what does not fit is measured less often. */
const QUICK_MS = 45_000;
const WHOLE_MS = 240_000;
/** On a machine so busy that budgets do not help, the last groups are not begun. */
const LATEST_START_MS = 480_000;
const SESSIONS = { quick: 40, whole: 500, soak: 64 };

const HELP = `npm run bench -- [OPTIONS]: Curta and what it is compared with, side by side
  --quick         less of everything, in a minute
  --only A,B      these groups alone: ${GROUPS.map(({ name }) => name).join(", ")}
  --sessions N    so many live sessions
  --write         leave the result in docs/performance.md
  --soak          another program: honest and hostile cells, after which nothing may be left
  --minutes N     how long it lasts (10)
`;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    sessions: { type: "string" },
    write: { type: "boolean", default: false },
    soak: { type: "boolean", default: false },
    minutes: { type: "string", default: "10" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
}

try {
  if (values.soak) await soak();
  else await run();
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${stop.signal.aborted ? "Interrupted." : reason}\n`);
  process.exitCode = 1;
}

async function soak(): Promise<void> {
  const { signal } = stop;
  const sessions = Number(values.sessions ?? SESSIONS.soak);
  const minutes = Number(values.minutes);
  const isSound = await runSoak({ cache: loadConfig().cache, minutes, sessions, signal });
  process.stdout.write(isSound ? "\nNothing leaked, nothing went wrong.\n" : "\nNot clean.\n");
  if (!isSound) process.exitCode = 1;
}

async function run(): Promise<void> {
  await using started = new AsyncDisposableStack();
  const scratch = await mkdtemp(join(tmpdir(), "curta-bench-"));
  started.defer(() => rm(scratch, { recursive: true, force: true }));
  const bench = prepare(scratch, started);
  const startedAt = new Date();
  const load = describeLoad();
  process.stdout.write(`${describeMachine()}; load ${load} at the start\n`);
  const groups: MeasuredGroup[] = [];
  for (const group of GROUPS) {
    if (values.only !== "" && !values.only.split(",").includes(group.name)) continue;
    if (Date.now() - startedAt.getTime() > LATEST_START_MS) {
      process.stdout.write(`\n${group.title}: left out, for this run has taken too long already\n`);
      continue;
    }
    const { rows, series = {} } = await group.run(bench);
    groups.push({ title: group.title, rows, series });
    process.stdout.write(renderGroup(group, rows));
  }
  const seconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
  const leftOut = values.only === "" ? GROUPS.length - groups.length : 0;
  const judged = renderVerdict(groups.flatMap(({ rows }) => rows));
  const verdict = leftOut === 0 ? judged : `${judged}, ${leftOut} groups left out for want of time`;
  const loads = `load ${load} at the start, ${describeLoad()} at the end`;
  process.stdout.write(`\n${verdict}; ${seconds} s, ${loads}\n`);
  if (!values.write) return;
  const curta = await bench.contestants.curta();
  await writeReport(
    { startedAt, seconds, loads, machine: describeMachine(), verdict, groups },
    curta,
  );
}

function prepare(scratch: string, started: AsyncDisposableStack): Bench {
  const { quick } = values;
  const sessions = Number(values.sessions ?? (quick ? SESSIONS.quick : SESSIONS.whole));
  const { cache } = loadConfig();
  const environment = locateEnvironment({ cache, embeddedModel: "1.5b", upstreamUrl: NO_MODEL });
  const python = locatePython(environment, scratch);
  const { signal } = stop;
  const containers = Math.max(sessions, 100) + 100;
  return {
    contestants: createContestants(
      { cache, environment, python, scratch, containers, signal },
      started,
    ),
    python,
    quick,
    sessions,
    budgetMs: (share) => share * (quick ? QUICK_MS : WHOLE_MS),
    signal,
  };
}
