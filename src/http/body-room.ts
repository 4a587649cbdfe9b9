/**
 * The server's memory for request bodies that are held whole: those under way together have a bound.
 *
 * A body counts by the length that its head declares, or by the largest one when it declares none, from the head
 * until the answer is out, because a turn keeps its attachments. When there is no room the sender is told to come
 * back; a body that is alone is always let in, and has its own limit.
 */
import { GatewayError } from "../errors.ts";
import type { AppMiddleware } from "./services.ts";

const MIB = 1024 * 1024;
const RETRY_AFTER_SECONDS = 2;
/** Uploads go to the disk as they come. */
const STREAMED = "/v1/files";

export function boundBodies({
  bodiesMb,
  uploadMb,
}: {
  bodiesMb: number;
  uploadMb: number;
}): AppMiddleware {
  let held = 0;
  return async (context, next) => {
    const { method, path } = context.req;
    if (method === "GET" || method === "HEAD" || path === STREAMED) return await next();
    const largest = uploadMb * MIB;
    const bytes = lengthOf(
      context.req.header("content-length"),
      context.req.header("transfer-encoding"),
      largest,
    );
    if (held > 0 && held + bytes > bodiesMb * MIB) {
      throw new GatewayError(
        "overloaded",
        `The bodies of the requests under way fill ${bodiesMb} MiB already (bodiesMb).`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    held += bytes;
    let isHeld = true;
    const release = (): void => {
      if (isHeld) held -= bytes;
      isHeld = false;
    };
    const outgoing = context.env?.outgoing;
    outgoing?.once("close", release);
    try {
      return await next();
    } finally {
      // A call inside the process ends with its answer.
      if (outgoing === undefined) release();
    }
  };
}

function lengthOf(
  declared: string | undefined,
  encoding: string | undefined,
  largest: number,
): number {
  if (declared === undefined) return encoding === undefined ? 0 : largest;
  // What is no length, or too large, is refused by whoever reads the body.
  const bytes = Number(declared);
  return Number.isNaN(bytes) ? largest : Math.min(bytes, largest);
}
