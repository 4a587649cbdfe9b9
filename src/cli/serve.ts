/** `curta serve`: set up what is missing, start, listen, and end in good order. */
import { renderFirstRequest } from "../http/health.ts";
import { checkListenAddress } from "../http/loopback.ts";
import { checkPort, listen } from "../http/server.ts";
import { createReporter } from "../setup/reporter.ts";
import { claimDataFolder } from "../store/data-folder.ts";
import { createLog } from "../telemetry/log.ts";
import type { Io } from "./io.ts";
import { startService } from "./service.ts";
import { readConfig, warnOfUnknownVariables } from "./settings.ts";

export async function serve(options: Record<string, unknown>, io: Io): Promise<number> {
  warnOfUnknownVariables(io);
  const config = readConfig(options, io);
  // Before minutes of set-up, not after.
  checkListenAddress(config);
  using _claim = claimDataFolder(config.data);
  await checkPort(config);
  const log = createLog(config, io.stderr);
  const service = await startService(config, log, createReporter(io.stderr), io.signal);
  try {
    const server = await listen(service.fetch, config, service.inFlight, log);
    const { provider } = service;
    io.stdout.write(
      `Curta listens on ${server.url} (model: ${provider.model ?? "as the client names it"}, ${provider.kind}). Try:\n\n`,
    );
    io.stdout.write(
      `${renderFirstRequest(server.url, config.apiKeys === "" ? "any" : "YOUR_KEY")}\n\n`,
    );
    await aborted(io.signal);
    log.info(`stopping: requests under way have ${config.shutdownSeconds} s to end`);
    if (!(await server.shutdown())) log.warn("some requests did not end in time and were stopped");
  } finally {
    await service.close();
  }
  return 0;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
