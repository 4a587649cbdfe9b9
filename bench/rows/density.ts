/** Many live sessions: a cell in a random one, against the same with ten. */
import { setTimeout as delay } from "node:timers/promises";

import type { Bench, GroupResult } from "../bench.ts";
import { createContainer } from "../curta.ts";
import type { BenchContainer } from "../curta.ts";
import { createHttpClient } from "../http-client.ts";
import { atMost, describeTimes } from "../row.ts";
import { summarize } from "../statistics.ts";

const FEW = 10;
const MAKING = 4;
const PAUSE_MS = 10;

export async function runDensity(bench: Bench): Promise<GroupResult> {
  const { quick, sessions, signal } = bench;
  const curta = await bench.contestants.poolless();
  const client = createHttpClient(curta.url, MAKING);
  const containers: BenchContainer[] = [];
  const few: number[] = [];
  const many: number[] = [];
  const calls = quick ? 60 : 200;
  const grow = async (until: number) => {
    const make = async () => {
      while (containers.length < until) {
        signal.throwIfAborted();
        const container = await createContainer(client);
        containers.push(container);
        await container.run("x = 1");
      }
    };
    await Promise.all(Array.from({ length: MAKING }, make));
  };
  const callRandom = async (times: number[]) => {
    for (let call = 0; call < calls; call += 1) {
      await delay(PAUSE_MS, undefined, { signal });
      const container = containers[Math.floor(Math.random() * containers.length)]!;
      times.push(await container.run("print(x)", "1\n"));
    }
  };
  // Ten before and ten after, so that a machine that gets busier does not look like density.
  await grow(FEW);
  await callRandom(few);
  const startedAt = performance.now();
  await grow(sessions);
  const growthMs = performance.now() - startedAt;
  await callRandom(many);
  for (const container of containers.splice(FEW)) await container.delete();
  await callRandom(few);
  for (const container of containers) await container.delete();
  client.close();
  return {
    rows: [
      {
        what: `a cell in a random one of ${sessions} live sessions: p99 against ${FEW} sessions`,
        figure: summarize(many).p99 / summarize(few).p99,
        unit: "x",
        target: atMost(2),
        context: `${describeTimes({ [`${FEW} sessions`]: few, [`${sessions} sessions`]: many })}; the others were made and used in ${(growthMs / 1000).toFixed(1)} s`,
      },
    ],
  };
}
