/**
 * Without keys only this machine may use the server.
 *
 * Two checks make that true. The connection must come from a loopback address. And the `Host` header
 * must be a name of this machine: a web page can point a name of its own at 127.0.0.1 (DNS rebinding)
 * and would then reach the server from the user's browser, but its requests carry that page's name.
 */
import { isIP } from "node:net";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { parseKeys } from "./auth.ts";
import type { AppMiddleware } from "./services.ts";

/** Throws when the server would be open to a network without a key. */
export function checkListenAddress(config: Pick<Config, "host" | "apiKeys">): void {
  if (parseKeys(config.apiKeys).length > 0 || isLoopbackName(config.host)) return;
  throw new GatewayError(
    "invalid_request",
    `Without keys the server listens on this machine only, so it does not start on ${config.host}: set CURTA_API_KEYS, or CURTA_HOST=127.0.0.1.`,
  );
}

export function loopbackOnly(config: Pick<Config, "apiKeys">): AppMiddleware {
  const open = parseKeys(config.apiKeys).length > 0;
  return (context, next) => {
    if (open) return next();
    const incoming = context.env?.incoming;
    if (incoming !== undefined && !isLoopbackAddress(incoming.socket.remoteAddress)) {
      throw new GatewayError(
        "permission",
        "Without keys only this machine may connect; the server's owner can set CURTA_API_KEYS.",
      );
    }
    const host = context.req.header("host") ?? new URL(context.req.url).host;
    if (!isLoopbackName(hostnameOf(host))) {
      throw new GatewayError(
        "permission",
        `Without keys the server answers to localhost and 127.0.0.1 only, not to ${JSON.stringify(host.slice(0, 100))}.`,
      );
    }
    return next();
  };
}

export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
  return plain === "::1" || (isIP(plain) === 4 && plain.startsWith("127."));
}

function isLoopbackName(name: string): boolean {
  const plain = name.toLowerCase().replace(/\.$/, "");
  return plain === "localhost" || isLoopbackAddress(plain);
}

/** `[::1]:4242` -> `::1`, `localhost:4242` -> `localhost`. */
function hostnameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(host);
  return bracketed?.[1] ?? host.replace(/:\d*$/, "");
}
