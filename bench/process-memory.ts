/**
 * Memory that a container alone holds, read from the host's /proc.
 *
 * The processes of a container share most pages with the zygote, and some only with each other: what the
 * main line wrote before its last fork belongs to it and to its checkpoint. Adding up each process's
 * private pages (USS) leaves those out, so the pages themselves are counted: the set of page frames
 * mapped in the container's processes, less those that the zygote and other
 * containers map too. That is what one more container costs, and what its end gives back. Frame numbers are shown to root only.
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";

const PAGE_BYTES = 4096n;
const ENTRY_BYTES = 8;
const PRESENT = 1n << 63n;
const FRAME = (1n << 55n) - 1n;
/** A mapping is read in pieces of this many pages. */
const PAGES_AT_ONCE = 1 << 16;

/** Processes of each PID namespace below a process, by the namespace's name. */
export function namespacesBelow(processId: number): Map<string, number[]> {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const id = Number(name);
    if (Number.isInteger(id)) readOrSkip(() => parents.set(id, parentOf(id)));
  }
  const namespaces = new Map<string, number[]>();
  for (const id of parents.keys()) {
    if (!isBelow(id, processId, parents)) continue;
    readOrSkip(() => {
      const namespace = readlinkSync(`/proc/${id}/ns/pid`);
      namespaces.set(namespace, [...(namespaces.get(namespace) ?? []), id]);
    });
  }
  return namespaces;
}

/** Bytes of pages that these processes map and `others` do not. */
export function ownBytes(processes: readonly number[], others: readonly number[]): number {
  const frames = new Set<bigint>();
  for (const id of processes) forEachFrame(id, (frame) => frames.add(frame));
  for (const id of others) forEachFrame(id, (frame) => frames.delete(frame));
  return frames.size * Number(PAGE_BYTES);
}

/** Private_Clean and Private_Dirty of all of them, added up. */
export function uniqueSetBytes(processes: readonly number[]): number {
  return sum(processes, "smaps_rollup", ["Private_Clean", "Private_Dirty", "Private_Hugetlb"]);
}

/** What the kernel keeps for them in page tables, which no other figure contains. */
export function pageTableBytes(processes: readonly number[]): number {
  return sum(processes, "status", ["VmPTE"]);
}

function parentOf(id: number): number {
  // The name before it, in parentheses, may contain anything.
  const text = readFileSync(`/proc/${id}/stat`, "latin1");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
}

function isBelow(id: number, ancestor: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at = parents.get(id); at !== undefined && at > 0; at = parents.get(at)) {
    if (at === ancestor) return true;
  }
  return false;
}

function forEachFrame(id: number, visit: (frame: bigint) => void): void {
  const pagemap = openSync(`/proc/${id}/pagemap`, "r");
  const buffer = Buffer.alloc(PAGES_AT_ONCE * ENTRY_BYTES);
  try {
    for (const line of readFileSync(`/proc/${id}/maps`, "utf8").split("\n")) {
      const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
      // The vsyscall page lies beyond what pagemap covers and belongs to everybody.
      if (range === null || line.endsWith("[vsyscall]")) continue;
      let page = BigInt(`0x${range[1]}`) / PAGE_BYTES;
      const end = BigInt(`0x${range[2]}`) / PAGE_BYTES;
      while (page < end) {
        const count = Math.min(PAGES_AT_ONCE, Number(end - page));
        const read = readSync(pagemap, buffer, 0, count * ENTRY_BYTES, page * BigInt(ENTRY_BYTES));
        if (read === 0) break;
        const entries = new BigUint64Array(buffer.buffer, buffer.byteOffset, read / ENTRY_BYTES);
        for (const entry of entries) if ((entry & PRESENT) !== 0n) visit(entry & FRAME);
        page += BigInt(read / ENTRY_BYTES);
      }
    }
  } finally {
    closeSync(pagemap);
  }
}

function sum(processes: readonly number[], file: string, fields: readonly string[]): number {
  let kilobytes = 0;
  for (const id of processes) {
    for (const line of readFileSync(`/proc/${id}/${file}`, "utf8").split("\n")) {
      const [name, value] = line.split(":");
      if (fields.includes(name!)) kilobytes += Number.parseInt(value!, 10);
    }
  }
  return kilobytes * 1024;
}

/** A process may end between two looks at it. */
function readOrSkip(read: () => void): void {
  try {
    read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "ESRCH") throw error;
  }
}
