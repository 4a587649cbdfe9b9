/**
 * Names under which a client's files lie in the workspace.
 *
 * A title is whatever a stranger wrote. The name made of it is one path component, has no control or
 * direction characters, does not begin like an option or a hidden file, fits a file system, and is unique
 * among the files of its conversation. Letters of any script stay.
 */

const NAME_BYTES_MAX = 200;
const EXTENSION_CHARACTERS_MAX = 16;

const EXTENSIONS: Record<string, string> = {
  "text/plain": "txt",
  "text/csv": "csv",
  "text/tab-separated-values": "tsv",
  "text/markdown": "md",
  "text/html": "html",
  "text/xml": "xml",
  "text/x-python": "py",
  "application/json": "json",
  "application/x-ndjson": "jsonl",
  "application/jsonl": "jsonl",
  "application/xml": "xml",
  "application/yaml": "yaml",
  "application/x-yaml": "yaml",
  "application/pdf": "pdf",
  "application/zip": "zip",
  "application/gzip": "gz",
  "application/vnd.apache.parquet": "parquet",
  "application/x-parquet": "parquet",
  "application/vnd.ms-excel": "xls",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "application/msword": "doc",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
  "image/webp": "webp",
  "image/svg+xml": "svg",
};

/** Gives a name that is not in `taken` yet; the caller adds it. */
export function toFilename(
  title: string | null | undefined,
  mediaType: string,
  taken: ReadonlySet<string>,
): string {
  const name =
    sanitise(title ?? "") ||
    `${mediaType.startsWith("image/") ? "image" : "document"}${extensionFor(mediaType)}`;
  const [stem, extension] = split(name);
  const fitting = `${cut(stem, NAME_BYTES_MAX - Buffer.byteLength(extension))}${extension}`;
  if (!taken.has(fitting)) return fitting;
  for (let number = 2; ; number++) {
    const tail = `-${number}${extension}`;
    const numbered = cut(stem, NAME_BYTES_MAX - Buffer.byteLength(tail)) + tail;
    if (!taken.has(numbered)) return numbered;
  }
}

function extensionFor(mediaType: string): string {
  const extension = EXTENSIONS[mediaType.toLowerCase().split(";")[0]?.trim() ?? ""];
  return extension === undefined ? "" : `.${extension}`;
}

function sanitise(title: string): string {
  const components = title
    .toWellFormed()
    .normalize("NFC")
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF\uFFFD]/gu, "")
    .split(/[/\\]/)
    .map((part) => part.replace(/^[\s.-]+/u, "").replace(/[\s.]+$/u, ""));
  const last = components.findLast((part) => part !== "") ?? "";
  return last.replaceAll(/[<>:"|?*]/g, "_");
}

function split(name: string): [stem: string, extension: string] {
  const dot = name.lastIndexOf(".");
  if (dot <= 0 || name.length - dot > EXTENSION_CHARACTERS_MAX) return [name, ""];
  return [name.slice(0, dot), name.slice(dot)];
}

function cut(text: string, bytesMax: number): string {
  let kept = "";
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > bytesMax) break;
    kept += character;
  }
  return kept;
}
