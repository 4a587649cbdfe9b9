/**
 * A command's way to Curta: the server that listens on the configured address, else the same app
 * started inside this process. Both answer the same requests, so a command knows no difference.
 */
import { z } from "zod";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { parseKeys } from "../http/auth.ts";
import type { createProvider } from "../providers/select.ts";
import { createReporter } from "../setup/reporter.ts";
import { createLog } from "../telemetry/log.ts";
import type { Io } from "./io.ts";
import { startService } from "./service.ts";
import { dim } from "./terminal.ts";

export interface Client extends AsyncDisposable {
  /** Throws a `GatewayError` with the server's own sentence when the answer is an error. */
  send(method: string, path: string, options?: SendOptions): Promise<Response>;
}

export interface SendOptions {
  json?: unknown;
  bytes?: Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  /** Instead of the command's own, for what has to happen after an interrupt. */
  signal?: AbortSignal;
}

const PROBE_MS = 2000;
const Health = z.object({ name: z.literal("curta"), status: z.literal("ok") });
const Envelope = z.object({ error: z.object({ message: z.string() }) });

export async function connect(
  config: Config,
  io: Io,
  chooseProvider?: typeof createProvider,
): Promise<Client> {
  const url = toBaseUrl(config);
  if (await isRunning(url, io.signal))
    return toClient(url, (request) => fetch(request), config, io);
  if (io.stderr.isTTY) {
    const hint = "curta serve in another terminal saves this wait";
    io.stderr.write(dim(`Starting a sandbox for this command; ${hint} …\n`, io.stderr, io.env));
  }
  // Requests of this one command are not news; what goes wrong is.
  const log = createLog({ log: config.log === "info" ? "warn" : config.log }, io.stderr);
  // One container is all that one command needs, so none is kept ready. Batches wait for a server: this process
  // may have no model, and a server with the same data folder may be at them.
  const service = await startService(
    { ...config, pool: 0, batchWorkers: 0 },
    log,
    createReporter(io.stderr),
    io.signal,
    chooseProvider,
  );
  return toClient(
    "http://127.0.0.1",
    (request) => service.fetch(request),
    config,
    io,
    () => service.close(),
  );
}

/** Where a client on this machine finds the server. */
export function toBaseUrl({ host, port }: Pick<Config, "host" | "port">): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

export async function isRunning(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/healthz`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]),
    });
    return Health.safeParse(await answer.json()).success;
  } catch {
    // Nothing there, something else there, or too slow to be of use: in each case it is not a server of ours.
    signal.throwIfAborted();
    return false;
  }
}

export function toClient(
  url: string,
  fetchFrom: (request: Request) => Promise<Response>,
  config: Pick<Config, "apiKeys">,
  io: Pick<Io, "signal">,
  close: () => Promise<void> = async () => {},
): Client {
  const key = parseKeys(config.apiKeys)[0];
  return {
    async send(method, path, { json, bytes, headers = {}, signal = io.signal } = {}) {
      const all = new Headers(headers);
      if (key !== undefined) all.set("x-api-key", key);
      if (json !== undefined) all.set("content-type", "application/json");
      const body = json === undefined ? bytes : JSON.stringify(json);
      const answer = await fetchFrom(
        new Request(`${url}${path}`, { method, headers: all, body, signal }),
      ).catch((cause: unknown) => {
        signal.throwIfAborted();
        throw new GatewayError("upstream", `The connection to ${url} broke.`, { cause });
      });
      if (answer.status === 401) {
        const says = key === undefined ? "wants a key" : "does not take this key";
        throw new GatewayError(
          "authentication",
          `The server at ${url} ${says}; set CURTA_API_KEYS to one of its keys.`,
        );
      }
      if (!answer.ok) throw await toError(answer);
      return answer;
    },
    [Symbol.asyncDispose]: close,
  };
}

async function toError(answer: Response): Promise<GatewayError> {
  const text = await answer.text();
  try {
    return new GatewayError("upstream", Envelope.parse(JSON.parse(text)).error.message);
  } catch (cause) {
    return new GatewayError(
      "upstream",
      `The server answered ${answer.status} without saying why.`,
      { cause },
    );
  }
}
