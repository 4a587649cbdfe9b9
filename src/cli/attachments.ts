/** Files of the command line, as content blocks of a message. */
import { readFile } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";

import { GatewayError } from "../errors.ts";

const MEDIA_TYPES: Record<string, string> = {
  ".csv": "text/csv",
  ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  ".gif": "image/gif",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".json": "application/json",
  ".md": "text/markdown",
  ".parquet": "application/vnd.apache.parquet",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".tsv": "text/tab-separated-values",
  ".txt": "text/plain",
  ".webp": "image/webp",
  ".xls": "application/vnd.ms-excel",
  ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};

export interface LocalFile {
  filename: string;
  bytes: Buffer<ArrayBuffer>;
}

export async function readLocalFile(path: string, folder: string): Promise<LocalFile> {
  try {
    return { filename: basename(path), bytes: await readFile(resolve(folder, path)) };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why =
      code === "ENOENT"
        ? "does not exist"
        : code === "EISDIR"
          ? "is a folder"
          : `cannot be read (${code})`;
    throw new GatewayError("invalid_request", `${path} ${why}.`, { cause });
  }
}

export function toContentBlock({ filename, bytes }: LocalFile) {
  const mediaType = MEDIA_TYPES[extname(filename).toLowerCase()] ?? "application/octet-stream";
  const source = { type: "base64", media_type: mediaType, data: bytes.toString("base64") };
  return mediaType.startsWith("image/")
    ? { type: "image", source }
    : { type: "document", source, title: filename };
}
