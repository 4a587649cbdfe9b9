/** The processes of a container, as the host sees them. */
import { readdirSync, readlinkSync } from "node:fs";

/** Those of a PID namespace, which a cell names by `os.readlink('/proc/self/ns/pid')`. */
export function processesOf(namespace: string): string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/ns/pid`) === namespace;
    } catch {
      return false;
    }
  });
}
