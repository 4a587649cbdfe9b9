/** `curta config`: every setting with its value, where that came from, and why the default is what it is. */
import { describeConfig } from "../config.ts";
import type { Io } from "./io.ts";
import { toFlags, warnOfUnknownVariables } from "./settings.ts";
import { formatTable } from "./terminal.ts";

export function showConfig(options: Record<string, unknown>, io: Io): number {
  warnOfUnknownVariables(io);
  const settings = describeConfig({ env: io.env, flags: toFlags(options) });
  if (options.json) {
    io.stdout.write(`${JSON.stringify(settings, null, 2)}\n`);
    return 0;
  }
  const rows = settings.map(({ variable, value, fallback, source, why }) => [
    variable,
    value || '""',
    fallback || '""',
    source,
    why,
  ]);
  io.stdout.write(formatTable([["Variable", "Value", "Default", "From", "Why"], ...rows]));
  return 0;
}
