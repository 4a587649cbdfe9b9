/** A new container with its first cell: from the pool, without one, in a burst, and beside running cells. */
import { setTimeout as delay } from "node:timers/promises";

import type { Bench, GroupResult } from "../bench.ts";
import { createContainer } from "../curta.ts";
import type { BenchContainer, Curta } from "../curta.ts";
import { createHttpClient } from "../http-client.ts";
import { interleave } from "../interleave.ts";
import { atLeast, atMost, describeTimes } from "../row.ts";
import type { Row } from "../row.ts";
import { summarize } from "../statistics.ts";

const CODE = "print(1)";
const BURST = 100;
/** Time for the pool to be full again: what is measured here is a new container when one is ready. */
const REFILL_MS = 100;
/** About 20 ms of work that no other cell should stretch. */
const BUSY_CELL = "total = 0\nfor number in range(200_000): total += number * number";

export async function runCreation(bench: Bench): Promise<GroupResult> {
  const { contestants, quick, signal } = bench;
  const [pooled, poolless, fork] = await Promise.all([
    contestants.curta(),
    contestants.poolless(),
    contestants.fork(),
  ]);
  const times = await interleave(
    {
      "from the pool": () => createAndRun(pooled),
      "without a pool": () => createAndRun(poolless),
      "bare fork": async () => (await fork.ask({ op: "new", code: CODE })).ms,
    },
    {
      rounds: quick ? 3 : 8,
      block: quick ? 3 : 5,
      pauseMs: REFILL_MS,
      budgetMs: bench.budgetMs(0.12),
    },
    signal,
  );
  return {
    rows: [
      ...judge(times),
      await measureBurst(poolless),
      ...(await measureBesideCells(pooled, bench)),
    ],
    series: {
      "new container": times["from the pool"],
      "new container, pool empty": times["without a pool"],
      "bare fork with its first cell": times["bare fork"],
    },
  };
}

async function createAndRun(curta: Curta): Promise<number> {
  const startedAt = performance.now();
  const container = await curta.container();
  await container.run(CODE, "1\n");
  const ms = performance.now() - startedAt;
  await container.delete();
  return ms;
}

function judge(times: Record<"from the pool" | "without a pool" | "bare fork", number[]>): Row[] {
  const pool = summarize(times["from the pool"]);
  const none = summarize(times["without a pool"]);
  const fork = summarize(times["bare fork"]);
  return [
    {
      what: "new container with print(1), pool empty: p50 against a bare fork with its first cell",
      figure: none.p50 / fork.p50,
      unit: "x",
      target: atMost(2.5),
      context: describeTimes(times),
    },
    {
      what: "new container with print(1), from the pool: p50",
      figure: pool.p50,
      unit: "ms",
      target: atMost(10),
      context: `${(pool.p50 / fork.p50).toFixed(2)} x a bare fork with its first cell`,
    },
  ];
}

/** All at once, on as many connections. */
async function measureBurst(curta: Curta): Promise<Row> {
  const client = createHttpClient(curta.url, BURST);
  const startedAt = performance.now();
  const containers = await Promise.all(
    Array.from({ length: BURST }, () => createContainer(client)),
  );
  const createdMs = performance.now() - startedAt;
  await Promise.all(containers.map((container) => container.run(CODE, "1\n")));
  const usedMs = performance.now() - startedAt;
  for (const container of containers) await container.delete();
  client.close();
  return {
    what: `burst of ${BURST} new containers, no pool: rate`,
    figure: (BURST * 1000) / createdMs,
    unit: "/s",
    target: atLeast(40),
    context: `made in ${createdMs.toFixed(0)} ms; each with print(1) after ${usedMs.toFixed(0)} ms`,
  };
}

/** One container works without a pause; a new one comes every 100 ms, or none does, in turns. */
async function measureBesideCells(curta: Curta, bench: Bench): Promise<Row[]> {
  const client = createHttpClient(curta.url, 1);
  const busy = await createContainer(client);
  const quiet: number[] = [];
  const beside: number[] = [];
  const created: number[] = [];
  await busy.run(BUSY_CELL);
  const rounds = bench.quick ? 2 : 5;
  for (let round = 0; round < rounds; round += 1) {
    bench.signal.throwIfAborted();
    await workUntil(busy, quiet, delay(600));
    await workUntil(busy, beside, createSome(curta, created));
  }
  await busy.delete();
  client.close();
  return [
    {
      what: "a running cell while new containers are made: p50 against the same alone",
      figure: summarize(beside).p50 / summarize(quiet).p50,
      unit: "x",
      target: null,
      context: describeTimes({
        alone: quiet,
        "beside creation": beside,
        "creation beside it": created,
      }),
    },
  ];
}

async function createSome(curta: Curta, created: number[]): Promise<void> {
  for (let count = 0; count < 6; count += 1) {
    created.push(await createAndRun(curta));
    await delay(REFILL_MS);
  }
}

async function workUntil(
  container: BenchContainer,
  times: number[],
  end: Promise<unknown>,
): Promise<void> {
  const state = { over: false };
  const ended = end.finally(() => (state.over = true));
  while (!state.over) times.push(await container.run(BUSY_CELL));
  await ended;
}
