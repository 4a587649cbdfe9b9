/** What this host can and cannot enforce, found out by starting a sandbox and trying. */
import type { Config } from "../config.ts";
import { runSlowAttacks, type AttackResult } from "./attacks.ts";
import { startSandbox } from "./engine.ts";
import type { Protection } from "./probe.ts";
import type { Environment } from "./environment.ts";

export interface Inspection {
  protections: Protection[];
  /** The quick ones always, the slow ones when they were asked for. */
  attacks: AttackResult[];
}

/** Never throws for a host that cannot run the sandbox: that is one protection, missing, with the reason. */
export async function inspectHost(
  config: Config,
  environment: Environment,
  options: { slowAttacks: boolean } = { slowAttacks: false },
): Promise<Inspection> {
  const silent = { debug: () => {}, warn: () => {} };
  try {
    const { containers, protections, attacks } = await startSandbox(
      { ...config, pool: 0 },
      environment,
      silent,
      null,
    );
    try {
      const slow = options.slowAttacks ? await runSlowAttacks(containers) : [];
      const sorted = [...attacks, ...slow].toSorted((one, other) => one.number - other.number);
      return { protections, attacks: sorted };
    } finally {
      await containers.close();
    }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const remedy = "see the reason";
    const protections = [{ name: "sandbox", enforced: false, required: true, detail, remedy }];
    return { protections, attacks: [] };
  }
}
