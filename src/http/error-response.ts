/**
 * Any thrown value -> the Messages API's error envelope.
 *
 * A `GatewayError` says what the client may know. Anything else is our own fault: the client gets the
 * request id, the log gets the rest.
 */
import { ERRORS, GatewayError } from "../errors.ts";
import type { Logger } from "../telemetry/log.ts";

export interface ErrorEnvelope {
  type: "error";
  error: { type: string; message: string; details?: Record<string, unknown> };
  request_id: string;
}

export function toErrorEnvelope(error: GatewayError, requestId: string): ErrorEnvelope {
  const { type } = ERRORS[error.code];
  return {
    type: "error",
    error: { type, message: error.message, ...(error.details && { details: error.details }) },
    request_id: requestId,
  };
}

/** Logs what the client is not told, and returns what it is. */
export function toGatewayError(error: unknown, log: Logger, requestId: string): GatewayError {
  const known = error instanceof GatewayError ? error : undefined;
  if (known !== undefined && known.code !== "internal") {
    if (known.cause !== undefined)
      log.warn({ requestId, err: known.cause, code: known.code }, known.message);
    return known;
  }
  log.error({ requestId, err: error }, "request failed");
  return new GatewayError(
    "internal",
    `Something went wrong inside Curta; its log has the detail under ${requestId}.`,
  );
}

export function toErrorResponse(error: GatewayError, requestId: string): Response {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "request-id": requestId,
  };
  if (error.retryAfterSeconds !== undefined)
    headers["retry-after"] = String(Math.max(1, Math.ceil(error.retryAfterSeconds)));
  // The SDKs repeat every 5xx; a full disk is still full the second time, and the code would run again.
  if (error.code === "storage_full") headers["x-should-retry"] = "false";
  return new Response(JSON.stringify(toErrorEnvelope(error, requestId)), {
    status: ERRORS[error.code].status,
    headers,
  });
}
