/**
 * What a model's server answered, as the error that our own client gets.
 *
 * The words of the server are quoted and marked as its own, bounded and with the key taken out; a page of
 * HTML is not quoted.
 */
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import type { ErrorCode, GatewayErrorOptions } from "../errors.ts";

export interface UpstreamErrorOptions extends GatewayErrorOptions {
  /** The same request may work a moment later; `retry.ts` tries it again. */
  retryable?: boolean;
  /** How long the server asked us to wait. */
  retryAfterMs?: number | undefined;
  /** The HTTP status, when the server gave one. */
  status?: number;
  /** The server's own words, for those who look for a known phrase in them. */
  upstreamMessage?: string;
}

export class UpstreamError extends GatewayError {
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;
  readonly upstreamMessage: string;

  constructor(code: ErrorCode, message: string, options: UpstreamErrorOptions = {}) {
    const { retryAfterMs } = options;
    const retryAfterSeconds =
      retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(retryAfterMs / 1000));
    super(code, message, { retryAfterSeconds, ...options });
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = retryAfterMs;
    this.status = options.status;
    this.upstreamMessage = options.upstreamMessage ?? "";
  }
}

export interface UpstreamAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** The beginning of the body. */
  text: string;
}

export interface UpstreamContext {
  url: URL;
  model: string;
  /** Taken out of whatever is quoted. */
  key: string;
}

/** The error for an answer that is not a success. */
export function upstreamErrorFromAnswer(
  answer: UpstreamAnswer,
  context: UpstreamContext,
): UpstreamError {
  const said = quoteUpstream(answer.text, context.key);
  return upstreamErrorFromStatus(answer.status, said, context, {
    retryAfterMs: readRetryAfter(answer.headers),
    shouldRetry: headerOf(answer.headers, "x-should-retry"),
  });
}

/** The error for an error event inside a stream; `type` is the error type of either dialect. */
export function upstreamErrorFromType(
  type: string,
  status: number | null,
  text: string,
  context: UpstreamContext,
): UpstreamError {
  const said = cut(hideKey(text, context.key));
  return upstreamErrorFromStatus(status ?? STATUS_OF_TYPE[type] ?? 500, said, context, {});
}

/** The words of an error body: JSON of any of the usual forms, or short text. Empty for HTML. */
export function quoteUpstream(text: string, key: string): string {
  const trimmed = text.trim();
  if (trimmed.startsWith("<")) return "";
  return cut(hideKey(messageOfJson(trimmed) ?? trimmed, key));
}

/** The message of an error value as servers send it, or null. */
export function messageOf(value: unknown): string | null {
  const parsed = errorSchema.safeParse(value);
  if (!parsed.success) return null;
  const { error, message, detail } = parsed.data;
  if (typeof error === "string") return error;
  if (error?.message) return error.message;
  if (typeof detail === "string") return detail;
  if (detail?.[0]) return detail[0].msg;
  return message ?? null;
}

/** Reads `retry-after-ms` and `retry-after` (seconds or a date). */
function readRetryAfter(headers: UpstreamAnswer["headers"], now = Date.now()): number | undefined {
  const milliseconds = Number.parseFloat(headerOf(headers, "retry-after-ms"));
  if (milliseconds >= 0) return milliseconds;
  const value = headerOf(headers, "retry-after");
  if (/^\s*\d+(\.\d+)?\s*$/.test(value)) return Number.parseFloat(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

const STATUS_OF_TYPE: Record<string, number> = {
  invalid_request_error: 400,
  exceed_context_size_error: 400,
  BadRequestError: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  NotFoundError: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

const detailSchema = z.array(z.looseObject({ msg: z.string() }));
const errorSchema = z.looseObject({
  error: z.union([z.string(), z.looseObject({ message: z.string().nullish() })]).nullish(),
  message: z.string().nullish(),
  detail: z.union([z.string(), detailSchema]).nullish(),
});

function upstreamErrorFromStatus(
  status: number,
  said: string,
  { url, model }: UpstreamContext,
  { retryAfterMs, shouldRetry = "" }: { retryAfterMs?: number | undefined; shouldRetry?: string },
): UpstreamError {
  const quoted = said === "" ? "." : `: "${said}"`;
  const fail = (code: ErrorCode, message: string, retryable = false): UpstreamError =>
    new UpstreamError(code, message, {
      status,
      upstreamMessage: said,
      retryable: retryable && shouldRetry !== "false",
      // A wrong key or address is as wrong the second time.
      ...((shouldRetry === "false" || (status >= 400 && status < 408)) && { retry: false }),
      retryAfterMs,
    });
  switch (status) {
    case 401:
    case 403:
      return fail(
        "upstream",
        `The model's server did not accept our key (${status}); check CURTA_UPSTREAM_KEY.`,
      );
    case 404:
      return /model/i.test(said)
        ? fail(
            "not_found",
            `The model's server does not know the model "${model}"; CURTA_MODEL can name another${quoted}`,
          )
        : fail(
            "upstream",
            `The model's server has nothing at ${url.origin}${url.pathname} (404); check CURTA_UPSTREAM_URL and CURTA_UPSTREAM_API.`,
          );
    case 413:
      return fail(
        "request_too_large",
        `The model's server says that the request is too large${quoted}`,
      );
    case 408:
    case 504:
      return fail("upstream_timeout", `The model's server ran out of time (${status})${quoted}`);
    case 429:
      return fail("rate_limit", `The model's server limits the rate of requests${quoted}`, true);
    case 503:
    case 529:
      return fail("overloaded", `The model's server is overloaded (${status})${quoted}`, true);
    case 402:
      return fail("upstream", `The model's server asks for payment (402)${quoted}`);
    default:
      if (status >= 400 && status < 500) {
        return fail("invalid_request", `The model's server refused the request${quoted}`);
      }
      return fail(
        "upstream",
        `The model's server failed (${status})${quoted}`,
        status === 500 || status === 502,
      );
  }
}

function messageOfJson(text: string): string | null {
  try {
    return messageOf(JSON.parse(text));
  } catch {
    return null; // Not JSON: the text itself is quoted.
  }
}

function hideKey(text: string, key: string): string {
  return key.length >= 4 ? text.replaceAll(key, "…") : text;
}

function cut(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > 500 ? `${line.slice(0, 500)}…` : line;
}

function headerOf(headers: UpstreamAnswer["headers"], name: string): string {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? "";
}
