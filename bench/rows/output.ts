/** Much output from one cell, against a plain process that prints and draws the same. */
import type { Bench, GroupResult } from "../bench.ts";
import type { BenchContainer } from "../curta.ts";
import { interleave } from "../interleave.ts";
import type { Measure, Schedule } from "../interleave.ts";
import type { PythonProcess } from "../python-process.ts";
import { atMost, describeTimes } from "../row.ts";
import type { Row } from "../row.ts";
import { summarize } from "../statistics.ts";

const LINE = "x".repeat(99);
const LINES = 100_000;
const BYTES = LINES * (LINE.length + 1);
const PRINT = `for _ in range(${LINES}): print("${LINE}")`;

const CHARTS = 20;
const DRAW = (show: string) => `
import io, matplotlib.pyplot as plt
for chart in range(${CHARTS}):
    figure, axes = plt.subplots(figsize=(8, 5), dpi=100)
    axes.plot([chart, 2, 3, 5]); axes.set_title(f"Chart {chart}")
    ${show}
`;
const SAVE = `figure.savefig(io.BytesIO(), format="png", bbox_inches="tight"); plt.close(figure)`;

export async function runOutput(bench: Bench): Promise<GroupResult> {
  const { contestants, quick } = bench;
  const [curta, plain] = await Promise.all([contestants.curta(), contestants.plain()]);
  const container = await curta.container();
  const schedule: Schedule = {
    rounds: quick ? 2 : 12,
    block: quick ? 1 : 2,
    pauseMs: 50,
    budgetMs: bench.budgetMs(0.1),
  };
  const compare = async (what: string, own: Measure, other: Measure): Promise<Row> => {
    const times = await interleave({ Curta: own, "plain process": other }, schedule, bench.signal);
    return {
      what: `${what}: p50 against a plain process`,
      figure: summarize(times.Curta).p50 / summarize(times["plain process"]).p50,
      unit: "x",
      target: atMost(1.5),
      context: describeTimes(times),
    };
  };
  const rows = [
    await compare(
      `10 MB of stdout in ${LINES.toLocaleString("en")} lines`,
      () => print(container),
      () => printPlainly(plain),
    ),
    await compare(
      `${CHARTS} charts in one cell`,
      () => draw(container),
      async () => (await plain.ask({ code: DRAW(SAVE) })).ms,
    ),
  ];
  await container.delete();
  return { rows };
}

async function print(container: BenchContainer): Promise<number> {
  const { ms, execution } = await container.execute(PRINT);
  if (execution.stdout.length !== BYTES) {
    throw new Error(`${execution.stdout.length} of ${BYTES} bytes came back.`);
  }
  return ms;
}

/** To the last byte that its reader has, as with Curta. */
async function printPlainly(plain: PythonProcess): Promise<number> {
  const startedAt = performance.now();
  const arrived = plain.waitUntilPrinted(BYTES);
  await plain.ask({ code: PRINT });
  await arrived;
  return performance.now() - startedAt;
}

async function draw(container: BenchContainer): Promise<number> {
  const { ms, execution } = await container.execute(DRAW("plt.show()"));
  const pictures = execution.outputs.filter(({ data }) => data["image/png"] !== undefined);
  if (pictures.length !== CHARTS) {
    throw new Error(`${pictures.length} of ${CHARTS} charts came back.`);
  }
  return ms;
}
