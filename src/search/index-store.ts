/**
 * The index of the user's own documents: one SQLite file with a full-text table (FTS5) of passages.
 *
 * A document is kept as passages of about a screen, so that a search finds the place and not only the file;
 * results are documents, each with its best passages, ranked by bm25 with the title counting more. `curta
 * index` writes it while a server reads it: the write-ahead log allows both. Queries are data: every word
 * becomes a quoted string, so nothing in one is FTS5 syntax.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { GatewayError } from "../errors.ts";
import type { SearchEngine, SearchResult } from "./engine.ts";
import { isAllowed } from "./domains.ts";
import { toLocalUrl } from "./local-url.ts";
import { formatDate } from "./page-age.ts";
import { toPassages } from "./passages.ts";

export interface Collection {
  /** Part of the documents' addresses. */
  name: string;
  folder: string;
  documents: number;
  characters: number;
}

export interface IndexedDocument {
  /** Relative to the folder, `/` between parts. */
  path: string;
  title: string;
  modifiedMs: number;
  sizeBytes: number;
}

export interface IndexStore {
  collections(): Collection[];
  /** The collection of that folder, made when there is none. */
  openCollection(folder: string): string;
  /** True when there was one. */
  removeCollection(folder: string): boolean;
  /** Time and size of every document, by path. */
  documents(collection: string): Map<string, { modifiedMs: number; sizeBytes: number }>;
  put(collection: string, document: IndexedDocument, text: string): void;
  remove(collection: string, path: string): void;
  search(text: string, count: number): SearchResult[];
  /** A whole document by its address, or null. */
  read(url: string): { title: string; text: string; modifiedMs: number } | null;
  close(): void;
}

const FILE = "search-index.sqlite";
const BUSY_TIMEOUT_MS = 5000;
const QUERY_WORDS_MAX = 32;
/** Passages looked at for one search, the best first: enough for ten documents with several each. */
const PASSAGES_MAX = 60;
const PASSAGES_SHOWN = 2;
const TITLE_WEIGHT = 4;

export function hasIndex(dataFolder: string): boolean {
  return existsSync(join(dataFolder, FILE));
}

export function openIndexStore(dataFolder: string): IndexStore {
  const database = openDatabase(dataFolder);
  const statements = prepare(database);

  return {
    collections: () => statements.collections.all() as unknown as Collection[],
    openCollection(folder) {
      const known = statements.findCollection.get(folder) as { name: string } | undefined;
      if (known !== undefined) return known.name;
      const name = freeName(folder, (candidate) => statements.named.get(candidate) === undefined);
      statements.addCollection.run(name, folder);
      return name;
    },
    removeCollection(folder) {
      const known = statements.findCollection.get(folder) as { name: string } | undefined;
      if (known === undefined) return false;
      inTransaction(database, () => {
        statements.removePassages.run(known.name);
        statements.removeDocuments.run(known.name);
        statements.removeCollection.run(known.name);
      });
      return true;
    },
    documents(collection) {
      const rows = statements.documents.all(collection) as unknown as (IndexedDocument & {
        path: string;
      })[];
      return new Map(
        rows.map(({ path, modifiedMs, sizeBytes }) => [path, { modifiedMs, sizeBytes }]),
      );
    },
    put(collection, { path, title, modifiedMs, sizeBytes }, text) {
      inTransaction(database, () => {
        removeDocument(collection, path);
        const { lastInsertRowid } = statements.addDocument.run(
          collection,
          path,
          title,
          Math.round(modifiedMs),
          sizeBytes,
          text,
        );
        for (const passage of toPassages(text))
          statements.addPassage.run(`${title} ${path}`, passage, lastInsertRowid);
      });
    },
    remove(collection, path) {
      inTransaction(database, () => removeDocument(collection, path));
    },
    search(text, count) {
      const words = toMatch(text);
      if (words === "") return [];
      const rows = statements.search.all(words, PASSAGES_MAX) as unknown as PassageRow[];
      return toResults(rows, count);
    },
    read(url) {
      const place = toPlace(url);
      if (place === null) return null;
      const row = statements.read.get(place.collection, place.path);
      return (row as { title: string; text: string; modifiedMs: number } | undefined) ?? null;
    },
    close: () => database.close(),
  };

  function removeDocument(collection: string, path: string): void {
    statements.removeDocumentPassages.run(collection, path);
    statements.removeDocument.run(collection, path);
  }
}

/** The index as an engine of the search tool. */
export function createLocalEngine(store: IndexStore, count: number): SearchEngine {
  return {
    name: "the local index",
    search: (query, signal) => {
      signal.throwIfAborted();
      const found = store.search(query.text, PASSAGES_MAX);
      return Promise.resolve(found.filter(({ url }) => isAllowed(url, query)).slice(0, count));
    },
  };
}

interface PassageRow {
  collection: string;
  path: string;
  title: string;
  modifiedMs: number;
  passage: string;
}

function toResults(rows: readonly PassageRow[], count: number): SearchResult[] {
  const results = new Map<string, { row: PassageRow; passages: string[] }>();
  for (const row of rows) {
    const url = toLocalUrl(row.collection, row.path);
    const result = results.get(url);
    if (result === undefined) results.set(url, { row, passages: [row.passage] });
    else if (result.passages.length < PASSAGES_SHOWN) result.passages.push(row.passage);
  }
  return [...results].slice(0, count).map(([url, { row, passages }]) => ({
    url,
    title: row.title,
    text: passages.join("\n\n"),
    pageAge: formatDate(row.modifiedMs),
  }));
}

/** Words that say nothing about what is looked for, in the language that most queries are in. */
const EMPTY_WORDS = new Set(
  "a an and are as at be by for from how in is it of on or that the this to was what when where which who will with today now latest current".split(
    " ",
  ),
);

/** Any of the words, quoted: bm25 puts the documents that have more of them, and rarer ones, first. */
function toMatch(text: string): string {
  const words = (text.toLowerCase().match(/[\p{L}\p{M}\p{Nd}]+/gu) ?? []).slice(0, QUERY_WORDS_MAX);
  const telling = words.filter((word) => !EMPTY_WORDS.has(word));
  return (telling.length > 0 ? telling : words).map((word) => `"${word}"`).join(" OR ");
}

function toPlace(url: string): { collection: string; path: string } | null {
  try {
    const [collection = "", ...path] = new URL(url).pathname
      .slice(1)
      .split("/")
      .map(decodeURIComponent);
    return { collection, path: path.join("/") };
  } catch {
    // A percent sign that begins no escape: no address of ours.
    return null;
  }
}

function freeName(folder: string, isFree: (name: string) => boolean): string {
  const base =
    folder
      .split("/")
      .at(-1)
      ?.replaceAll(/[^\p{L}\p{Nd}._-]+/gu, "-") || "documents";
  let name = base;
  for (let number = 2; !isFree(name); number += 1) name = `${base}-${number}`;
  return name;
}

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function openDatabase(dataFolder: string): DatabaseSync {
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(join(dataFolder, FILE), { timeout: BUSY_TIMEOUT_MS });
    database.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS collections (
        name TEXT PRIMARY KEY, folder TEXT NOT NULL UNIQUE
      ) STRICT;
      CREATE TABLE IF NOT EXISTS documents (
        id INTEGER PRIMARY KEY, collection TEXT NOT NULL, path TEXT NOT NULL, title TEXT NOT NULL,
        modified_ms INTEGER NOT NULL, size_bytes INTEGER NOT NULL, text TEXT NOT NULL,
        UNIQUE (collection, path)
      ) STRICT;
      CREATE VIRTUAL TABLE IF NOT EXISTS passages USING fts5 (
        title, passage, document UNINDEXED, tokenize = 'porter unicode61 remove_diacritics 2'
      );
    `);
    return database;
  } catch (cause) {
    throw new GatewayError("internal", `The search index in ${dataFolder} cannot be opened.`, {
      cause,
    });
  }
}

// oxlint-disable-next-line typescript/explicit-function-return-type -- a record of statements
function prepare(database: DatabaseSync) {
  const ofCollection = "(SELECT id FROM documents WHERE collection = ?)";
  return {
    collections: database.prepare(`
      SELECT c.name, c.folder, count(d.id) AS documents, coalesce(sum(length(d.text)), 0) AS characters
      FROM collections c LEFT JOIN documents d ON d.collection = c.name GROUP BY c.name ORDER BY c.name`),
    findCollection: database.prepare("SELECT name FROM collections WHERE folder = ?"),
    named: database.prepare("SELECT 1 FROM collections WHERE name = ?"),
    addCollection: database.prepare("INSERT INTO collections (name, folder) VALUES (?, ?)"),
    removeCollection: database.prepare("DELETE FROM collections WHERE name = ?"),
    removePassages: database.prepare(`DELETE FROM passages WHERE document IN ${ofCollection}`),
    removeDocuments: database.prepare("DELETE FROM documents WHERE collection = ?"),
    documents: database.prepare(
      "SELECT path, modified_ms AS modifiedMs, size_bytes AS sizeBytes FROM documents WHERE collection = ?",
    ),
    addDocument: database.prepare(
      "INSERT INTO documents (collection, path, title, modified_ms, size_bytes, text) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    addPassage: database.prepare(
      "INSERT INTO passages (title, passage, document) VALUES (?, ?, ?)",
    ),
    removeDocumentPassages: database.prepare(
      "DELETE FROM passages WHERE document = (SELECT id FROM documents WHERE collection = ? AND path = ?)",
    ),
    removeDocument: database.prepare("DELETE FROM documents WHERE collection = ? AND path = ?"),
    search: database.prepare(`
      SELECT d.collection, d.path, d.title, d.modified_ms AS modifiedMs, passages.passage
      FROM passages JOIN documents d ON d.id = passages.document
      WHERE passages MATCH ? ORDER BY bm25(passages, ${TITLE_WEIGHT}, 1) LIMIT ?`),
    read: database.prepare(
      "SELECT title, text, modified_ms AS modifiedMs FROM documents WHERE collection = ? AND path = ?",
    ),
  };
}
