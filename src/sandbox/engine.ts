/** Puts the sandbox together: zygote, pool, containers. */
import type { Config } from "../config.ts";
import { requireHeld, runQuickAttacks, type AttackResult } from "./attacks.ts";
import { createContainers } from "./containers.ts";
import { createPool } from "./pool.ts";
import { probeContainer, requireProtections, type Protection } from "./probe.ts";
import type { KeptStores } from "./keeping.ts";
import type { Layers } from "./layers.ts";
import type { Containers } from "./sandbox.ts";
import { createOutputRoom } from "./output-room.ts";
import type { SessionLimits } from "./session.ts";
import { createTransfers } from "./transfers.ts";
import type { Environment } from "./environment.ts";
import { startZygote } from "./zygote.ts";

/** Each up to half of `filesMb`. */
const LARGE_TRANSFERS = 4;
const MIB = 2 ** 20;

export interface EngineLog {
  debug(message: string): void;
  warn(message: string): void;
}

/**
 * Resolves when code can run, and the host has shown that it enforces what it must. Throws a
 * `GatewayError` with one sentence when it cannot. Only tests name layers to do `without`.
 */
export async function startContainers(
  config: Config,
  environment: Environment,
  log: EngineLog,
  kept: KeptStores | null,
  without: Layers = [],
): Promise<Containers> {
  const { containers, protections, attacks } = await startSandbox(
    config,
    environment,
    log,
    kept,
    without,
  );
  if (without.length > 0) log.warn(`a test has taken away: ${without.join(", ")}`);
  try {
    if (without.length === 0) {
      requireProtections(protections, config.weaken);
      requireHeld(attacks, protections, config.weaken);
    }
    return containers;
  } catch (error) {
    await containers.close();
    throw error;
  }
}

/** The same for a host that may lack something: says what was found and leaves the judgement to the caller. */
export async function startSandbox(
  config: Config,
  environment: Environment,
  log: EngineLog,
  kept: KeptStores | null,
  without: Layers = [],
): Promise<{ containers: Containers; protections: Protection[]; attacks: AttackResult[] }> {
  const limits: SessionLimits = {
    outputBytes: config.outputMb << 20,
    displayCount: config.displayCount,
    displayBytes: config.displayMb << 20,
    fileCount: config.outputFileCount,
    fileBytes: config.outputFileMb << 20,
    // The keeper holds them twice while it sends them, inside the container's own memory.
    collectBytes: (config.filesMb * MIB) / 2,
    workspaceBytes: config.filesMb * MIB,
    memoryMb: config.memoryMb,
    room: createOutputRoom(config.outputTotalMb << 20),
    transfers: createTransfers(LARGE_TRANSFERS),
    calls: config.clientToolCalls,
    without,
  };
  const pool = await createPool({
    size: config.pool,
    limits,
    transferBytesMax: Math.max(config.uploadMb, config.filesMb) * MIB,
    startZygote: () =>
      startZygote(config, environment, (line) => log.debug(`zygote: ${line}`), without),
    warn: (message) => log.warn(message),
  });
  const containers = createContainers(pool, config, limits, kept);
  try {
    const container = await containers.create();
    const protections = await probeContainer(container, pool);
    const attacks = await runQuickAttacks(container);
    await containers.delete(container.id);
    return { containers, protections, attacks };
  } catch (error) {
    await containers.close();
    throw error;
  }
}
