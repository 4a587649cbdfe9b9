/**
 * Any thrown value -> an answer.
 *
 * A `GatewayError` says what the client may know. Anything else is our own fault: the client gets the
 * request id, the log gets the rest.
 */
import { GatewayError } from "../errors.ts";
import type { Logger } from "../telemetry/log.ts";
import { toErrorAnswer } from "../wire/errors.ts";

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
  const { status, headers, body } = toErrorAnswer(error, requestId);
  return Response.json(body, { status, headers });
}
