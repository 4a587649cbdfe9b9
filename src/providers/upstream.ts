/**
 * One model's server: where it is, how it is asked, and what its answers are before a dialect reads them.
 */
import type { EventSourceMessage } from "eventsource-parser";

import { GatewayError } from "../errors.ts";
import { RETRY_TIMING, withRetries } from "./retry.ts";
import type { RetryTiming } from "./retry.ts";
import { parseServerSentEvents } from "./server-sent-events.ts";
import { createTransport } from "./transport.ts";
import type { TransportResponse } from "./transport.ts";
import { UpstreamError, quoteUpstream, upstreamErrorFromAnswer } from "./upstream-error.ts";
import type { UpstreamContext } from "./upstream-error.ts";

/** A subset of pino's logger. */
export interface ProviderLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface UpstreamOptions {
  /** Base URL, with or without its version segment. */
  url: string;
  /** Empty: none is sent. */
  key: string;
  /** Empty: the model that the client names. */
  model: string;
  timeoutSeconds: number;
  retries: number;
  retryTiming?: RetryTiming;
  log: ProviderLog;
}

/** A whole JSON answer of at most this many bytes is read from a server that does not stream. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;

/** What comes of a streaming request: events, or one whole JSON value from a server that ignores `stream`. */
export type UpstreamAnswerStream =
  | { kind: "events"; events: AsyncIterable<EventSourceMessage> }
  | { kind: "json"; value: unknown };

export interface Upstream {
  /** A success or an `UpstreamError`. */
  ask(
    path: string,
    body: object,
    context: { model: string; signal: AbortSignal },
  ): Promise<TransportResponse>;
  /** `ask` for a stream. The response must be closed by the caller. */
  open(response: TransportResponse): Promise<UpstreamAnswerStream>;
  /** Runs a sampling with the configured retries. */
  retrying<T>(attempt: () => AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T>;
  /** GET or POST beside the base, for questions about the server; null when it has no such thing. */
  lookUp(path: string, body: object | null, signal: AbortSignal): Promise<unknown>;
  context(model: string): UpstreamContext;
  close(): void;
}

export function createUpstream(
  options: UpstreamOptions,
  base: URL,
  headers: Record<string, string>,
): Upstream {
  const transport = createTransport(options.timeoutSeconds * 1000);
  const context = (model: string, url = base): UpstreamContext => ({
    url,
    model,
    key: options.key,
  });

  return {
    async ask(path, body, { model, signal }) {
      const url = joinUrl(base, path);
      const response = await transport.send(
        url,
        {
          method: "POST",
          headers: {
            ...headers,
            "content-type": "application/json",
            accept: "text/event-stream, application/json",
          },
          body: JSON.stringify(body),
        },
        signal,
      );
      if (response.status >= 200 && response.status < 300) return response;
      try {
        const text = await response.text();
        throw upstreamErrorFromAnswer(
          { status: response.status, headers: response.headers, text },
          context(model, url),
        );
      } finally {
        response.close();
      }
    },
    async open(response) {
      const type = response.headers["content-type"] ?? "";
      if (type.includes("json")) {
        const text = await response.text(MAX_JSON_BYTES);
        return { kind: "json", value: parseJson(text, options.key) };
      }
      if (type.includes("html")) {
        throw new UpstreamError(
          "upstream",
          `${base.origin} answered with a web page, not as a model's server; check CURTA_UPSTREAM_URL.`,
        );
      }
      return { kind: "events", events: parseServerSentEvents(response.body) };
    },
    retrying: (attempt, signal) =>
      withRetries(attempt, {
        retries: options.retries,
        timing: options.retryTiming ?? RETRY_TIMING,
        signal,
        onRetry: (error, waitMs) =>
          options.log.warn(
            { status: error.status, waitMs: Math.round(waitMs) },
            `Trying the model's server again: ${error.message}`,
          ),
      }),
    async lookUp(path, body, signal) {
      const response = await transport.send(
        new URL(base.pathname.replace(/\/v\d[^/]*$/, "") + path, base.origin),
        {
          method: body === null ? "GET" : "POST",
          headers: { ...headers, "content-type": "application/json" },
          ...(body === null ? {} : { body: JSON.stringify(body) }),
        },
        signal,
      );
      try {
        if (response.status !== 200) return null;
        return JSON.parse(await response.text(MAX_JSON_BYTES));
      } catch (error) {
        if (error instanceof SyntaxError) return null;
        throw error;
      } finally {
        response.close();
      }
    },
    context: (model) => context(model),
    close: () => transport.close(),
  };
}

/** Parses a JSON answer or event; anything else is the server's failure. */
export function parseJson(text: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const said = quoteUpstream(text, key).slice(0, 100);
    throw new UpstreamError(
      "upstream",
      `The model's server sent something that is not JSON: ${JSON.stringify(said)}.`,
      { cause },
    );
  }
}

/**
 * The base of a server's paths. Takes the URL with or without its version segment, and even the whole
 * address of the endpoint, since people paste what they have.
 */
export function baseUrlOf(text: string, endpoint: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new GatewayError(
      "invalid_request",
      `CURTA_UPSTREAM_URL must begin with http:// or https://, but is ${JSON.stringify(text)}.`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new GatewayError(
      "invalid_request",
      "CURTA_UPSTREAM_URL must not contain a user or password; put the key into CURTA_UPSTREAM_KEY.",
    );
  }
  let path = url.pathname.replace(/\/+$/, "");
  if (path.endsWith(endpoint)) path = path.slice(0, -endpoint.length);
  if (!/\/v\d[^/]*(\/|$)/.test(path)) path += "/v1";
  const base = new URL(url.origin);
  base.pathname = path;
  base.search = url.search;
  return base;
}

function joinUrl(base: URL, path: string): URL {
  const url = new URL(base);
  url.pathname = base.pathname + path;
  return url;
}
