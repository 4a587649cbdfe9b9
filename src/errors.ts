/**
 * Every error that a client can be told about: one row each.
 *
 * Throw `new GatewayError(code, message)`; the HTTP layer turns it into the Messages API's envelope
 * (`wire/errors.ts`). Any other thrown value becomes `internal`, and its detail goes to the log only.
 * Types and statuses follow the public error documentation of the Messages API. The SDKs send a request
 * with a status of 408, 409, 429 or 5xx again by themselves, which runs its code again; where that cannot
 * help, `retry` is false.
 */
export const ERRORS = {
  invalid_request: {
    status: 400,
    type: "invalid_request_error",
    hint: "Correct the request and send it again.",
  },
  authentication: {
    status: 401,
    type: "authentication_error",
    hint: "Send a key of CURTA_API_KEYS as x-api-key or Authorization: Bearer.",
  },
  permission: { status: 403, type: "permission_error", hint: "This caller may not do that." },
  not_found: { status: 404, type: "not_found_error", hint: "Check the id or the path." },
  method_not_allowed: {
    status: 405,
    type: "invalid_request_error",
    hint: "The `allow` header names the methods of this path.",
  },
  conflict: {
    status: 409,
    type: "conflict_error",
    hint: "Try again when the other call has ended.",
  },
  request_too_large: {
    status: 413,
    type: "request_too_large",
    hint: "Send less at once; `curta config` shows the limits.",
  },
  rate_limit: {
    status: 429,
    type: "rate_limit_error",
    hint: "Wait for `retry-after` seconds and send it again.",
  },
  internal: {
    status: 500,
    type: "api_error",
    hint: "The log has the detail under the same request id.",
    retry: false,
  },
  upstream: {
    status: 502,
    type: "api_error",
    hint: "The model's server failed; see CURTA_UPSTREAM_URL.",
  },
  upstream_timeout: {
    status: 504,
    type: "timeout_error",
    hint: "The model's server did not answer in time.",
  },
  overloaded: {
    status: 529,
    type: "overloaded_error",
    hint: "Every place is taken; try again shortly.",
  },
  storage_full: {
    status: 507,
    type: "api_error",
    hint: "Free some disk space under CURTA_DATA.",
    retry: false,
  },
} as const satisfies Record<string, ErrorRow>;

interface ErrorRow {
  status: number;
  type: string;
  hint: string;
  /** False: the same request fails again, and clients are told so by `x-should-retry`. */
  retry?: false;
}

export type ErrorCode = keyof typeof ERRORS;

export interface GatewayErrorOptions {
  cause?: unknown;
  /** Seconds after which the same request may work; sent as `retry-after`. */
  retryAfterSeconds?: number;
  /** False where the same request fails again although the row says nothing of it. */
  retry?: false;
  /** Goes into `error.details`, for instance `{ error_code: "file_expired" }`. */
  details?: Record<string, unknown>;
}

export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: ErrorCode;
  readonly retryAfterSeconds: number | undefined;
  readonly details: Record<string, unknown> | undefined;
  /** Whether clients that repeat errors of this status by themselves may do so. */
  readonly mayRetry: boolean;

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.details = options.details;
    const row: ErrorRow = ERRORS[code];
    this.mayRetry = (options.retry ?? row.retry) !== false;
  }
}
