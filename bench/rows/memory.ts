/** Memory of an idle live session, its checkpoint and keeper included, against a Jupyter kernel's. */
import { setTimeout as delay } from "node:timers/promises";

import type { Bench, GroupResult } from "../bench.ts";
import type { Curta } from "../curta.ts";
import { namespacesBelow, ownBytes, pageTableBytes, uniqueSetBytes } from "../process-memory.ts";
import type { PythonProcess } from "../python-process.ts";
import { atMost } from "../row.ts";
import type { Row } from "../row.ts";
import { median } from "../statistics.ts";

const MIB = 2 ** 20;

interface Case {
  what: string;
  code: string;
  limitMib: number;
}

const CASES: readonly Case[] = [
  { what: "x = 1", code: "x = 1", limitMib: 6 },
  {
    what: "a pandas groupby",
    code: `import pandas
frame = pandas.DataFrame({"key": ["a", "b"] * 50, "value": range(100)})
frame.groupby("key")["value"].mean()`,
    limitMib: 14,
  },
  {
    what: "a chart",
    code: `import matplotlib.pyplot as plt
plt.bar(["a", "b", "c"], [3, 1, 2]); plt.title("Chart"); plt.show()`,
    limitMib: 20,
  },
];

interface Sample {
  own: number;
  unique: number;
  tables: number;
  processes: number;
}

export async function runMemory(bench: Bench): Promise<GroupResult> {
  if (process.getuid?.() !== 0) {
    process.stderr.write("Memory rows left out: only root may see which pages are shared.\n");
    return { rows: [] };
  }
  const { contestants } = bench;
  const [curta, jupyter] = await Promise.all([contestants.poolless(), contestants.jupyter()]);
  const rows: Row[] = [];
  // A second session: what it shares with the measured one, but no longer with the zygote, is no session's own.
  const neighbour = await curta.container();
  await neighbour.run("print(1)");
  for (const { what, code, limitMib } of CASES) {
    const samples: Sample[] = [];
    for (let count = 0; count < (bench.quick ? 1 : 3); count += 1) {
      bench.signal.throwIfAborted();
      samples.push(await measureSession(curta, code));
    }
    const kernel = await measureKernel(jupyter, code);
    const middle = (field: keyof Sample) => median(samples.map((sample) => sample[field]));
    rows.push({
      what: `memory of an idle session after ${what}`,
      figure: middle("own") / MIB,
      unit: "MiB",
      target: atMost(limitMib),
      context: [
        `${(middle("own") / kernel).toFixed(3)} x a Jupyter kernel's ${mib(kernel)}`,
        `private pages of its ${middle("processes")} processes added up ${mib(middle("unique"))}`,
        `page tables ${mib(middle("tables"))}`,
      ].join(", "),
    });
  }
  await neighbour.delete();
  return { rows };
}

async function measureSession(curta: Curta, code: string): Promise<Sample> {
  const before = namespacesBelow(curta.processId);
  const container = await curta.container();
  await container.run(code);
  const sample = await settle(() => {
    const now = [...namespacesBelow(curta.processId)];
    const processes = now.filter(([name]) => !before.has(name)).flatMap(([, ids]) => ids);
    const others = now.filter(([name]) => before.has(name)).flatMap(([, ids]) => ids);
    if (processes.length === 0) throw new Error("The container's processes are not to be found.");
    return {
      own: ownBytes(processes, others),
      unique: uniqueSetBytes(processes),
      tables: pageTableBytes(processes),
      processes: processes.length,
    };
  });
  await container.delete();
  return sample;
}

/** Reads until nothing changes: the session makes its next checkpoint after the answer is out. */
async function settle(read: () => Sample): Promise<Sample> {
  let last = read();
  for (let tries = 0; tries < 20; tries += 1) {
    await delay(150);
    const next = read();
    if (next.own === last.own && next.processes === last.processes) return next;
    last = next;
  }
  return last;
}

async function measureKernel(jupyter: PythonProcess, code: string): Promise<number> {
  await jupyter.ask({ op: "run", code });
  const { pid } = await jupyter.ask({ op: "pid" });
  return uniqueSetBytes([pid]);
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
