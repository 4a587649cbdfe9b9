/**
 * What outlives a server of its containers: a record of each, and the files of its workspace.
 *
 * The bytes lie in `kept/<container>/`, each under the hash of its path: what code calls its files is only ever
 * a value in the database, never a path of this machine. A file is replaced by renaming, so that a server that
 * is killed leaves the old bytes or the new ones. `stamp` is whatever tells one state of a file from another.
 *
 * Each look at the server's health counts the containers, so their records, a few hundred bytes each, are in memory as
 * well. The data folder has one server, and all changes of a record pass here.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";

import { GatewayError } from "../errors.ts";
import { inTransaction } from "./transaction.ts";

export interface ContainerRecord {
  id: string;
  createdAt: number;
  usedAt: number;
  /** Not every file of its workspace could be kept. */
  incomplete: boolean;
}

export interface KeptContainers {
  add(id: string, createdAt: number): void;
  touch(id: string, usedAt: number): void;
  setIncomplete(id: string, incomplete: boolean): void;
  find(id: string): Readonly<ContainerRecord> | undefined;
  /** Oldest first. */
  list(): Readonly<ContainerRecord>[];
  /** Path and stamp of each file that is kept. */
  files(id: string): Map<string, string>;
  /** Throws `storage_full` beyond the bound on all kept files together. */
  save(id: string, path: string, stamp: string, bytes: Uint8Array): Promise<void>;
  /** Gives files that are kept other stamps; their bytes are the same. */
  restamp(id: string, stamps: ReadonlyMap<string, string>): void;
  read(id: string, path: string): Promise<Buffer>;
  drop(id: string, path: string): Promise<void>;
  /** Forgets the container and its files. */
  remove(id: string): Promise<void>;
}

interface Row {
  id: string;
  created_at: number;
  used_at: number;
  incomplete: number;
}

/** A file takes a block on disk and a record however small it is, so the bound holds for many tiny ones too. */
const SMALLEST_CHARGE_BYTES = 4096;

export async function openKeptContainers(
  database: DatabaseSync,
  dataFolder: string,
  bytesMax: number,
): Promise<KeptContainers> {
  const insert = database.prepare(
    "INSERT INTO containers (id, created_at, used_at) VALUES (?, ?, ?)",
  );
  const setUsed = database.prepare("UPDATE containers SET used_at = ? WHERE id = ?");
  const setIncomplete = database.prepare("UPDATE containers SET incomplete = ? WHERE id = ?");
  const remove = database.prepare("DELETE FROM containers WHERE id = ?");
  const selectFiles = database.prepare(
    "SELECT path, stamp FROM container_files WHERE container = ?",
  );
  const total = database.prepare("SELECT bytes FROM kept_bytes WHERE what = 'files'");
  const selectSize = database.prepare(
    "SELECT size_bytes AS bytes FROM container_files WHERE container = ? AND path = ?",
  );
  const upsertFile = database.prepare(
    `INSERT INTO container_files (container, path, stamp, size_bytes) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET stamp = excluded.stamp, size_bytes = excluded.size_bytes`,
  );
  const setStamp = database.prepare(
    "UPDATE container_files SET stamp = ? WHERE container = ? AND path = ?",
  );
  const removeFile = database.prepare(
    "DELETE FROM container_files WHERE container = ? AND path = ?",
  );

  const rows = database
    .prepare("SELECT id, created_at, used_at, incomplete FROM containers ORDER BY created_at")
    .all() as unknown as Row[];
  const records = new Map(rows.map((row) => [row.id, toRecord(row)]));
  /** Writes under way count too, or many at once would pass the bound together. */
  let pendingBytes = 0;

  await removeOrphans();

  return {
    add(id, createdAt) {
      insert.run(id, createdAt, createdAt);
      records.set(id, { id, createdAt, usedAt: createdAt, incomplete: false });
    },
    touch(id, usedAt) {
      setUsed.run(usedAt, id);
      const record = records.get(id);
      if (record !== undefined) record.usedAt = usedAt;
    },
    setIncomplete(id, incomplete) {
      const record = records.get(id);
      if (record === undefined || record.incomplete === incomplete) return;
      setIncomplete.run(Number(incomplete), id);
      record.incomplete = incomplete;
    },
    find: (id) => records.get(id),
    list: () => [...records.values()],
    files(id) {
      const rows = selectFiles.all(id) as { path: string; stamp: string }[];
      return new Map(rows.map(({ path, stamp }) => [path, stamp]));
    },
    async save(id, path, stamp, bytes) {
      const charge = Math.max(bytes.length, SMALLEST_CHARGE_BYTES);
      const before = Number(selectSize.get(id, path)?.bytes ?? 0);
      if (Number(total.get()?.bytes) + pendingBytes - before + charge > bytesMax) {
        throw new GatewayError("storage_full", "The space for files of containers is used up.");
      }
      pendingBytes += charge;
      const place = placeOf(id, path);
      try {
        await mkdir(folderOf(id), { recursive: true, mode: 0o700 });
        await writeFile(`${place}.new`, bytes, { mode: 0o600 });
        await rename(`${place}.new`, place);
        upsertFile.run(id, path, stamp, charge);
      } catch (error) {
        await rm(`${place}.new`, { force: true });
        // The container was deleted meanwhile, and nobody would ever remove this file.
        if (!records.has(id)) await rm(folderOf(id), { recursive: true, force: true });
        throw error;
      } finally {
        pendingBytes -= charge;
      }
    },
    restamp(id, stamps) {
      if (stamps.size === 0) return;
      inTransaction(database, () => {
        for (const [path, stamp] of stamps) setStamp.run(stamp, id, path);
      });
    },
    read: (id, path) => readFile(placeOf(id, path)),
    async drop(id, path) {
      removeFile.run(id, path);
      await rm(placeOf(id, path), { force: true });
    },
    async remove(id) {
      if (!records.has(id)) return;
      remove.run(id);
      records.delete(id);
      await rm(folderOf(id), { recursive: true, force: true });
    },
  };

  /** What a killed server has left of containers that are no more. */
  async function removeOrphans(): Promise<void> {
    const folders = await readdir(join(dataFolder, "kept")).catch(() => []);
    for (const id of folders)
      if (!records.has(id)) await rm(folderOf(id), { recursive: true, force: true });
  }

  function folderOf(id: string): string {
    return join(dataFolder, "kept", id);
  }

  function placeOf(id: string, path: string): string {
    return join(folderOf(id), createHash("sha256").update(path).digest("hex"));
  }
}

function toRecord({ id, created_at, used_at, incomplete }: Row): ContainerRecord {
  return { id, createdAt: created_at, usedAt: used_at, incomplete: incomplete !== 0 };
}
