/** A container that is not there (any more). It has the code of an expired one, which clients look for. */
import { GatewayError } from "../errors.ts";

const ERROR_CODE = "container_expired";

export function containerGone(message: string): GatewayError {
  return new GatewayError("not_found", message, { details: { error_code: ERROR_CODE } });
}

/** Told from a file that is missing in a container which is well. */
export function isContainerGone(cause: unknown): boolean {
  return cause instanceof GatewayError && cause.details?.error_code === ERROR_CODE;
}
