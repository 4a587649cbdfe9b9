/**
 * Everything that answers requests, put together: set-up, sandbox, model, files, app.
 *
 * `curta serve` puts a port before it; `ask` and `run` use it inside their own process when no server
 * answers. What was started is closed in reverse order, also when a later step fails.
 */
import { readFileSync } from "node:fs";

import { createApp } from "../app.ts";
import type { Config } from "../config.ts";
import type { AppFetch } from "../http/services.ts";
import { createInFlight } from "../http/in-flight.ts";
import type { InFlight } from "../http/in-flight.ts";
import { startBatchRunner } from "../http/batch-runner.ts";
import { createMessagesHandler } from "../http/messages.ts";
import { createProvider } from "../providers/select.ts";
import type { Provider } from "../providers/provider.ts";
import { startContainers } from "../sandbox/engine.ts";
import type { Layers } from "../sandbox/layers.ts";
import { ensureEnvironment } from "../setup/environment.ts";
import type { Reporter } from "../setup/reporter.ts";
import { openBatchStore } from "../store/batches.ts";
import { createPageServices, createSearchService } from "../search/select.ts";
import { openDatabase } from "../store/database.ts";
import { openFilesStore } from "../store/files.ts";
import type { FilesStore } from "../store/files.ts";
import { openKeptContainers } from "../store/kept-containers.ts";
import { openJournal } from "../store/journal.ts";
import { openLedger } from "../store/ledger.ts";
import type { Logger } from "../telemetry/log.ts";
import type { FileStore } from "../tools/tool.ts";

export interface Service {
  fetch: AppFetch;
  inFlight: InFlight;
  provider: Provider;
  close(): Promise<void>;
}

export async function startService(
  config: Config,
  log: Logger,
  reporter: Reporter,
  signal: AbortSignal,
  chooseProvider: typeof createProvider = createProvider,
  without: Layers = [],
): Promise<Service> {
  await using started = new AsyncDisposableStack();
  const environment = await ensureEnvironment(config, reporter, signal);
  const database = started.adopt(openDatabase(config.data), (opened) => opened.close());
  const files = await openFilesStore({
    database,
    folder: config.data,
    maxBytes: config.storedFilesMb * 1024 * 1024,
    clock: Date.now,
  });
  const ledger = openLedger(database, Date.now, (err, entry) =>
    log.error({ err, entry }, "what was used could not be entered into the ledger"),
  );
  const kept =
    config.keptFilesMb === 0
      ? null
      : {
          containers: await openKeptContainers(
            database,
            config.data,
            config.keptFilesMb * 1024 * 1024,
          ),
          journal:
            config.replayCells === 0
              ? null
              : openJournal(database, {
                  cells: config.replayCells,
                  bytes: config.replayKb * 1024,
                  totalBytes: config.replayTotalMb * 1024 * 1024,
                }),
        };
  const web = createSearchService(config);
  started.defer(() => web.close());
  signal.throwIfAborted();
  // Both take seconds, on different cores. Both have settled before the error of one is told, so that
  // nothing goes on starting behind a failed start.
  const containersStart = startContainers(config, environment, log, kept, without).then(
    (containers) => {
      started.defer(() => containers.close());
      return containers;
    },
  );
  const providerStart = chooseProvider(config, environment, log).then((provider) => {
    started.defer(() => provider.close());
    return provider;
  });
  await Promise.allSettled([containersStart, providerStart]);
  const containers = await containersStart;
  const provider = await providerStart;
  signal.throwIfAborted();
  const inFlight = createInFlight();
  const webServices = { ...web, ...createPageServices(config, containers) };
  const messages = createMessagesHandler({
    config,
    log,
    containers,
    provider,
    files: toFileStore(files),
    ledger,
    web: webServices,
    clock: { now: Date.now },
  });
  const batchStore = openBatchStore(database, Date.now, config.batches);
  const runner = startBatchRunner({
    store: batchStore,
    messages,
    inFlight,
    workers: config.batchWorkers,
    onFailure: (err) => log.error({ err }, "a request of a batch failed"),
  });
  started.use(runner);
  const app = createApp({
    web: webServices,
    config,
    log,
    containers,
    provider,
    files,
    ledger,
    messages,
    batches: { store: batchStore, runner },
    inFlight,
    version: readVersion(),
    clock: Date.now,
  });
  const running = started.move();
  return { fetch: app.fetch, inFlight, provider, close: () => running.disposeAsync() };
}

/** The files as the tools and the wire format know them. */
function toFileStore(files: FilesStore): FileStore {
  return {
    async read(id) {
      const { filename, mimeType } = files.get(id);
      return { filename, mediaType: mimeType, bytes: await files.read(id) };
    },
    async save({ filename, mimeType, bytes }) {
      return (await files.add({ filename, mimeType, bytes, downloadable: true })).id;
    },
  };
}

export function readVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
