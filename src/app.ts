/**
 * Where the parts meet: middleware in the order a request passes it, then the table of routes.
 *
 * `fetch` takes a web-standard request, from a connection or from inside the process, so everything
 * here can be used without a port. `close` ends the containers and the model; the
 * files' database belongs to whoever opened it.
 */
import { Hono } from "hono";

import { createKeyCheck, requireKey } from "./http/auth.ts";
import { toErrorResponse, toGatewayError } from "./http/error-response.ts";
import { boundBodies } from "./http/body-room.ts";
import { countInFlight } from "./http/in-flight.ts";
import { loopbackOnly } from "./http/loopback.ts";
import { ownOriginOnly } from "./http/origin.ts";
import { requestId } from "./http/request-id.ts";
import { createRoutes } from "./http/routes.ts";
import type { AppEnv, AppFetch, Services } from "./http/services.ts";
import { otherMethods, unknownRoute } from "./http/unknown-route.ts";

export interface App {
  fetch: AppFetch;
  close(): Promise<void>;
}

/** Requests of any kind under way at once; far more than the sandbox can have work for. */
const MAX_REQUESTS = 2048;

export function createApp(services: Services): App {
  const { config, log, clock } = services;
  const checkKey = createKeyCheck(config.apiKeys);
  const hono = new Hono<AppEnv>({ strict: false });

  hono.use(requestId(log, clock));
  hono.use(loopbackOnly(config));
  hono.use(ownOriginOnly(checkKey));
  hono.use("/v1/*", requireKey(checkKey));
  hono.use("/v1/*", countInFlight(services.inFlight, MAX_REQUESTS));
  hono.use("/v1/*", boundBodies(config));

  const routes = createRoutes(services, checkKey);
  for (const { method, path, handler } of routes) hono.on(method, path, handler);
  for (const [path, handler] of otherMethods(routes)) hono.all(path, handler);
  hono.notFound(unknownRoute);
  hono.onError((error, context) => {
    const id = context.get("requestId");
    return toErrorResponse(toGatewayError(error, log, id), id);
  });

  return {
    fetch: async (request, env) => hono.fetch(request, env),
    async close() {
      const closed = await Promise.allSettled([
        services.containers.close(),
        services.provider.close(),
      ]);
      for (const result of closed)
        if (result.status === "rejected")
          log.error({ err: result.reason as unknown }, "close failed");
    },
  };
}
