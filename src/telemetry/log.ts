/**
 * The log: one JSON line an event on stderr, or one readable line when a person is watching.
 *
 * Nothing secret goes in: request bodies, headers and settings are never logged, and values under the
 * names that keys travel by are removed wherever they turn up.
 */
import { pino } from "pino";
import type { Logger } from "pino";

import type { Config } from "../config.ts";

export type { Logger } from "pino";

const SECRET_NAMES = ["apiKeys", "upstreamKey", "x-api-key", "authorization", "apiKey", "api_key"];

export interface LogStream {
  isTTY?: boolean;
  write(text: string): unknown;
}

export function createLog(config: Pick<Config, "log">, stream: LogStream = process.stderr): Logger {
  const options = {
    level: config.log,
    base: null,
    redact: {
      paths: SECRET_NAMES.flatMap((name) => [`["${name}"]`, `*["${name}"]`]),
      censor: "(secret)",
    },
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
  };
  const write = stream.isTTY
    ? (line: string) => stream.write(toPrettyLine(line))
    : (line: string) => stream.write(line);
  return pino(options, { write });
}

/** `12:03:44 WARN  model's server is slow (ms=812)`, and the stack of an error below it. */
export function toPrettyLine(line: string): string {
  const { level, time, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown> & {
    err?: { message?: string; stack?: string };
  };
  const details = Object.entries(rest)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
  const clock = String(time).slice(11, 19);
  const text = [msg, err?.message].filter(Boolean).join(": ");
  const stack = err?.stack && (level === "error" || level === "fatal") ? `\n${err.stack}` : "";
  return `${clock} ${String(level).toUpperCase().padEnd(5)} ${text}${details ? ` (${details})` : ""}${stack}\n`;
}
