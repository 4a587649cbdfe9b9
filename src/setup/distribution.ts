/** Packages of the system's own package manager: only as root, only announced, only where there is no other way. */
import { GatewayError } from "../errors.ts";
import type { Reporter } from "./reporter.ts";
import { lastLine, run } from "./run.ts";

/** Installs with apt-get. Throws `not_found` with the command to run when it may not or cannot. */
export async function installDistributionPackages(
  names: readonly string[],
  reason: string,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const command = `apt-get install -y ${names.join(" ")}`;
  if (process.getuid?.() !== 0)
    throw new GatewayError("not_found", `${reason}: run \`sudo ${command}\`, then this again.`);
  reporter.note(`${reason}, so the system's package manager installs it now: ${command}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["install", "-y", "--no-install-recommends", ...names];
  let result = await run("apt-get", install, { signal, env });
  if (result.code !== 0 && result.code !== 127) {
    // A fresh machine's or container's package lists are often missing or old.
    await run("apt-get", ["update"], { signal, env });
    result = await run("apt-get", install, { signal, env });
  }
  if (result.code === 127) {
    throw new GatewayError(
      "not_found",
      `${reason}, and this system has no apt-get: install ${names.join(" and ")} its own way, then run this again.`,
    );
  }
  if (result.code !== 0) {
    throw new GatewayError(
      "internal",
      `${reason}, and \`${command}\` failed (${lastLine(result)}): install it by hand, then run this again.`,
    );
  }
}
