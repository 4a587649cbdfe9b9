/** What a server holds of the machine, counted from outside: what has grown when it is idle again has leaked. */
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

import { namespacesBelow } from "./process-memory.ts";

export interface Holdings {
  processes: number;
  "descriptors of the server": number;
  "descriptors of the sandbox's own processes": number;
  mounts: number;
  "control groups": number;
  "files in the data folder and the temporary one": number;
  "data folder, MiB": number;
  "memory of the server, MiB": number;
  "memory of the sandbox's own processes, MiB": number;
}

export function countHoldings(processId: number, data: string): Holdings {
  const namespaces = [...namespacesBelow(processId).values()];
  const all = namespaces.flat();
  // Of the sandbox's own, its zygote has the most relatives: all that were there before any container.
  const outer = ownNamespace(processId, namespaces);
  const files = filesBelow(data).filter((path) => !path.includes(".sqlite"));
  return {
    processes: all.length,
    "descriptors of the server": countEntries(`/proc/${processId}/fd`),
    "descriptors of the sandbox's own processes": sum(outer, (id) =>
      countEntries(`/proc/${id}/fd`),
    ),
    mounts:
      countLines("/proc/self/mountinfo") + sum(outer, (id) => countLines(`/proc/${id}/mountinfo`)),
    "control groups": countControlGroups(processId),
    "files in the data folder and the temporary one": files.length,
    "data folder, MiB": sum(filesBelow(data), (path) => sizeOf(path)) / 2 ** 20,
    "memory of the server, MiB": residentKib(processId) / 1024,
    "memory of the sandbox's own processes, MiB": sum(all, residentKib) / 1024,
  };
}

/** The namespaces that hold no container: bubblewrap's and the zygote's. A container's first process is 1 in its own. */
function ownNamespace(processId: number, namespaces: number[][]): number[] {
  const host = readlinkSync(`/proc/${processId}/ns/pid`);
  return namespaces.flat().filter((id) => {
    try {
      const status = readFileSync(`/proc/${id}/status`, "utf8");
      // One number for each namespace from here inwards: host, sandbox, container.
      const depth = /^NSpid:\s*(.*)$/m.exec(status)![1]!.split(/\s+/).length;
      return readlinkSync(`/proc/${id}/ns/pid`) === host || depth < 3;
    } catch {
      return false;
    }
  });
}

/** Shared pages in equal parts, so that the sum is what they take together. */
function residentKib(id: number): number {
  try {
    const rollup = readFileSync(`/proc/${id}/smaps_rollup`, "utf8");
    return Number(/^Pss:\s*(\d+)/m.exec(rollup)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function countControlGroups(processId: number): number {
  const roots = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/memory",
    "/sys/fs/cgroup/pids",
    "/sys/fs/cgroup/cpu",
  ];
  let count = 0;
  for (const root of roots.filter((path) => existsSync(path))) {
    for (const name of readdirSync(root)) {
      if (name.startsWith(`curta-${processId}-`)) count += countFolders(join(root, name));
    }
  }
  return count;
}

function countFolders(folder: string): number {
  const inner = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return 1 + sum(inner, (entry) => countFolders(join(folder, entry.name)));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function countEntries(folder: string): number {
  try {
    return readdirSync(folder).length;
  } catch {
    return 0;
  }
}

function countLines(path: string): number {
  try {
    return readFileSync(path, "utf8").split("\n").length - 1;
  } catch {
    return 0;
  }
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
