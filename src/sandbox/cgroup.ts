/**
 * Control groups, where they can be had: the kernel's own count of a container's memory, processes and
 * share of the processors.
 *
 * The server makes one group for itself, hands it to the sandbox's user, and binds it into the
 * zygote's file tree at /cgroup. Each keeper makes a group of its own below it and moves in before it
 * builds the walls, after which the folder is out of reach. Both versions are served: version 2 needs
 * the zygote to start inside the group (a process may only move below a group it could write to),
 * version 1 has a hierarchy for each controller. Without root or a delegated group there is none; the
 * keeper then counts by itself (`watch` in python/kernel/keeper.py).
 */
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface ControlGroups {
  version: 1 | 2;
  /** Folders of the host by the controller's name; version 2 has the one name `unified`. */
  folders: Record<string, string>;
  /** Moves a process that is about to become the zygote into its group. */
  adopt(processId: number): void;
  /** Removes the groups as soon as the last processes in them have ended, within REMOVE_MS_MAX. */
  remove(): Promise<void>;
}

const CONTROLLERS = ["memory", "pids", "cpu"];
const ROOT = "/sys/fs/cgroup";
const REMOVE_MS_MAX = 5000;
const REMOVE_PAUSE_MS = 50;

/** A server that replaces its zygote makes new groups while the old ones empty. */
let made = 0;

/** Makes the groups, or gives null with the reason why there are none. */
export function prepareControlGroups(user: number): {
  groups: ControlGroups | null;
  reason: string;
} {
  made += 1;
  const name = `curta-${process.pid}-${made}`;
  try {
    if (existsSync(join(ROOT, "cgroup.controllers")))
      return { groups: prepareUnified(name, user), reason: "" };
    if (
      process.getuid?.() === 0 &&
      CONTROLLERS.every((controller) => existsSync(join(ROOT, controller, "cgroup.procs")))
    ) {
      return { groups: prepareHierarchies(name, user), reason: "" };
    }
    return { groups: null, reason: "no control groups that this user may write" };
  } catch (error) {
    return { groups: null, reason: error instanceof Error ? error.message : String(error) };
  }
}

function prepareHierarchies(name: string, user: number): ControlGroups {
  const folders: Record<string, string> = {};
  for (const controller of CONTROLLERS) {
    removeLeftovers(join(ROOT, controller));
    const folder = join(ROOT, controller, name);
    mkdirSync(folder, { recursive: true });
    chownSync(folder, user, user);
    folders[controller] = folder;
    // All containers together weigh as much as one busy process on each processor, not one in all.
    if (controller === "cpu")
      writeFileSync(join(folder, "cpu.shares"), String(1024 * cpus().length));
  }
  return {
    version: 1,
    folders,
    adopt: () => {},
    remove: () => removeTrees(Object.values(folders)),
  };
}

function prepareUnified(name: string, user: number): ControlGroups {
  const asRoot = process.getuid?.() === 0;
  const parent = asRoot
    ? ROOT
    : join(ROOT, readFileSync("/proc/self/cgroup", "utf8").trim().split("::")[1] ?? "");
  removeLeftovers(parent);
  const folder = join(parent, name);
  mkdirSync(folder);
  try {
    const controllers = readFileSync(join(folder, "cgroup.controllers"), "utf8").split(/\s+/);
    const missing = CONTROLLERS.filter(
      (controller) => !controllers.includes(controller) && controller !== "cpu",
    );
    if (missing.length > 0)
      throw new Error(`the controllers ${missing.join(", ")} are not delegated`);
    const wanted = CONTROLLERS.filter((controller) => controllers.includes(controller));
    writeFileSync(
      join(folder, "cgroup.subtree_control"),
      wanted.map((controller) => `+${controller}`).join(" "),
    );
    mkdirSync(join(folder, "zygote"));
    for (const path of [folder, join(folder, "zygote")]) {
      accessSync(join(path, "cgroup.procs"), constants.W_OK);
      if (!asRoot) continue;
      chownSync(path, user, user);
      chownSync(join(path, "cgroup.procs"), user, user);
    }
  } catch (error) {
    removeTree(folder);
    throw error;
  }
  return {
    version: 2,
    folders: { unified: folder },
    adopt: (processId) => writeFileSync(join(folder, "zygote", "cgroup.procs"), String(processId)),
    remove: () => removeTrees([folder]),
  };
}

/** Processes that were killed may take a moment to be gone. */
async function removeTrees(folders: string[]): Promise<void> {
  const deadline = Date.now() + REMOVE_MS_MAX;
  let left = folders;
  for (;;) {
    left = left.filter((folder) => !removeTree(folder));
    if (left.length === 0 || Date.now() > deadline) return;
    await sleep(REMOVE_PAUSE_MS);
  }
}

/** Groups of servers that were killed before they could remove them. */
function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent)) {
    const owner = /^curta-(\d+)-\d+$/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) removeTree(join(parent, name));
  }
}

/** Whether the folder is gone; it is not while a process is in it. */
function removeTree(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(folder, entry.name));
    }
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}
