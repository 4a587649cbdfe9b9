/**
 * HTTP to a model's server.
 *
 * `node:http` rather than `fetch`: fetch gives up after 300 s without headers or body bytes and offers no
 * way to change that without another package, while a large model on a slow machine may need longer
 * (`upstreamTimeoutSeconds` decides). Redirects are not followed, so that the key goes nowhere else.
 * The time-out runs only while we wait for the server, never while our own client is slow to read.
 */
import http from "node:http";
import https from "node:https";

import { UpstreamError } from "./upstream-error.ts";

/** An error body beyond this is not read; what is quoted of it is far shorter. */
const MAX_ERROR_BYTES = 64 * 1024;
/** More than any model writes in one answer. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const CLOSE_GRACE_MS = 100;

export interface TransportRequest {
  method: "GET" | "POST";
  headers?: Record<string, string>;
  body?: string;
}

export interface TransportResponse {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** To be read once, to its end or until `close`. Bounded; each wait has the idle time-out. */
  body: AsyncIterable<Uint8Array>;
  /** The whole body as text, cut at a bound. */
  text(maxBytes?: number): Promise<string>;
  /** Lets go of the connection; harmless after the end. */
  close(): void;
}

export interface Transport {
  send(url: URL, request: TransportRequest, signal: AbortSignal): Promise<TransportResponse>;
  close(): void;
}

export function createTransport(idleTimeoutMs: number): Transport {
  const agents = {
    "http:": new http.Agent({ keepAlive: true }),
    "https:": new https.Agent({ keepAlive: true }),
  };
  return {
    async send(url, request, signal) {
      const agent = agents[url.protocol === "https:" ? "https:" : "http:"];
      try {
        return await sendOnce(url, request, agent, idleTimeoutMs, signal);
      } catch (error) {
        // The server had closed an idle connection as we took it: that is no failure of the server.
        if (!(error instanceof StaleConnection)) throw error;
        return await sendOnce(url, request, undefined, idleTimeoutMs, signal);
      }
    },
    close() {
      agents["http:"].destroy();
      agents["https:"].destroy();
    },
  };
}

/** Reads the text of a body, cut at a bound. */
async function readText(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString("utf8");
}

class StaleConnection extends Error {}

function sendOnce(
  url: URL,
  { method, headers = {}, body }: TransportRequest,
  agent: http.Agent | undefined,
  idleTimeoutMs: number,
  signal: AbortSignal,
): Promise<TransportResponse> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<TransportResponse>();
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  const send = url.protocol === "https:" ? https.request : http.request;
  const request = send(url, { method, headers: { ...headers, ...length }, agent });
  // Without an error: Node's own `signal` destroys with one, which nobody hears on a socket whose answer has
  // just become whole, and an unheard error ends the process.
  const onAbort = (): void => void request.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  request.once("close", () => signal.removeEventListener("abort", onAbort));
  const timer = setTimeout(() => request.destroy(silence(idleTimeoutMs)), idleTimeoutMs);
  request.on("error", (error: NodeJS.ErrnoException) => {
    clearTimeout(timer);
    if (request.reusedSocket && error.code === "ECONNRESET") reject(new StaleConnection());
    else reject(toConnectionError(error, url, signal));
  });
  request.on("response", (response) => {
    clearTimeout(timer);
    const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    const content = readBody(response, chunks, url, idleTimeoutMs, signal);
    resolve({
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: content,
      text: (maxBytes = MAX_ERROR_BYTES) => readText(content, maxBytes),
      close: () => void letGo(response, chunks),
    });
  });
  request.end(body);
  return promise;
}

async function* readBody(
  response: http.IncomingMessage,
  chunks: AsyncIterator<Uint8Array>,
  url: URL,
  idleTimeoutMs: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  try {
    for (;;) {
      const timer = setTimeout(() => response.destroy(silence(idleTimeoutMs)), idleTimeoutMs);
      const { done, value } = await chunks.next().finally(() => clearTimeout(timer));
      if (done) return;
      size += value.length;
      if (size > MAX_BODY_BYTES) {
        throw new UpstreamError(
          "upstream",
          `The model's server sent more than ${MAX_BODY_BYTES} bytes.`,
        );
      }
      yield value;
    }
  } catch (error) {
    response.destroy();
    throw toConnectionError(error as NodeJS.ErrnoException, url, signal, "cut");
  }
}

/**
 * Reads what little is left after the last event, so that the connection can be used again; what does not
 * end by itself at once is cut, so that the server does not go on for nobody.
 */
async function letGo(
  response: http.IncomingMessage,
  chunks: AsyncIterator<Uint8Array>,
): Promise<void> {
  if (response.destroyed) return;
  const timer = setTimeout(() => response.destroy(), CLOSE_GRACE_MS);
  try {
    while (!(await chunks.next()).done);
  } catch {
    // Nobody reads this answer any more, so its failure tells nothing.
  } finally {
    clearTimeout(timer);
    response.destroy();
  }
}

function silence(idleTimeoutMs: number): UpstreamError {
  const seconds = idleTimeoutMs / 1000;
  return new UpstreamError(
    "upstream_timeout",
    `The model's server was silent for ${seconds} s (CURTA_UPSTREAM_TIMEOUT_SECONDS).`,
  );
}

function toConnectionError(
  error: NodeJS.ErrnoException,
  url: URL,
  signal: AbortSignal,
  when: "open" | "cut" = "open",
): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof UpstreamError) return error;
  const message =
    when === "cut"
      ? "The model's server broke off in the middle of its answer."
      : `The model's server at ${url.origin} cannot be reached (${error.code ?? error.message}); see CURTA_UPSTREAM_URL.`;
  return new UpstreamError("upstream", message, { cause: error, retryable: true });
}
