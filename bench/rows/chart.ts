/** A new container, pandas and one chart, against the same script in `python -c` and in a warm interpreter. */
import { setTimeout as delay } from "node:timers/promises";

import { run } from "../../src/setup/run.ts";
import type { Bench, GroupResult } from "../bench.ts";
import type { Curta } from "../curta.ts";
import { interleave } from "../interleave.ts";
import { atMost, describeTimes } from "../row.ts";
import { summarize } from "../statistics.ts";

const DRAW = `
import pandas as pd
import matplotlib.pyplot as plt
sales = pd.DataFrame({"month": ["Jan", "Feb", "Mar", "Apr"] * 25, "amount": range(100)})
totals = sales.groupby("month", sort=False)["amount"].sum()
figure, axes = plt.subplots(figsize=(8, 5), dpi=100)
axes.bar(totals.index, totals.values, label="amount")
axes.set_title("Sales"); axes.set_xlabel("month"); axes.legend()
`;
/** What a notebook's backend does with a figure, by hand. */
const SAVE = `
import io
png = io.BytesIO()
figure.savefig(png, format="png", bbox_inches="tight")
plt.close(figure)
assert png.getvalue()[:4] == b"\\x89PNG"
`;

export async function runChart(bench: Bench): Promise<GroupResult> {
  const { contestants, quick, signal } = bench;
  const [curta, warm] = await Promise.all([contestants.curta(), contestants.plain()]);
  const times = await interleave(
    {
      "new container": () => createAndDraw(curta),
      "warm interpreter": async () => (await warm.ask({ code: DRAW + SAVE })).ms,
    },
    {
      rounds: quick ? 3 : 8,
      block: quick ? 2 : 4,
      pauseMs: 50,
      budgetMs: bench.budgetMs(0.12),
    },
    signal,
  );
  const { cold } = await interleave(
    { cold: () => drawCold(bench) },
    { rounds: quick ? 1 : 3, block: 1, pauseMs: 0, budgetMs: bench.budgetMs(0.06) },
    signal,
  );
  const own = summarize(times["new container"]);
  return {
    rows: [
      {
        what: "new container, pandas and one chart to PNG: p50 against drawing it in a warm interpreter",
        figure: own.p50 / summarize(times["warm interpreter"]).p50,
        unit: "x",
        target: atMost(1.15),
        context: describeTimes(times),
      },
      {
        what: "new container, pandas and one chart to PNG: p50 against python -c",
        figure: own.p50 / summarize(cold).p50,
        unit: "x",
        target: null,
        context: describeTimes({ "python -c": cold }),
      },
    ],
    series: {
      "new container, chart": times["new container"],
      "warm interpreter, chart": times["warm interpreter"],
    },
  };
}

async function createAndDraw(curta: Curta): Promise<number> {
  const startedAt = performance.now();
  const container = await curta.container();
  const { execution } = await container.execute(`${DRAW}plt.show()`);
  const ms = performance.now() - startedAt;
  const png = execution.outputs[0]?.data["image/png"];
  if (png === undefined || execution.outputs.length !== 1) {
    throw new Error(`No chart: ${JSON.stringify(execution).slice(0, 2000)}`);
  }
  await container.delete();
  // The pool makes the next one meanwhile.
  await delay(100);
  return ms;
}

async function drawCold({ python, signal }: Bench): Promise<number> {
  const startedAt = performance.now();
  const { code, stderr } = await run(python.executable, ["-c", DRAW + SAVE], {
    signal,
    env: python.env,
  });
  if (code !== 0) throw new Error(stderr);
  return performance.now() - startedAt;
}
