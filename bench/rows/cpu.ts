/**
 * Cells that compute, against plain Python with the same libraries: a sandbox must not slow down the work. BLAS has one
 * thread on both sides, the sandbox's default (CURTA_BLAS_THREADS); a plain interpreter by itself takes all processors.
 */
import type { Bench, GroupResult } from "../bench.ts";
import { interleave } from "../interleave.ts";
import { atLeast, describeTimes } from "../row.ts";
import type { Row } from "../row.ts";
import { summarize } from "../statistics.ts";

const CELLS: Record<string, string> = {
  "groupby of 1e6 rows": `
import numpy, pandas
random = numpy.random.default_rng(1)
frame = pandas.DataFrame({"key": random.integers(0, 1000, 1_000_000), "value": random.random(1_000_000)})
result = frame.groupby("key")["value"].agg(["mean", "std", "max"])`,
  "matrix product, 1000 x 1000, one thread": `
import numpy
random = numpy.random.default_rng(1)
one, other = random.random((1000, 1000)), random.random((1000, 1000))
for _ in range(3): result = one @ other`,
  "pure Python loop": `
total = 0
for number in range(1_500_000): total += number * number % 7`,
};

export async function runCpu(bench: Bench): Promise<GroupResult> {
  const { contestants, quick, signal } = bench;
  const [curta, plain] = await Promise.all([contestants.curta(), contestants.plain()]);
  const container = await curta.container();
  const rows: Row[] = [];
  for (const [what, code] of Object.entries(CELLS)) {
    const times = await interleave(
      {
        Curta: () => container.run(code),
        "plain Python": async () => (await plain.ask({ code })).ms,
      },
      {
        rounds: quick ? 3 : 8,
        block: quick ? 1 : 2,
        pauseMs: 20,
        budgetMs: bench.budgetMs(0.03),
      },
      signal,
    );
    rows.push({
      what: `${what}: speed against plain Python, p50`,
      figure: summarize(times["plain Python"]).p50 / summarize(times.Curta).p50,
      unit: "x",
      target: atLeast(0.95),
      context: describeTimes(times),
    });
  }
  await container.delete();
  return { rows };
}
