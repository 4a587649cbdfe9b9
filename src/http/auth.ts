/**
 * Keys: `x-api-key` as older SDKs send it, `Authorization: Bearer` as newer ones do.
 *
 * Keys are compared by their SHA-256, each with each, so that neither the length nor the first wrong
 * character nor the position of the right one shows in the time an answer takes.
 */
import { createHash, timingSafeEqual } from "node:crypto";

import { GatewayError } from "../errors.ts";
import type { AppMiddleware } from "./services.ts";

export function parseKeys(apiKeys: string): string[] {
  return apiKeys
    .split(",")
    .map((key) => key.trim())
    .filter((key) => key !== "");
}

/** Tells whether a request carries one of the keys; without keys every key is accepted, and none too. */
export type CheckKey = (
  header: (name: string) => string | undefined,
) => "open" | "valid" | "missing" | "wrong";

export function createKeyCheck(apiKeys: string): CheckKey {
  const hashes = parseKeys(apiKeys).map(hash);
  return (header) => {
    if (hashes.length === 0) return "open";
    const given = [header("x-api-key"), bearerOf(header("authorization"))].filter(
      (key) => key !== undefined && key !== "",
    );
    if (given.length === 0) return "missing";
    let found = false;
    for (const key of given) {
      const candidate = hash(key!);
      for (const known of hashes) found = timingSafeEqual(candidate, known) || found;
    }
    return found ? "valid" : "wrong";
  };
}

export function requireKey(checkKey: CheckKey): AppMiddleware {
  return (context, next) => {
    const outcome = checkKey((name) => context.req.header(name));
    if (outcome === "missing") {
      throw new GatewayError(
        "authentication",
        "A key is needed: send it as x-api-key or as Authorization: Bearer.",
      );
    }
    if (outcome === "wrong") throw new GatewayError("authentication", "invalid x-api-key");
    return next();
  };
}

function bearerOf(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
}

function hash(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
