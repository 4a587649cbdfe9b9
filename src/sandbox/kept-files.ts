/**
 * Brings a workspace to the disk and back.
 *
 * Only files that changed since the last time are read, one after the other, by the keeper, which follows no
 * links. Code may run meanwhile: a file caught in the middle of a change is changed, and read, again.
 */
import { GatewayError } from "../errors.ts";
import type { KeptContainers } from "../store/kept-containers.ts";
import type { Keeper } from "./keeper.ts";
import type { Sandbox } from "./pool.ts";
import type { SessionLimits } from "./session.ts";
import { SMALL_BYTES } from "./transfers.ts";

/** One row of the keeper's list: path, size, modified in ms, changed in µs. */
type Row = [string, number, number, number];

/**
 * Until it has succeeded the container counts as incomplete, so that a server that is killed in the middle leaves
 * that word. Throws when the container has ended meanwhile; what was kept before stays.
 */
export async function keepFiles(
  { keeper, session }: Sandbox,
  kept: KeptContainers,
  id: string,
  {
    collectBytes,
    workspaceBytes,
    transfers,
  }: Pick<SessionLimits, "collectBytes" | "workspaceBytes" | "transfers">,
): Promise<void> {
  kept.setIncomplete(id, true);
  const { fields } = await keeper.request("list");
  const rows = fields.files as Row[];
  const before = kept.files(id);
  let incomplete = fields.whole !== true || fields.nameless !== 0;
  if (fields.whole === true) {
    const present = stamps(rows);
    for (const path of before.keys()) if (!present.has(path)) await kept.drop(id, path);
  }
  // Holes and several names of one file make more of a workspace than the room that it takes.
  let left = workspaceBytes;
  for (const [path, size, ...times] of rows) {
    const stamp = [size, ...times].join(" ");
    left -= size;
    if (before.get(path) === stamp && left >= 0) continue;
    try {
      if (left < 0)
        throw new GatewayError("storage_full", "The workspace is larger than its room.");
      const bring = async (max: number): Promise<void> => {
        const asked = { path, max: Math.min(max, size + left) };
        const { payload } = await keeper.request("get", asked);
        // It may have grown since it was listed.
        left -= payload.length - size;
        await kept.save(id, path, stamp, payload);
      };
      if (size <= SMALL_BYTES) await bring(2 * SMALL_BYTES);
      else await transfers.large(() => bring(collectBytes));
    } catch (error) {
      // Gone since the list was made, or the container itself is, which its end says.
      if (error instanceof GatewayError && error.code === "not_found") continue;
      incomplete = true;
      // An older state of it would be taken for the present one.
      if (before.has(path)) await kept.drop(id, path);
    }
  }
  if (session.alive) kept.setIncomplete(id, incomplete);
}

/** Gives the paths that could not be brought back. Nothing else may change the workspace meanwhile. */
export async function bringFilesBack(
  keeper: Keeper,
  kept: KeptContainers,
  id: string,
): Promise<string[]> {
  const lost: string[] = [];
  for (const path of kept.files(id).keys()) {
    try {
      await keeper.request("put", { path }, await kept.read(id, path));
    } catch {
      lost.push(path);
    }
  }
  // In the fresh workspace they have other times, and need not be read for that again.
  const { fields } = await keeper.request("list");
  const here = stamps(fields.files as Row[]);
  for (const path of lost) here.delete(path);
  kept.restamp(id, here);
  return lost;
}

/**
 * Makes the workspace what it was when `before` was listed of it and all of its files were kept: changes are put
 * back, new files removed, though not where some that had been there could not be kept.
 */
export async function putFilesBack(
  keeper: Keeper,
  kept: KeptContainers,
  id: string,
  before: unknown,
): Promise<void> {
  const old = stamps(before as Row[]);
  const { fields } = await keeper.request("list");
  const present = stamps(fields.files as Row[]);
  const isWhole = kept.find(id)?.incomplete === false;
  for (const path of present.keys())
    if (isWhole && !old.has(path)) await keeper.request("remove", { path }).catch(() => {});
  for (const path of kept.files(id).keys()) {
    if (!old.has(path) || old.get(path) === present.get(path)) continue;
    const bytes = await kept.read(id, path);
    // Its inode stays, so that code that has it open goes on with it.
    await keeper.request("put", { path }, bytes).catch(() => {});
  }
}

function stamps(rows: readonly Row[]): Map<string, string> {
  return new Map(rows.map(([path, ...stamp]) => [path, stamp.join(" ")]));
}
