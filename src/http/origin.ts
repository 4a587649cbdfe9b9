/**
 * Keeps other web pages from using the server through the browser of someone who can reach it.
 *
 * A browser names the page that sends a request: `Origin` with every POST, PUT and DELETE and with
 * every readable cross-origin GET, `Sec-Fetch-Site` with everything. A request that another page sent
 * is refused unless it carries a configured key, which that page can only have been given. For pages
 * with a key the answers carry the CORS headers that let the browser show them.
 */
import { GatewayError } from "../errors.ts";
import type { CheckKey } from "./auth.ts";
import type { AppContext, AppMiddleware } from "./services.ts";

const METHODS = "GET, POST, PUT, DELETE";
const PREFLIGHT_SECONDS = "600";

export function ownOriginOnly(checkKey: CheckKey): AppMiddleware {
  return async (context, next) => {
    const origin = context.req.header("origin");
    const site = context.req.header("sec-fetch-site");
    if (origin === undefined && (site === undefined || site === "none" || site === "same-origin"))
      return next();
    if (origin !== undefined && isOwn(origin, context)) return next();
    if (origin === undefined && isNavigation(context)) return next();

    const key = checkKey((name) => context.req.header(name));
    const isPreflight =
      context.req.method === "OPTIONS" &&
      context.req.header("access-control-request-method") !== undefined;
    if (isPreflight && key === "missing" && origin !== undefined)
      return answerPreflight(origin, context);
    if (key !== "valid") {
      throw new GatewayError(
        "permission",
        "Web pages of another origin may not use this server without a key; the server's owner can set CURTA_API_KEYS.",
      );
    }
    await next();
    if (origin !== undefined) {
      context.res.headers.set("access-control-allow-origin", origin);
      context.res.headers.set("access-control-expose-headers", "request-id, retry-after");
      context.res.headers.append("vary", "origin");
    }
    return undefined;
  };
}

function isOwn(origin: string, context: AppContext): boolean {
  // The scheme is left out: behind a proxy that ends TLS only the host is the same.
  const host = context.req.header("host") ?? new URL(context.req.url).host;
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** A link on another page to the landing page is harmless. */
function isNavigation(context: AppContext): boolean {
  return (
    context.req.path === "/" &&
    context.req.method === "GET" &&
    context.req.header("sec-fetch-mode") === "navigate"
  );
}

/** Browsers send no key with a preflight; the request after it is checked. */
function answerPreflight(origin: string, context: AppContext): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": origin,
      "access-control-allow-methods": METHODS,
      "access-control-allow-headers":
        context.req.header("access-control-request-headers") ?? "content-type",
      "access-control-max-age": PREFLIGHT_SECONDS,
      vary: "origin",
    },
  });
}
