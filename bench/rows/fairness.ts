/** print(1) in one container while another one takes all it can get. */
import { setTimeout as delay } from "node:timers/promises";

import type { Bench, GroupResult } from "../bench.ts";
import { createContainer } from "../curta.ts";
import type { BenchContainer, Curta } from "../curta.ts";
import { createHttpClient } from "../http-client.ts";
import { atMost, describeTimes } from "../row.ts";
import type { Row } from "../row.ts";
import { summarize } from "../statistics.ts";

const NEIGHBOURS: Record<string, string> = {
  "burns CPU": "while True: pass",
  forks: "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
  prints: 'while True: print("x" * 100)',
};

const PAUSE_MS = 20;
/** Until the neighbour has reached its full size. */
const SETTLE_MS = 300;

export async function runFairness(bench: Bench): Promise<GroupResult> {
  const curta = await bench.contestants.curta();
  const container = await curta.container();
  await container.run("print(1)", "1\n");
  const rows: Row[] = [];
  for (const [what, code] of Object.entries(NEIGHBOURS)) {
    rows.push(await measure(bench, curta, container, what, code));
  }
  await container.delete();
  return { rows };
}

async function measure(
  bench: Bench,
  curta: Curta,
  container: BenchContainer,
  what: string,
  code: string,
): Promise<Row> {
  const quiet: number[] = [];
  const beside: number[] = [];
  const rounds = bench.quick ? 1 : 3;
  const calls = bench.quick ? 25 : 80;
  const until = performance.now() + bench.budgetMs(0.06);
  for (let round = 0; round < rounds && (round === 0 || performance.now() < until); round += 1) {
    await callOften(container, quiet, calls, bench.signal);
    await withNeighbour(curta, code, () => callOften(container, beside, calls, bench.signal));
  }
  return {
    what: `print(1) while another container ${what} without end: p99 against the same alone`,
    figure: summarize(beside).p99 / summarize(quiet).p99,
    unit: "x",
    target: atMost(3),
    context: describeTimes({ alone: quiet, beside }),
  };
}

async function callOften(
  container: BenchContainer,
  times: number[],
  calls: number,
  signal: AbortSignal,
): Promise<void> {
  for (let call = 0; call < calls; call += 1) {
    await delay(PAUSE_MS, undefined, { signal });
    times.push(await container.run("print(1)", "1\n"));
  }
}

async function withNeighbour(curta: Curta, code: string, work: () => Promise<void>): Promise<void> {
  const client = createHttpClient(curta.url, 2);
  const neighbour = await createContainer(client);
  const gone = new AbortController();
  // Its client leaves in the middle, so it has no answer; whatever it says instead is of no interest.
  const running = neighbour.execute(code, gone.signal).catch(() => {});
  try {
    await delay(SETTLE_MS);
    await work();
  } finally {
    gone.abort();
    await running;
    await neighbour.delete();
    client.close();
  }
}
