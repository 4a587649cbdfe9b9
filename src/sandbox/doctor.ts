/** What this host can and cannot enforce, found out by starting a sandbox and trying. */
import type { Config } from "../config.ts";
import { startSandbox } from "./engine.ts";
import type { Protection } from "./probe.ts";
import type { Environment } from "./environment.ts";

/** Never throws for a host that cannot run the sandbox: that is one protection, missing, with the reason. */
export async function inspectHost(config: Config, environment: Environment): Promise<Protection[]> {
  const silent = { debug: () => {}, warn: () => {} };
  try {
    const { containers, protections } = await startSandbox(
      { ...config, pool: 0 },
      environment,
      silent,
    );
    await containers.close();
    return protections;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return [{ name: "sandbox", enforced: false, required: true, detail, remedy: "see the reason" }];
  }
}
