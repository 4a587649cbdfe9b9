/** Set-up as a program of its own, for `npm run setup` and `npm test`. */
import { loadConfig } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { ensureEnvironment } from "./environment.ts";
import { createReporter } from "./reporter.ts";

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => stop.abort(new Error(name)));

try {
  await ensureEnvironment(loadConfig(), createReporter(process.stderr), stop.signal);
} catch (error) {
  const interrupted = stop.signal.aborted;
  const known = error instanceof GatewayError;
  process.stderr.write(
    interrupted
      ? "\nInterrupted; the next run goes on from here.\n"
      : `\n${known ? error.message : String(error)}\n`,
  );
  process.exitCode = interrupted ? 130 : 1;
}
