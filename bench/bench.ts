/** What every group of rows is given, and what it gives back. */
import type { Curta } from "./curta.ts";
import type { PythonInstall, PythonProcess } from "./python-process.ts";
import type { Row } from "./row.ts";
import type { ServerProcess } from "./server-process.ts";

export interface Bench {
  contestants: Contestants;
  python: PythonInstall;
  quick: boolean;
  /** Live sessions of the density rows. */
  sessions: number;
  /** A part of the run's whole time, as a bound of one measurement. */
  budgetMs(share: number): number;
  signal: AbortSignal;
}

/** Each is started when first asked for, and ends with the run. */
export interface Contestants {
  /** As it comes. */
  curta(): Promise<Curta>;
  /** Without containers kept ready, and with room for many. */
  poolless(): Promise<Curta>;
  /** Parks a session that was idle for a second. */
  parking(): Promise<Curta>;
  echo(): Promise<ServerProcess>;
  jupyter(): Promise<PythonProcess>;
  fork(): Promise<PythonProcess>;
  plain(): Promise<PythonProcess>;
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
