/**
 * The files of the Files API: records in SQLite, bytes under `files/` of the data folder.
 *
 * Bytes are written under a temporary name, renamed to the file's id, and only then is the record
 * made: whoever sees a record can read the bytes, and a crash or a full disk in between leaves bytes
 * without a record, which the next start removes. There is no fsync: after a power cut a file of the
 * last seconds may be short, which its size in the record tells.
 */
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Readable } from "node:stream";

import { GatewayError } from "../errors.ts";
import { toStorageError } from "./database.ts";
import { newId } from "./id.ts";

export interface NewFile {
  filename: string;
  mimeType: string;
  bytes: Uint8Array;
  /** True for what code made, false for uploads, as in the Files API. */
  downloadable: boolean;
  expiresAt?: Date;
}

/** Bytes that are on the disk already and belong to no file yet. */
export interface ReceivedBytes extends AsyncDisposable {
  readonly size: number;
  /** Makes a file of them; without that, disposing forgets them. */
  keep(file: Omit<NewFile, "bytes">): Promise<StoredFile>;
}

export interface StoredFile {
  id: string;
  filename: string;
  mimeType: string;
  sizeBytes: number;
  downloadable: boolean;
  createdAt: Date;
  expiresAt: Date | null;
}

export interface ListFilesOptions {
  limit: number;
  /** Only files older than this one. */
  afterId?: string;
  /** Only files newer than this one; the page ends right before it. */
  beforeId?: string;
}

export interface FilesStore {
  /** Throws `storage_full`, or `invalid_request` with `storage_quota_exceeded` when the bound is reached. */
  add(file: NewFile): Promise<StoredFile>;
  /** Writes bytes as they come. Throws as `add`, and what `chunks` throws; then nothing stays. */
  receive(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<ReceivedBytes>;
  /** Throws `not_found`, with `file_expired` in its details for a file whose time is over. */
  get(id: string): StoredFile;
  read(id: string): Promise<Buffer>;
  /** The bytes as they come from the disk, for files that should not be held in memory. */
  stream(id: string): Promise<ReadableStream<Uint8Array>>;
  /** Newest first. Throws `invalid_request` for a cursor that is not a file's id. */
  list(options: ListFilesOptions): { files: StoredFile[]; hasMore: boolean };
  /** Unknown ids are left out. */
  listByIds(ids: readonly string[]): StoredFile[];
  delete(id: string): Promise<void>;
}

export interface FilesStoreOptions {
  database: DatabaseSync;
  /** The data folder; bytes go to `files/` in it. */
  folder: string;
  maxBytes: number;
  clock: () => number;
}

/** A file takes a block on disk and a record however small it is, so the bound holds for many tiny ones too. */
const SMALLEST_CHARGE_BYTES = 4096;
const CHARGE = `max(size_bytes, ${SMALLEST_CHARGE_BYTES})`;
const ORPHAN_AGE_MS = 3_600_000;
/** How long an expired file's record answers `file_expired` before it is unknown. */
const EXPIRED_RECORD_MS = 30 * 86_400_000;
const EXPIRED_BATCH = 100;

interface Row {
  position: number;
  id: string;
  filename: string;
  mime_type: string;
  size_bytes: number;
  downloadable: number;
  created_at: number;
  expires_at: number | null;
}

export async function openFilesStore(options: FilesStoreOptions): Promise<FilesStore> {
  const { database, maxBytes, clock } = options;
  const folder = join(options.folder, "files");
  const insert = database.prepare(
    "INSERT INTO files (id, filename, mime_type, size_bytes, downloadable, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const byId = database.prepare("SELECT * FROM files WHERE id = ?");
  const older = database.prepare(
    "SELECT * FROM files WHERE position < ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY position DESC LIMIT ?",
  );
  const newer = database.prepare(
    "SELECT * FROM files WHERE position > ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY position ASC LIMIT ?",
  );
  const charged = database.prepare(
    `SELECT coalesce(sum(${CHARGE}), 0) AS bytes FROM files WHERE expires_at IS NULL OR expires_at > ?`,
  );
  const remove = database.prepare("DELETE FROM files WHERE id = ?");
  const expired = database.prepare(
    "SELECT id FROM files WHERE expires_at <= ? AND bytes_removed = 0 LIMIT ?",
  );
  const markRemoved = database.prepare("UPDATE files SET bytes_removed = 1 WHERE id = ?");
  const forget = database.prepare("DELETE FROM files WHERE expires_at <= ?");

  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw toStorageError(cause, `The folder ${folder} cannot be made.`);
  });
  await removeOrphans();
  await removeExpired();
  let storedBytes = Number(charged.get(clock())?.bytes ?? 0);
  /** Writes under way count too, or many at once would pass the bound together. */
  let pendingBytes = 0;

  return { add, receive, get, read, stream, list, listByIds, delete: deleteFile };

  async function add({ bytes, ...file }: NewFile): Promise<StoredFile> {
    await using received = await receive([bytes]);
    return await received.keep(file);
  }

  async function receive(
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<ReceivedBytes> {
    const id = newId("file");
    const temporary = join(folder, `${id}.part`);
    let size = 0;
    let charge = 0;
    let isOpen = true;
    await reserve(SMALLEST_CHARGE_BYTES);
    try {
      await using handle = await open(temporary, "wx", 0o600);
      for await (const chunk of chunks) {
        size += chunk.byteLength;
        if (size > charge) await reserve(size);
        // The first error is the one to tell.
        await handle.writeFile(chunk);
      }
    } catch (cause) {
      await forgetBytes();
      throw cause instanceof GatewayError
        ? cause
        : toStorageError(cause, "The file could not be stored.");
    }
    return { size, keep, [Symbol.asyncDispose]: forgetBytes };

    async function reserve(bytes: number): Promise<void> {
      const more = Math.max(bytes, SMALLEST_CHARGE_BYTES) - charge;
      if (storedBytes + pendingBytes + more > maxBytes) {
        await removeExpired();
        storedBytes = Number(charged.get(clock())?.bytes ?? 0);
      }
      if (storedBytes + pendingBytes + more > maxBytes) {
        throw new GatewayError(
          "invalid_request",
          `All files together may have ${maxBytes} bytes (storedFilesMb); delete some to make room.`,
          { details: { error_code: "storage_quota_exceeded" } },
        );
      }
      pendingBytes += more;
      charge += more;
    }

    async function keep(file: Omit<NewFile, "bytes">): Promise<StoredFile> {
      try {
        await rename(temporary, pathOf(id));
        insert.run(
          id,
          file.filename,
          file.mimeType,
          size,
          file.downloadable ? 1 : 0,
          clock(),
          file.expiresAt?.getTime() ?? null,
        );
      } catch (cause) {
        await forgetBytes();
        throw toStorageError(cause, `The file ${file.filename} could not be stored.`);
      }
      isOpen = false;
      pendingBytes -= charge;
      storedBytes += charge;
      return get(id);
    }

    /** Bytes that stay behind are removed at the next start. */
    async function forgetBytes(): Promise<void> {
      if (!isOpen) return;
      isOpen = false;
      pendingBytes -= charge;
      await Promise.allSettled([rm(temporary, { force: true }), rm(pathOf(id), { force: true })]);
    }
  }

  function get(id: string): StoredFile {
    const row = find(byId, id);
    if (row === undefined) throw notFound(id);
    if (row.expires_at !== null && row.expires_at <= clock()) {
      throw new GatewayError("not_found", `File \`${shorten(id)}\` has expired.`, {
        details: { error_code: "file_expired" },
      });
    }
    return toStoredFile(row);
  }

  async function read(id: string): Promise<Buffer> {
    get(id);
    try {
      return await readFile(pathOf(id));
    } catch (cause) {
      throw toReadError(id, cause);
    }
  }

  async function stream(id: string): Promise<ReadableStream<Uint8Array>> {
    get(id);
    try {
      // Opened before the answer begins, so that a missing file is still a 404.
      const handle = await open(pathOf(id));
      return Readable.toWeb(createReadStream("", { fd: handle })) as ReadableStream<Uint8Array>;
    } catch (cause) {
      throw toReadError(id, cause);
    }
  }

  function list({ limit, afterId, beforeId }: ListFilesOptions): {
    files: StoredFile[];
    hasMore: boolean;
  } {
    const now = clock();
    const rows =
      beforeId === undefined
        ? older.all(
            afterId === undefined ? Number.MAX_SAFE_INTEGER : positionOf(afterId),
            now,
            limit + 1,
          )
        : newer.all(positionOf(beforeId), now, limit + 1);
    const files = rows.slice(0, limit).map((row) => toStoredFile(row as unknown as Row));
    if (beforeId !== undefined) files.reverse();
    return { files, hasMore: rows.length > limit };
  }

  function listByIds(ids: readonly string[]): StoredFile[] {
    const now = clock();
    return [...new Set(ids)]
      .map((id) => find(byId, id))
      .filter((row) => row !== undefined && (row.expires_at === null || row.expires_at > now))
      .toSorted((one, other) => other!.position - one!.position)
      .map((row) => toStoredFile(row!));
  }

  async function deleteFile(id: string): Promise<void> {
    const row = find(byId, id);
    if (row === undefined) throw notFound(id);
    remove.run(id);
    if (row.expires_at === null || row.expires_at > clock())
      storedBytes -= Math.max(row.size_bytes, SMALLEST_CHARGE_BYTES);
    await rm(pathOf(id), { force: true });
  }

  function positionOf(id: string): number {
    const row = find(byId, id);
    if (row === undefined)
      throw new GatewayError(
        "invalid_request",
        `The cursor ${JSON.stringify(shorten(id))} is not the id of a file.`,
      );
    return row.position;
  }

  /** Only ids from a record reach this, so a path never holds what a client sent. */
  function pathOf(id: string): string {
    return join(folder, id);
  }

  async function removeOrphans(): Promise<void> {
    const now = clock();
    for (const name of await readdir(folder)) {
      if (find(byId, name) !== undefined) continue;
      const path = join(folder, name);
      const { mtimeMs } = await stat(path);
      // Another server on the same folder may be between rename and record.
      if (now - mtimeMs > ORPHAN_AGE_MS) await rm(path, { force: true, recursive: true });
    }
  }

  async function removeExpired(): Promise<void> {
    const now = clock();
    for (const row of expired.all(now, EXPIRED_BATCH)) {
      const id = String(row.id);
      await rm(pathOf(id), { force: true });
      markRemoved.run(id);
    }
    forget.run(now - EXPIRED_RECORD_MS);
  }
}

function find(statement: StatementSync, id: string): Row | undefined {
  return statement.get(id) as Row | undefined;
}

function toStoredFile(row: Row): StoredFile {
  return {
    id: row.id,
    filename: row.filename,
    mimeType: row.mime_type,
    sizeBytes: row.size_bytes,
    downloadable: row.downloadable === 1,
    createdAt: new Date(row.created_at),
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at),
  };
}

function toReadError(id: string, cause: unknown): GatewayError {
  if ((cause as { code?: unknown }).code === "ENOENT") return notFound(id);
  return toStorageError(cause, `The file ${id} cannot be read.`);
}

function notFound(id: string): GatewayError {
  return new GatewayError("not_found", `File \`${shorten(id)}\` not found.`);
}

/** Ids in messages come from the client and may be of any length. */
function shorten(id: string): string {
  return id.length > 80 ? `${id.slice(0, 80)}…` : id;
}
