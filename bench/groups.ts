/** The groups of rows, in the order in which they are run and printed. */
import type { Group } from "./bench.ts";
import { runChart } from "./rows/chart.ts";
import { runCpu } from "./rows/cpu.ts";
import { runCreation } from "./rows/creation.ts";
import { runDensity } from "./rows/density.ts";
import { runFairness } from "./rows/fairness.ts";
import { runLive } from "./rows/live.ts";
import { runMemory } from "./rows/memory.ts";
import { runParking } from "./rows/parking.ts";
import { runOutput } from "./rows/output.ts";

export const GROUPS: readonly Group[] = [
  { name: "live", title: "A cell in a live container", run: runLive },
  { name: "creation", title: "A new container", run: runCreation },
  { name: "chart", title: "A new container with a chart", run: runChart },
  { name: "cpu", title: "A cell that computes", run: runCpu },
  { name: "memory", title: "Memory of an idle session", run: runMemory },
  { name: "density", title: "Many sessions", run: runDensity },
  { name: "parking", title: "Parked sessions", run: runParking },
  { name: "output", title: "Much output", run: runOutput },
  { name: "fairness", title: "A greedy neighbour", run: runFairness },
];
