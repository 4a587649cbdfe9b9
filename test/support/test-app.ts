/** The real app on containers in memory and a files store in a folder of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createApp } from "../../src/app.ts";
import type { App } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import type { Config } from "../../src/config.ts";
import { startBatchRunner } from "../../src/http/batch-runner.ts";
import { createInFlight } from "../../src/http/in-flight.ts";
import type { InFlight } from "../../src/http/in-flight.ts";
import type { MessagesHandler } from "../../src/http/services.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { openBatchStore } from "../../src/store/batches.ts";
import { openDatabase } from "../../src/store/database.ts";
import { openFilesStore } from "../../src/store/files.ts";
import { openLedger } from "../../src/store/ledger.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { MemoryContainers } from "./memory-containers.ts";
import { noWeb } from "./no-web.ts";

export interface TestApp extends AsyncDisposable {
  app: App;
  config: Config;
  containers: MemoryContainers;
  inFlight: InFlight;
  logged: string[];
  /** Sends a request inside the process; an object as `json` becomes a JSON body. */
  send(method: string, path: string, options?: SendOptions): Promise<Response>;
}

export interface SendOptions {
  json?: unknown;
  body?: BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface TestAppOptions {
  config?: Partial<Record<keyof Config, unknown>>;
  messages?: MessagesHandler;
  provider?: Provider;
}

/** Answers with what reached it, so that a test sees what the mount let through. */
const echoMessages: MessagesHandler = async (request, { requestId }) =>
  Response.json({ requestId, received: await request.json() });

export const silentProvider: Provider = {
  kind: "scripted",
  model: null,
  // oxlint-disable-next-line require-yield -- no test of this layer samples a model
  async *stream() {
    throw new Error("This test has no model.");
  },
  countTokens: async () => 0,
  close: async () => {},
};

export async function createTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const folder = await mkdtemp(join(tmpdir(), "curta-http-"));
  const config = loadConfig({
    env: {},
    flags: { data: folder, log: "debug", port: 0, ...options.config },
  });
  const logged: string[] = [];
  const log = createLog(config, { write: (line) => logged.push(line) });
  const database = openDatabase(folder);
  const files = await openFilesStore({
    database,
    folder,
    maxBytes: config.storedFilesMb * 1024 * 1024,
    clock: Date.now,
  });
  const containers = new MemoryContainers();
  const inFlight = createInFlight();
  const messages = options.messages ?? echoMessages;
  const store = openBatchStore(database, Date.now, config.batches);
  const runner = startBatchRunner({
    store,
    messages,
    inFlight,
    workers: config.batchWorkers,
    onFailure: (cause) => logged.push(String(cause)),
  });
  const app = createApp({
    config,
    log,
    containers,
    provider: options.provider ?? silentProvider,
    files,
    ledger: openLedger(database, Date.now, (cause) => {
      throw cause;
    }),
    messages,
    web: noWeb,
    batches: { store, runner },
    inFlight,
    version: "0.0.0",
    clock: Date.now,
  });
  return {
    app,
    config,
    containers,
    inFlight,
    logged,
    send(method, path, { json, body, headers, signal } = {}) {
      const init: RequestInit = {
        method,
        headers: { ...(json !== undefined && { "content-type": "application/json" }), ...headers },
      };
      if (json !== undefined) init.body = JSON.stringify(json);
      if (body !== undefined) init.body = body;
      if (signal !== undefined) init.signal = signal;
      return app.fetch(new Request(`http://127.0.0.1:4242${path}`, init));
    },
    async [Symbol.asyncDispose]() {
      await runner[Symbol.asyncDispose]();
      await app.close();
      database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
