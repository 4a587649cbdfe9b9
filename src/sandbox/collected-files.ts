/** What an execution left in its `$OUTPUT_DIR`, taken out through the keeper. */
import type { Keeper } from "./keeper.ts";
import type { OutputFile } from "./sandbox.ts";
import type { SessionLimits } from "./session.ts";
import { SMALL_BYTES } from "./transfers.ts";

export interface CollectedFiles {
  files: OutputFile[];
  /** A sentence naming the files that were too large to take, or null. */
  refused: string | null;
}

/** `shown` names figures that have come as displays already. Rejects when the container has ended. */
export async function collectFiles(
  keeper: Keeper,
  folder: string,
  limits: SessionLimits,
  shown: readonly string[],
): Promise<CollectedFiles> {
  const collect = (total: number) =>
    keeper.request("collect", {
      folder,
      count: limits.fileCount,
      max: Math.min(limits.fileBytes, total),
      total,
    });
  let answer = await collect(Math.min(SMALL_BYTES, limits.collectBytes));
  if (refusedFiles(answer) !== null)
    answer = await limits.transfers.large(() => collect(limits.collectBytes));
  return { files: toFiles(answer, shown), refused: refusedFiles(answer) };
}

/** A sentence naming the files that were too large to take, or null. */
function refusedFiles({ fields }: { fields: Record<string, unknown> }): string | null {
  const listed = Array.isArray(fields.files) ? (fields.files as [string, number][]) : [];
  const names = listed.filter(([, size]) => size < 0).map(([name]) => name);
  if (names.length === 0) return null;
  return `Too large to take out of $OUTPUT_DIR: ${names.slice(0, 5).join(", ")}${names.length > 5 ? " and others" : ""}.`;
}

function toFiles(
  answer: { fields: Record<string, unknown>; payload: Buffer },
  shown: readonly string[],
): OutputFile[] {
  const listed = Array.isArray(answer.fields.files)
    ? (answer.fields.files as [string, number][])
    : [];
  let position = 0;
  const files: OutputFile[] = [];
  for (const [filename, size] of listed) {
    if (size < 0) continue;
    const bytes = answer.payload.subarray(position, position + size);
    position += size;
    files.push({
      filename,
      mimeType: mimeTypeOf(filename),
      bytes,
      displayed: shown.includes(filename),
    });
  }
  return files;
}

const MIME_TYPES: Record<string, string> = {
  csv: "text/csv",
  gif: "image/gif",
  html: "text/html",
  ipynb: "application/x-ipynb+json",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  json: "application/json",
  md: "text/markdown",
  parquet: "application/vnd.apache.parquet",
  pdf: "application/pdf",
  png: "image/png",
  pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  svg: "image/svg+xml",
  tsv: "text/tab-separated-values",
  txt: "text/plain",
  webp: "image/webp",
  xls: "application/vnd.ms-excel",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  xml: "application/xml",
  zip: "application/zip",
};

function mimeTypeOf(filename: string): string {
  const extension = filename.slice(filename.lastIndexOf(".") + 1).toLowerCase();
  return MIME_TYPES[extension] ?? "application/octet-stream";
}
