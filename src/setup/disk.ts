/** Asks before something large is written, so that nobody learns of a full disk from half a file. */
import { statfs } from "node:fs/promises";

import { GatewayError } from "../errors.ts";
import { formatBytes } from "./reporter.ts";

/** Throws `storage_full` with the needed and the free figure. `folder` must exist. */
export async function requireRoom(
  folder: string,
  neededBytes: number,
  what: string,
): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= neededBytes) return;
  throw new GatewayError(
    "storage_full",
    `${what} needs ${formatBytes(neededBytes)} and ${folder} has ${formatBytes(free)} free: ` +
      "make room there, or set CURTA_CACHE to a folder on a larger disk.",
  );
}
