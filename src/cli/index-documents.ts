/** `curta index`: the local documents that web search finds. */
import { realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { startContainers } from "../sandbox/engine.ts";
import type { DocumentReader } from "../search/document-reader.ts";
import { indexFolder, type IndexReport } from "../search/index-folder.ts";
import { openIndexStore, type IndexStore } from "../search/index-store.ts";
import { toLocalUrl } from "../search/local-url.ts";
import { createPageServices } from "../search/select.ts";
import { ensureEnvironment } from "../setup/environment.ts";
import { createReporter } from "../setup/reporter.ts";
import { createLog } from "../telemetry/log.ts";
import type { Io } from "./io.ts";
import { readConfig } from "./settings.ts";
import { formatTable, toPrintable } from "./terminal.ts";

/** A line at least this often, and at the end. */
const PROGRESS_MS = 2000;
const FAILURES_SHOWN = 20;

export async function indexDocuments(
  folder: string | undefined,
  options: Record<string, unknown>,
  io: Io,
): Promise<number> {
  const config = readConfig(options, io);
  const store = openIndexStore(config.data);
  try {
    if (options.list === true) return list(store, io);
    if (folder === undefined) {
      throw new GatewayError(
        "invalid_request",
        "Name the folder to index, or use --list to see what is indexed.",
      );
    }
    if (options.remove === true) return await remove(store, folder, io);
    return await update(store, await toFolder(folder, io), config, io);
  } finally {
    store.close();
  }
}

function list(store: IndexStore, io: Io): number {
  const rows = store
    .collections()
    .map(({ name, folder, documents, characters }) => [
      toPrintable(folder),
      String(documents),
      String(characters),
      toLocalUrl(name, ""),
    ]);
  if (rows.length === 0)
    io.stdout.write("Nothing is indexed. `curta index DIR` indexes a folder.\n");
  else io.stdout.write(formatTable([["Folder", "Documents", "Characters", "Addresses"], ...rows]));
  return 0;
}

async function remove(store: IndexStore, folder: string, io: Io): Promise<number> {
  // A folder that is gone has no real path any more; it is known by the one it had.
  const path = await realpath(resolve(io.folder, folder)).catch(() => resolve(io.folder, folder));
  if (!store.removeCollection(path)) {
    throw new GatewayError(
      "invalid_request",
      `${path} is not indexed; \`curta index --list\` shows what is.`,
    );
  }
  io.stdout.write(`${toPrintable(path)} is not indexed any more; its files were not touched.\n`);
  return 0;
}

async function toFolder(folder: string, io: Io): Promise<string> {
  const path = resolve(io.folder, folder);
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory() !== true)
    throw new GatewayError("invalid_request", `${folder} is not a folder.`);
  return realpath(path);
}

async function update(store: IndexStore, folder: string, config: Config, io: Io): Promise<number> {
  await using sandbox = createLazySandbox(config, io);
  let shownMs = 0;
  const report = await indexFolder(
    folder,
    {
      store,
      reader: () => sandbox.reader(),
      limits: { files: config.indexFiles, fileBytes: config.indexFileMb * 1024 * 1024 },
      onProgress(done, all, path) {
        if (Date.now() - shownMs < PROGRESS_MS) return;
        shownMs = Date.now();
        io.stderr.write(`${done} of ${all}: ${toPrintable(path)}\n`);
      },
    },
    io.signal,
  );
  io.stdout.write(renderReport(folder, report));
  return 0;
}

export function renderReport(folder: string, report: IndexReport): string {
  const { added, unchanged, removed, failed, left } = report;
  const lines = [
    `${toPrintable(folder)}: ${added} read, ${unchanged} unchanged, ${removed} removed.`,
    ...failed
      .slice(0, FAILURES_SHOWN)
      .map(({ path, reason }) => `  left out: ${toPrintable(path)}: ${reason}`),
  ];
  if (failed.length > FAILURES_SHOWN)
    lines.push(`  and ${failed.length - FAILURES_SHOWN} more that could not be read`);
  if (left > 0) lines.push(`  ${left} files beyond CURTA_INDEX_FILES were not looked at.`);
  return `${lines.join("\n")}\n`;
}

interface LazySandbox extends AsyncDisposable {
  reader(): Promise<DocumentReader>;
}

/** Started at the first PDF or Word file; most folders need none. */
function createLazySandbox(config: Config, io: Io): LazySandbox {
  let starting: Promise<{ reader: DocumentReader; close(): Promise<void> }> | null = null;
  async function start(): Promise<{ reader: DocumentReader; close(): Promise<void> }> {
    const environment = await ensureEnvironment(config, createReporter(io.stderr), io.signal);
    const log = createLog(config, io.stderr);
    const containers = await startContainers(config, environment, log, null);
    const { reader } = createPageServices(config, containers);
    return { reader, close: () => containers.close() };
  }
  return {
    async reader() {
      starting ??= start();
      return (await starting).reader;
    },
    async [Symbol.asyncDispose]() {
      // A start that failed has told its error to whoever asked for the reader.
      const started = await starting?.catch(() => null);
      await started?.close();
    },
  };
}
