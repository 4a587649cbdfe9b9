/** What every group of rows is given, and what it gives back. */
import type { Environment } from "../src/sandbox/environment.ts";
import type { PythonInstall } from "./python-process.ts";
import type { Row } from "./row.ts";

export interface Bench {
  cache: string;
  environment: Environment;
  python: PythonInstall;
  /** The same interpreter with Jupyter beside the data stack. */
  jupyter: PythonInstall;
  options: BenchOptions;
  signal: AbortSignal;
}

export interface BenchOptions {
  quick: boolean;
  /** Live sessions of the density rows. */
  sessions: number;
}

/** Times by contestant, for the plot. */
export type Series = Record<string, readonly number[]>;

export interface GroupResult {
  rows: Row[];
  series?: Series;
}

export interface Group {
  /** For `--only`. */
  name: string;
  title: string;
  run(bench: Bench): Promise<GroupResult>;
}
