/** From a thrown value to what the client is told of it. */
import { ERRORS, GatewayError } from "../errors.ts";
import type { WireError } from "./events.ts";

export interface ErrorAnswer {
  status: number;
  headers: Record<string, string>;
  body: WireError;
}

/** Anything but a `GatewayError` is told as an internal error, without its detail. */
export function toErrorAnswer(thrown: unknown, requestId: string): ErrorAnswer {
  const error =
    thrown instanceof GatewayError ? thrown : new GatewayError("internal", "Internal server error");
  const { status, type } = ERRORS[error.code];
  const details = error.details === undefined ? {} : { details: error.details };
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "request-id": requestId,
  };
  if (error.retryAfterSeconds !== undefined)
    headers["retry-after"] = String(Math.ceil(error.retryAfterSeconds));
  if (!error.mayRetry) headers["x-should-retry"] = "false";
  return {
    status,
    headers,
    body: {
      type: "error",
      error: { type, message: error.message, ...details },
      request_id: requestId,
    },
  };
}
