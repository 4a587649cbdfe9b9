/**
 * Folders that are complete or not there.
 *
 * A folder is made under a temporary name beside its place and renamed when it is finished. After a kill
 * at any moment there is either the finished folder or remains with a temporary name, which the next
 * set-up removes. The set-up lock is held, so nobody else works under that name.
 */
import { lstat, mkdir, opendir, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/** Calls `make` with an empty folder, then puts that folder at `place`, which must not exist. */
export async function makeFolder<T>(
  place: string,
  make: (folder: string) => Promise<T>,
): Promise<T> {
  // A name of its own for each process: a child that outlived a killed set-up may still write to the old one.
  const building = `${place}.${process.pid}.building`;
  await rm(building, { recursive: true, force: true });
  await mkdir(building, { recursive: true, mode: 0o755 });
  try {
    const result = await make(building);
    await rm(place, { recursive: true, force: true });
    await rename(building, place);
    return result;
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    throw error;
  }
}

/** An absolute path of every file and link below `folder`. Folders are not listed. */
export async function* walk(folder: string): AsyncGenerator<string> {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield path;
  }
}

/** Bytes of all files below `folder`, hard links counted once; what disappears meanwhile is not counted. */
export async function folderBytes(folder: string): Promise<number> {
  const seen = new Set<number>();
  let bytes = 0;
  try {
    for await (const path of walk(folder)) {
      const stat = await lstat(path);
      if (stat.nlink > 1 && seen.has(stat.ino)) continue;
      seen.add(stat.ino);
      bytes += stat.size;
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  return bytes;
}

/** Does `work` while it reports every half second how large `folder`, which need not exist yet, has grown. */
export async function watchFolder<T>(
  folder: string,
  report: (bytes: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  let measuring = false;
  const timer = setInterval(() => {
    // A large folder on a busy disk takes longer than the interval: then one measurement is skipped.
    if (measuring) return;
    measuring = true;
    folderBytes(folder)
      .then(report, () => report(0))
      .finally(() => (measuring = false));
  }, 500);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
