/** docs/performance.md and its plot, which Curta draws itself, in its own sandbox. */
import { readFile, writeFile } from "node:fs/promises";

import type { Group, Series } from "./bench.ts";
import type { Curta } from "./curta.ts";
import { distance, formatNumber, isMet } from "./row.ts";
import type { Row } from "./row.ts";
import { summarize } from "./statistics.ts";
import { renderTarget } from "./table.ts";

export interface MeasuredGroup extends Pick<Group, "title"> {
  rows: readonly Row[];
  series: Series;
}

export interface Measurements {
  startedAt: Date;
  seconds: number;
  loads: string;
  machine: string;
  verdict: string;
  groups: readonly MeasuredGroup[];
}

const PAGE = new URL("../docs/performance.md", import.meta.url);
const PLOT = new URL("../docs/performance.png", import.meta.url);
const DRAW = new URL("./python/plot.py", import.meta.url);

export async function writeReport(measurements: Measurements, curta: Curta): Promise<void> {
  await writeFile(PLOT, await drawPlot(measurements, curta));
  await writeFile(PAGE, renderPage(measurements));
}

async function drawPlot({ groups }: Measurements, curta: Curta): Promise<Buffer> {
  const series = Object.assign({}, ...groups.map((group) => group.series)) as Series;
  const data = {
    distances: groups
      .flatMap(({ rows }) => rows)
      .flatMap((row) => {
        const value = distance(row);
        return value === null ? [] : [{ what: row.what, value }];
      }),
    times: Object.entries(series).map(([name, times]) => ({ name, ...summarize(times) })),
  };
  const container = await curta.container();
  await container.put("figures.json", JSON.stringify(data));
  const { execution } = await container.execute(await readFile(DRAW, "utf8"));
  await container.delete();
  const png = execution.outputs[0]?.data["image/png"];
  if (png === undefined) throw new Error(`No plot: ${execution.error?.traceback ?? ""}`);
  return Buffer.from(png, "base64");
}

export function renderPage(measurements: Measurements): string {
  const { startedAt, seconds, loads, machine, verdict, groups } = measurements;
  return `# Performance

Written by \`npm run bench -- --write\` on ${startedAt.toISOString().slice(0, 10)}, in ${seconds} s: ${verdict}.

- **Machine:** ${machine}; ${loads}. A load above the number of processors means that others were at work on it.
- **Method:** Curta runs as \`curta serve\` with its defaults, in a process of its own, and is called through the direct API over one kept-alive connection; times are what that client sees, to the last byte. What it is compared with runs in the same minutes, in turns (A A A B B B A A A …), with the sandbox's own interpreter and libraries: a Jupyter kernel with its own client (from the request to the kernel's \`idle\`), an HTTP echo on the same framework, plain interpreters, and a fork of a Python that has the same modules loaded and runs the cell with \`exec\`, without any protection. Those time themselves, so the way to them costs them nothing. First calls warm up and do not count.
- **Figures:** ratios first, since neighbours and clock speed weigh on both sides of a ratio. Times are p50 / p90 / p99, with the number of samples. Memory is the pages that only the container's processes map, checkpoint and keeper included; what two containers share is neither's.

![Distance from each target, and times side by side](performance.png)

${groups.map(renderSection).join("\n")}`;
}

function renderSection({ title, rows }: MeasuredGroup): string {
  const lines = rows.map((row) => {
    const met = isMet(row);
    const verdict = met === null ? "" : met ? "met" : "**missed**";
    const figure = `${formatNumber(row.figure)} ${row.unit}`;
    return `| ${row.what} | ${figure} | ${renderTarget(row)} | ${verdict} | ${row.context} |`;
  });
  return `## ${title}

| what | figure | target | | context |
| --- | --- | --- | --- | --- |
${lines.join("\n")}
`;
}
