/**
 * Brings the index of one folder up to date: new and changed documents are read, those that are gone are
 * removed, the others stay untouched. What changed is told by time and size.
 *
 * Hidden files and folders and those that tools make are passed over, symbolic links are not followed: what
 * is indexed lies in the folder. Text is read here; PDF and Word files by the sandbox, because their parsers
 * cannot be trusted with anybody's file.
 */
import { lstat, readFile, readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";

import { cleanText } from "./clean-text.ts";
import { decodeText } from "./decode-text.ts";
import type { DocumentKind, DocumentReader } from "./document-reader.ts";
import { readHtml } from "./html-reader.ts";
import type { IndexStore } from "./index-store.ts";

export interface IndexLimits {
  files: number;
  fileBytes: number;
}

export interface IndexReport {
  added: number;
  unchanged: number;
  removed: number;
  /** Documents that could not be read, with the reason. */
  failed: { path: string; reason: string }[];
  /** Files beyond the limit that were not looked at. */
  left: number;
}

export interface IndexDeps {
  store: IndexStore;
  /** The sandbox is started only when a document needs it. */
  reader(): Promise<DocumentReader>;
  limits: IndexLimits;
  onProgress(done: number, all: number, path: string): void;
}

const TEXT = /\.(txt|text|md|markdown|rst|adoc|org|csv|tsv|json|jsonl|ndjson|ya?ml|xml|tex|log)$/i;
const HTML = /\.(html?|xhtml)$/i;
const BINARY = /\.(pdf|docx)$/i;
const PASSED_OVER = new Set(["node_modules", "__pycache__", "venv", "target", "dist"]);
const DEPTH_MAX = 32;
const CHARACTERS_MAX = 2_000_000;

interface Found {
  path: string;
  modifiedMs: number;
  sizeBytes: number;
}

export async function indexFolder(
  folder: string,
  deps: IndexDeps,
  signal: AbortSignal,
): Promise<IndexReport> {
  const { store, limits } = deps;
  const { found, left } = await findDocuments(folder, limits.files, signal);
  const collection = store.openCollection(folder);
  const known = store.documents(collection);
  const report: IndexReport = { added: 0, unchanged: 0, removed: 0, failed: [], left };
  for (const [index, file] of found.entries()) {
    signal.throwIfAborted();
    deps.onProgress(index + 1, found.length, file.path);
    const before = known.get(file.path);
    known.delete(file.path);
    if (before?.modifiedMs === file.modifiedMs && before.sizeBytes === file.sizeBytes) {
      report.unchanged += 1;
      continue;
    }
    const document = await readDocument(folder, file, deps, signal);
    if (typeof document === "string") {
      report.failed.push({ path: file.path, reason: document });
      store.remove(collection, file.path);
      continue;
    }
    store.put(collection, { ...file, title: document.title }, document.text);
    report.added += 1;
  }
  for (const path of known.keys()) {
    store.remove(collection, path);
    report.removed += 1;
  }
  return report;
}

async function findDocuments(
  folder: string,
  filesMax: number,
  signal: AbortSignal,
): Promise<{ found: Found[]; left: number }> {
  const found: Found[] = [];
  let left = 0;
  const folders = [{ path: folder, depth: 0 }];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    signal.throwIfAborted();
    for (const entry of await readdir(next.path, { withFileTypes: true })) {
      if (entry.name.startsWith(".") || PASSED_OVER.has(entry.name)) continue;
      const path = join(next.path, entry.name);
      if (entry.isDirectory() && next.depth < DEPTH_MAX)
        folders.push({ path, depth: next.depth + 1 });
      if (!entry.isFile() || !isDocument(entry.name)) continue;
      if (found.length >= filesMax) {
        left += 1;
        continue;
      }
      const { mtimeMs, size } = await lstat(path);
      found.push({
        path: relative(folder, path).split(sep).join("/"),
        modifiedMs: Math.round(mtimeMs),
        sizeBytes: size,
      });
    }
  }
  return { found: found.toSorted((a, b) => (a.path < b.path ? -1 : 1)), left };
}

function isDocument(name: string): boolean {
  return TEXT.test(name) || HTML.test(name) || BINARY.test(name);
}

/** The document, or why it cannot be read. */
async function readDocument(
  folder: string,
  { path, sizeBytes }: Found,
  deps: IndexDeps,
  signal: AbortSignal,
): Promise<{ title: string; text: string } | string> {
  const { fileBytes } = deps.limits;
  if (sizeBytes > fileBytes) return `larger than ${Math.floor(fileBytes / (1024 * 1024))} MiB`;
  const bytes = await readFile(join(folder, path)).catch(() => null);
  if (bytes === null) return "cannot be read";
  const name = path.split("/").at(-1) ?? path;
  if (BINARY.test(name)) {
    const kind = name.toLowerCase().endsWith(".pdf") ? "pdf" : "docx";
    return readBinary(name, bytes, kind, await deps.reader(), signal);
  }
  if (
    bytes.subarray(0, 4096).includes(0) &&
    !/^(\xff\xfe|\xfe\xff)/.test(bytes.toString("latin1", 0, 2))
  )
    return "is no text";
  const text = decodeText(bytes, null);
  if (!HTML.test(name)) {
    const heading = /^#{1,2} (.{1,200})$/m.exec(text.slice(0, 4000))?.[1];
    return { title: heading?.trim() ?? name, text: cleanText(text, CHARACTERS_MAX) };
  }
  const page = await readHtml(text);
  if (page === null) return "has markup that is too large to be read";
  return { title: page.title ?? name, text: cleanText(page.text, CHARACTERS_MAX) };
}

async function readBinary(
  name: string,
  bytes: Uint8Array,
  kind: DocumentKind,
  reader: DocumentReader,
  signal: AbortSignal,
): Promise<{ title: string; text: string } | string> {
  const text = await reader.read(bytes, kind, signal);
  if (text === null) return `cannot be read as ${kind.toUpperCase()}`;
  return { title: name, text: cleanText(text, CHARACTERS_MAX) };
}
