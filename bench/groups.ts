/** The groups of rows, in the order in which they are run and printed. */
import type { Group } from "./bench.ts";
import { runChart } from "./rows/chart.ts";
import { runCreation } from "./rows/creation.ts";
import { runLive } from "./rows/live.ts";

export const GROUPS: readonly Group[] = [
  { name: "live", title: "A cell in a live container", run: runLive },
  { name: "creation", title: "A new container", run: runCreation },
  { name: "chart", title: "A new container with a chart", run: runChart },
];
