/** What a case is, and what it gets. */
import type { Step } from "./instructions.ts";
import type { Target } from "./target.ts";

export const GROUPS = [
  "headers",
  "errors",
  "messages",
  "streams",
  "code 20250522",
  "code 20250825",
  "code 20260120",
  "code 20260521",
  "programmatic calls",
  "mixed turns",
  "containers",
  "history",
  "files",
  "models and counts",
  "batches",
  "web",
  "clients",
] as const;

export type Group = (typeof GROUPS)[number];

export interface Case {
  /** Unique; begins with the number of a point of the check lists where it shows one: `7.6.2/…`. */
  name: string;
  group: Group;
  /** What is right, in a few words. */
  title: string;
  run: (context: Context) => Promise<void>;
}

export interface Context {
  target: Target;
  /** The model behind the server is the kit's own, which does exactly as it is told. */
  isScripted: boolean;
  /** Silence after which a `ping` is due. */
  pingSeconds: number;
  /** True when the server takes this declaration of a tool; asked once a run. */
  accepts(tool: object, betas?: readonly string[]): Promise<boolean>;
}

/** A dated version of the code execution tool, and how a model is made to use it. */
export interface Version {
  type: string;
  group: Group;
  betas: readonly string[];
  /** The sub-tool for running something plainly. */
  tool: string;
  resultType: string;
  /** The call that runs this Python program. */
  python(code: string): Step;
}
