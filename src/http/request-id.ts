/** Gives every request an id, which its answer, its error envelope and the log share. */
import { newId } from "../store/id.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AppMiddleware } from "./services.ts";

export function requestId(log: Logger, clock: () => number): AppMiddleware {
  return async (context, next) => {
    const id = newId("req");
    const startedMs = clock();
    context.set("requestId", id);
    await next();
    context.res.headers.set("request-id", id);
    const { method, path } = context.req;
    // The Messages API logs the requests that reach it itself, at their end, with their outcome.
    const level = path === "/healthz" || context.get("logsItself") === true ? "debug" : "info";
    // `ms` ends with the answer's first byte; a stream goes on after it.
    log[level](
      { requestId: id, status: context.res.status, ms: clock() - startedMs },
      `${method} ${path}`,
    );
  };
}
