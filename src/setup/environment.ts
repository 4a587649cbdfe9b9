/**
 * Everything that Curta needs beside its npm packages: bubblewrap, the sandbox's file system, the model.
 *
 * Each step leaves a finished file or folder under a name that contains the hash of what went into it, so
 * that looking is enough to know that it is done, and every checkout that wants the same shares it. All
 * writing happens under one lock.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import type { Environment } from "../sandbox/environment.ts";
import { ensureBubblewrap, locateBubblewrap, proveNamespaces } from "./bubblewrap.ts";
import { EMBEDDED_MODELS } from "./embedded-models.ts";
import { locateSandbox } from "./locate-sandbox.ts";
import { acquireLock } from "./lock.ts";
import { createPartInstaller, ensureModel, locateModel } from "./model.ts";
import { findPython } from "./python.ts";
import type { Reporter } from "./reporter.ts";
import { buildSandbox, sandboxKey } from "./sandbox-root.ts";
import type { PipContext } from "./tools.ts";
import { ensureUv, uvEnvironment } from "./uv.ts";

type SetupConfig = Pick<Config, "cache" | "embeddedModel" | "upstreamUrl">;

/**
 * Makes what is missing and returns where everything is; takes milliseconds when nothing is missing.
 * Throws `GatewayError` with one sentence: what it could not do and how to fix it.
 */
export async function ensureEnvironment(
  config: SetupConfig,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<Environment> {
  requireLinux();
  const present = findEnvironment(config);
  if (!present || !(present.modelFile || config.upstreamUrl))
    await makeMissing(config, reporter, signal);
  const environment = locateEnvironment(config);
  await proveNamespaces(environment.bubblewrap, signal);
  return environment;
}

/** Only looks. Throws `not_found`, saying what is missing and the command that makes it. */
export function locateEnvironment(config: SetupConfig): Environment {
  const environment = findEnvironment(config);
  if (environment && (environment.modelFile || config.upstreamUrl)) return environment;
  const missing = environment ? "The embedded model" : "The sandbox";
  throw new GatewayError(
    "not_found",
    `${missing} is not set up in ${config.cache}: run \`npm start\` in Curta's folder, which sets it up.`,
  );
}

/** What there is, or null when there is no sandbox yet; the model may be missing. */
export function findEnvironment({ cache, embeddedModel }: SetupConfig): Environment | null {
  const bubblewrap = locateBubblewrap(cache);
  const sandbox = locateSandbox(cache, sandboxKey());
  if (!bubblewrap || !sandbox) return null;
  const modelFile = locateModel(cache, EMBEDDED_MODELS[embeddedModel]);
  return { sandboxFolder: sandbox.folder, manifest: sandbox.manifest, bubblewrap, modelFile };
}

async function makeMissing(
  config: SetupConfig,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const { cache } = config;
  const scratch = join(cache, "tmp");
  try {
    await mkdir(scratch, { recursive: true, mode: 0o755 });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError(
      "permission",
      `Could not write to the cache folder ${cache} (${reason}): set CURTA_CACHE to a folder that you own.`,
      { cause },
    );
  }
  using _lock = await acquireLock(
    cache,
    (holder) =>
      reporter.note(`Another set-up (${holder}) is under way in ${cache}; waiting for it.`),
    signal,
  );
  await removeRemains(cache);

  // Found only when something has to be built: a finished sandbox needs no Python of the host.
  const pip = once(async (): Promise<PipContext> => ({
    python: await findPython(signal),
    scratch,
    reporter,
    signal,
  }));
  const uv = once(async () => ({
    program: await ensureUv(cache, await pip()),
    env: await uvEnvironment(await pip()),
  }));

  const bubblewrap = await ensureBubblewrap(cache, pip, reporter, signal);
  if (!locateSandbox(cache, sandboxKey())) {
    const { program, env } = await uv();
    await buildSandbox({ ...(await pip()), cache, bubblewrap, uv: program, uvEnvironment: env });
  }
  if (!config.upstreamUrl) {
    await ensureModel(EMBEDDED_MODELS[config.embeddedModel], {
      cache,
      scratch,
      installer: async () => {
        const { program, env } = await uv();
        return createPartInstaller(program, (await pip()).python.executable, env, signal);
      },
      reporter,
      signal,
    });
  }
  await rm(scratch, { recursive: true, force: true });
}

/** Folders that a killed set-up left half built; downloads in `tmp` stay, they spare fetching again. */
async function removeRemains(cache: string): Promise<void> {
  for (const home of ["sandbox", "tools"].map((name) => join(cache, name))) {
    if (!existsSync(home)) continue;
    for (const name of await readdir(home)) {
      if (name.endsWith(".building")) await rm(join(home, name), { recursive: true, force: true });
    }
  }
}

function requireLinux(): void {
  if (process.platform === "linux" && ["x64", "arm64"].includes(process.arch)) return;
  throw new GatewayError(
    "not_found",
    `Curta's sandbox needs Linux on x86_64 or aarch64 and this is ${process.platform} on ${process.arch}: run it in WSL2, a Linux virtual machine or a container.`,
  );
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
