/** Sessions that nobody has used for long: what they weigh then, and how soon they are there again. */
import { setTimeout as delay } from "node:timers/promises";

import type { Bench, GroupResult } from "../bench.ts";
import type { BenchContainer, Curta } from "../curta.ts";
import { namespacesBelow, ownBytes } from "../process-memory.ts";
import { atMost, describeTimes } from "../row.ts";
import { summarize } from "../statistics.ts";

const PREPARE = `import pandas
frame = pandas.DataFrame({"key": ["a", "b"] * 50, "value": range(100)})
totals = frame.groupby("key")["value"].sum()`;
/** Keeper and main line; before that there was the checkpoint as well. */
const PARKED_PROCESSES = 2;
const PARKED_MS_MAX = 15_000;

export async function runParking(bench: Bench): Promise<GroupResult> {
  const { quick, signal } = bench;
  const curta = await bench.contestants.parking();
  const containers: BenchContainer[] = [];
  const wakes: number[] = [];
  const again: number[] = [];
  for (let count = 0; count < (quick ? 6 : 20); count += 1)
    containers.push(await curta.container());
  let parkedBytes = 0;
  for (let round = 0; round < (quick ? 2 : 5); round += 1) {
    for (const container of containers) await container.run(PREPARE);
    await waitUntilParked(curta, signal);
    parkedBytes = bytesOfOne(curta);
    for (const container of containers) {
      wakes.push(await container.run("print(totals['a'])", "2450\n"));
      again.push(await container.run("print(totals['a'])", "2450\n"));
    }
  }
  for (const container of containers) await container.delete();
  const mib = (parkedBytes / 2 ** 20).toFixed(1);
  return {
    rows: [
      {
        what: "first cell of a parked session: p99",
        figure: summarize(wakes).p99,
        unit: "ms",
        target: atMost(100),
        context: `${describeTimes({ "first cell": wakes, "the next": again })}${parkedBytes > 0 ? `; parked after a pandas groupby ${mib} MiB` : ""}`,
      },
    ],
  };
}

async function waitUntilParked(curta: Curta, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + PARKED_MS_MAX;
  while (performance.now() < deadline) {
    await delay(200, undefined, { signal });
    // The zygote's own namespace holds more.
    const sizes = [...namespacesBelow(curta.processId).values()].map((ids) => ids.length);
    if (sizes.length > 1 && sizes.filter((size) => size > PARKED_PROCESSES).length <= 1) return;
  }
  throw new Error("The sessions were not parked.");
}

/** Of any parked container, or 0 where only root may look. */
function bytesOfOne(curta: Curta): number {
  if (process.getuid?.() !== 0) return 0;
  const namespaces = [...namespacesBelow(curta.processId).values()];
  const index = namespaces.findIndex((ids) => ids.length === PARKED_PROCESSES);
  if (index < 0) return 0;
  const others = namespaces.filter((_, other) => other !== index).flat();
  return ownBytes(namespaces[index]!, others);
}
