/**
 * Counts requests from their first byte to the last byte of their answer, streams included.
 *
 * `health` and metrics read the number, and once `drain` is called new requests are turned away, so that
 * a shutdown has an end.
 */
import { GatewayError } from "../errors.ts";
import type { AppMiddleware } from "./services.ts";

export interface InFlight {
  readonly count: number;
  readonly draining: boolean;
  begin(): () => void;
  drain(): void;
}

export function createInFlight(): InFlight {
  let count = 0;
  let draining = false;
  return {
    get count() {
      return count;
    },
    get draining() {
      return draining;
    },
    begin() {
      count += 1;
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        count -= 1;
      };
    },
    drain() {
      draining = true;
    },
  };
}

/** Refuses new requests while draining, or when `limit` of those counted here are under way. */
export function countInFlight(inFlight: InFlight, limit: number): AppMiddleware {
  return async (context, next) => {
    if (inFlight.draining)
      throw new GatewayError("overloaded", "The server is shutting down.", {
        retryAfterSeconds: 5,
      });
    if (inFlight.count >= limit) {
      throw new GatewayError("overloaded", `${limit} requests are under way already.`, {
        retryAfterSeconds: 1,
      });
    }
    const end = inFlight.begin();
    const outgoing = context.env?.outgoing;
    // A connection tells when the last byte is out; a call inside the process ends with its answer.
    outgoing?.once("close", end);
    try {
      await next();
    } finally {
      if (outgoing === undefined) end();
    }
  };
}
