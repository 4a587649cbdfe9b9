/**
 * What this host enforces, measured: `python/kernel/probe.py` tries each thing inside a real container,
 * and here its report becomes a list of protections with what is missing and how to get it.
 */
import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import type { Container } from "./sandbox.ts";

export interface Protection {
  name: string;
  enforced: boolean;
  /** The server refuses to start while it is missing, unless `weaken` names it. */
  required: boolean;
  detail: string;
  remedy: string;
}

/** What the zygote found out about the kernel. */
export interface HostFacts {
  /** Version of the control groups, or why there are none. */
  controlGroups: number | string;
  /** Version of Landlock, 0 for none. */
  landlock: number;
}

const report = z.object({
  user: z.number(),
  capabilities: z.array(z.string()),
  noNewPrivileges: z.string(),
  seccomp: z.string(),
  families: z.array(z.number()),
  exec: z.string(),
  unshare: z.string(),
  setns: z.string(),
  mount: z.string(),
  device: z.string(),
  writeRoot: z.string(),
  writeLibraries: z.string(),
  root: z.array(z.string()),
  processes: z.array(z.number()),
  keeperMemory: z.string(),
  mounts: z.string(),
  kernelSettings: z.array(z.string()),
  limits: z.record(z.string(), z.number()),
  group: z.string(),
  uptime: z.number(),
  host: z.string(),
});

const PROBE_MS_MAX = 10_000;
const AF_UNIX = 1;

/** Runs the probe in a container that has run nothing. Throws `internal` when it gives no report. */
export async function probeContainer(container: Container, host: HostFacts): Promise<Protection[]> {
  const code = readFileSync(new URL("../../python/kernel/probe.py", import.meta.url), "utf8");
  let output = "";
  let problem = "it printed nothing";
  const options = { code, language: "python", timeoutMs: PROBE_MS_MAX, live: false } as const;
  for await (const event of container.execute(options, AbortSignal.timeout(2 * PROBE_MS_MAX))) {
    if (event.type === "stdout") output += event.text;
    if (event.type === "done" && event.error !== null) problem = event.error.traceback;
  }
  try {
    return judge(report.parse(JSON.parse(output)), host);
  } catch (cause) {
    throw new GatewayError("internal", `The sandbox's self-test failed: ${problem}`, { cause });
  }
}

/** Throws one sentence naming what is missing, unless the operator has given it up. */
export function requireProtections(protections: readonly Protection[], weaken: string): void {
  const givenUp = new Set(weaken.split(",").map((name) => name.trim()));
  const missing = protections.filter(
    ({ name, enforced, required }) => required && !enforced && !givenUp.has(name),
  );
  if (missing.length === 0) return;
  const list = missing
    .map(({ name, detail, remedy }) => `${name} (${detail}; ${remedy})`)
    .join(", ");
  throw new GatewayError(
    "internal",
    `This host does not enforce: ${list}. Set CURTA_WEAKEN to the names to do without them.`,
  );
}

function judge(
  found: z.infer<typeof report>,
  { controlGroups, landlock }: HostFacts,
): Protection[] {
  const hostPaths = found.mounts.split("\n").filter((line) => line.split(" ")[4] === "/");
  const refused = (answer: string) => answer !== "done";
  const rows: [
    name: string,
    enforced: boolean,
    required: boolean,
    detail: string,
    remedy: string,
  ][] = [
    [
      "unprivileged-user",
      found.user === 1000,
      true,
      `code runs as user ${found.user} of its own namespace`,
      NAMESPACES,
    ],
    [
      "capabilities",
      found.capabilities.every((set) => /^0+$/.test(set)),
      true,
      "every capability set is empty",
      KERNEL,
    ],
    [
      "no-new-privileges",
      found.noNewPrivileges === "1",
      true,
      "no program can raise rights",
      KERNEL,
    ],
    ["seccomp", found.seccomp === "2", true, "system calls pass an allow-list", KERNEL],
    ["no-programs", found.exec === "EPERM", true, `execve answers ${found.exec}`, KERNEL],
    [
      "no-network",
      found.families.every((family) => family === AF_UNIX),
      true,
      `socket families that open: ${found.families.join(", ") || "none"} (1 is local)`,
      KERNEL,
    ],
    [
      "no-nesting",
      [found.unshare, found.setns, found.mount].every((answer) => answer === "EPERM"),
      true,
      `unshare ${found.unshare}, setns ${found.setns}, mount ${found.mount}`,
      KERNEL,
    ],
    [
      "read-only-root",
      refused(found.writeRoot) && refused(found.writeLibraries),
      true,
      `writing to it answers ${found.writeRoot}`,
      NAMESPACES,
    ],
    [
      "own-files",
      hostPaths.length === 0,
      true,
      `the file tree holds ${found.root.length} folders, none of the host's`,
      NAMESPACES,
    ],
    [
      "own-processes",
      found.processes.length <= 3 && refused(found.keeperMemory),
      true,
      `${found.processes.length} processes in sight; the keeper's memory answers ${found.keeperMemory}`,
      NAMESPACES,
    ],
    [
      "kernel-settings",
      found.kernelSettings.length === 0,
      true,
      "/proc/sys is covered",
      NAMESPACES,
    ],
    [
      "limits",
      found.limits.CORE === 0 &&
        (found.limits.DATA ?? -1) > 0 &&
        (found.limits.NPROC ?? -1) > 0 &&
        (found.limits.FSIZE ?? -1) > 0,
      true,
      `memory, processes, file sizes and descriptors are bounded`,
      KERNEL,
    ],
    [
      "own-host-name",
      found.host === "sandbox",
      true,
      `the host is called ${found.host}`,
      NAMESPACES,
    ],
    [
      "control-group",
      typeof controlGroups === "number",
      false,
      typeof controlGroups === "number"
        ? `version ${controlGroups}: the kernel counts memory and processes of each container`
        : controlGroups,
      "run as root, or start with systemd-run --user --scope -p Delegate=yes; without it the keeper counts",
    ],
    [
      "landlock",
      // Only Landlock answers EACCES here; without it the missing capability answers EPERM.
      landlock > 0 && found.device === "EACCES",
      false,
      landlock > 0
        ? `version ${landlock}: files, devices and sockets are ruled once more; making a device answers ${found.device}`
        : "the kernel has no Landlock",
      "needs Linux 5.13 or newer with landlock among its security modules (lsm=landlock,...)",
    ],
    [
      "own-clock",
      found.uptime < Math.min(3600, uptime() / 2),
      false,
      "clocks count from the container's start",
      "needs Linux 5.6 with time namespaces",
    ],
  ];
  return rows.map(([name, enforced, required, detail, remedy]) => ({
    name,
    enforced,
    required,
    detail,
    remedy,
  }));
}

const NAMESPACES =
  "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces > 0";
const KERNEL = "needs Linux 5.10 or newer with seccomp";
