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
import { join } from "node:path";

export interface ControlGroups {
  version: 1 | 2;
  /** Folders of the host by the controller's name; version 2 has the one name `unified`. */
  folders: Record<string, string>;
  /** Moves a process that is about to become the zygote into its group. */
  adopt(processId: number): void;
  /** Removes the groups; those that still have processes stay. */
  remove(): void;
}

const CONTROLLERS = ["memory", "pids", "cpu"];
const ROOT = "/sys/fs/cgroup";

/** Makes the groups, or gives null with the reason why there are none. */
export function prepareControlGroups(user: number): {
  groups: ControlGroups | null;
  reason: string;
} {
  const name = `curta-${process.pid}`;
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
    const folder = join(ROOT, controller, name);
    mkdirSync(folder, { recursive: true });
    chownSync(folder, user, user);
    folders[controller] = folder;
  }
  return {
    version: 1,
    folders,
    adopt: () => {},
    remove: () => Object.values(folders).forEach(removeTree),
  };
}

function prepareUnified(name: string, user: number): ControlGroups {
  const asRoot = process.getuid?.() === 0;
  const parent = asRoot
    ? ROOT
    : join(ROOT, readFileSync("/proc/self/cgroup", "utf8").trim().split("::")[1] ?? "");
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
    remove: () => removeTree(folder),
  };
}

function removeTree(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(folder, entry.name));
    }
    rmdirSync(folder);
  } catch {
    // A process still ends in there; the folder is empty and costs nothing.
  }
}
