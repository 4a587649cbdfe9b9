/** A real server for tests: everything as `curta serve` puts it together, on a port of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startService } from "../../src/cli/service.ts";
import { loadConfig } from "../../src/config.ts";
import { listen } from "../../src/http/server.ts";
import type { Provider } from "../../src/providers/provider.ts";
import type { Layers } from "../../src/sandbox/layers.ts";
import { createProvider } from "../../src/providers/select.ts";
import { createReporter } from "../../src/setup/reporter.ts";
import { createLog } from "../../src/telemetry/log.ts";

export interface TestServer {
  url: string;
  /** The data folder, removed by `close` unless it was the caller's. */
  data: string;
  close(): Promise<void>;
}

export interface TestServerOptions {
  /** Without one the embedded model answers. */
  provider?: Provider;
  /** Settings by their variables' names. */
  env?: Record<string, string>;
  /** Layers of the walls that are left out, to see what comes through. */
  without?: Layers;
  /** A data folder of the caller's, for a server that takes over from another one. */
  data?: string;
}

export async function startServer({
  provider,
  env = {},
  without = [],
  data: given,
}: TestServerOptions = {}): Promise<TestServer> {
  const data = given ?? (await mkdtemp(join(tmpdir(), "curta-test-")));
  const cache = process.env.CURTA_CACHE;
  const config = loadConfig({
    env: {
      CURTA_PORT: "0",
      CURTA_LOG: "warn",
      ...(cache === undefined ? {} : { CURTA_CACHE: cache }),
      ...env,
      CURTA_DATA: data,
    },
  });
  const log = createLog(config, process.stderr);
  const service = await startService(
    config,
    log,
    createReporter(process.stderr),
    new AbortController().signal,
    provider === undefined ? createProvider : () => Promise.resolve(provider),
    without,
  );
  const server = await listen(service.fetch, config, service.inFlight, log);
  return {
    url: server.url,
    data,
    async close() {
      await server.shutdown();
      await service.close();
      if (given === undefined) await rm(data, { recursive: true, force: true });
    },
  };
}
