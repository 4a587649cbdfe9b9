/** Chooses the search engine by the settings, or says in one sentence why it cannot be that one. */
import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import type { Containers } from "../sandbox/sandbox.ts";
import { mayConnect } from "./address.ts";
import { createBrave } from "./brave.ts";
import { createDocumentReader, type DocumentReader } from "./document-reader.ts";
import { SearchError, type SearchEngine } from "./engine.ts";
import { createPageFetcher, type PageFetcher } from "./fetch-page.ts";
import { createLocalEngine, hasIndex, openIndexStore, type IndexStore } from "./index-store.ts";
import { createSearch, type Search } from "./search.ts";
import { createSearxng } from "./searxng.ts";
import { createTavily } from "./tavily.ts";

export type SearchConfig = Pick<
  Config,
  | "data"
  | "search"
  | "searchCacheMinutes"
  | "searchKey"
  | "searchResults"
  | "searchSeconds"
  | "searchUrl"
>;

/** The local documents; they can be fetched whatever engine searches. */
export interface LocalDocuments {
  read: IndexStore["read"];
}

export interface SearchService {
  search: Search;
  documents: LocalDocuments;
  close(): void;
}

export type FetchConfig = Pick<
  Config,
  "fetchMb" | "fetchPrivate" | "fetchSeconds" | "timeoutSeconds"
>;

/** Of a document's text; a book has a million characters. */
const DOCUMENT_CHARACTERS_MAX = 2_000_000;

/** What opens pages, and what reads the files that only the sandbox should read. */
export function createPageServices(
  config: FetchConfig,
  containers: Containers,
): { fetcher: PageFetcher; reader: DocumentReader } {
  const isPrivate = config.fetchPrivate === "yes";
  return {
    fetcher: createPageFetcher({
      timeoutMs: config.fetchSeconds * 1000,
      bytesMax: config.fetchMb * 1024 * 1024,
      mayConnect: (address) => mayConnect(address, { private: isPrivate }),
    }),
    reader: createDocumentReader({
      containers,
      timeoutMs: config.timeoutSeconds * 1000,
      charactersMax: DOCUMENT_CHARACTERS_MAX,
    }),
  };
}

const HOW_TO =
  "Web search is not set up on this server: the operator can index documents with `curta index DIR`, or set CURTA_SEARCH to searxng, brave or tavily.";

export function createSearchService(config: SearchConfig): SearchService {
  checkSettings(config);
  const index = createLazyIndex(config.data);
  const engine = selectEngine(config, index);
  const search = createSearch(engine, {
    results: config.searchResults,
    // The index answers at once and changes under us: nothing is gained by remembering.
    cacheMs: engine.name === "the local index" ? 0 : config.searchCacheMinutes * 60_000,
  });
  const documents = { read: (url: string) => index.open()?.read(url) ?? null };
  return { search, documents, close: () => index.close() };
}

function checkSettings({ search, searchUrl, searchKey }: SearchConfig): void {
  if (searchUrl !== "" && !isHttpUrl(searchUrl)) {
    throw new GatewayError(
      "invalid_request",
      `The setting searchUrl (CURTA_SEARCH_URL) cannot be ${JSON.stringify(searchUrl)}: it has to begin with http:// or https://.`,
    );
  }
  if (search === "searxng" && searchUrl === "") {
    throw new GatewayError(
      "invalid_request",
      "CURTA_SEARCH is searxng, so CURTA_SEARCH_URL has to name the SearXNG server, for instance http://localhost:8888.",
    );
  }
  if ((search === "brave" || search === "tavily") && searchKey === "") {
    throw new GatewayError(
      "invalid_request",
      `CURTA_SEARCH is ${search}, so CURTA_SEARCH_KEY has to hold a key of that service.`,
    );
  }
  if (searchUrl !== "" && (search === "" || search === "local")) {
    throw new GatewayError(
      "invalid_request",
      "CURTA_SEARCH_URL is set, so CURTA_SEARCH has to say whose it is: searxng, brave or tavily.",
    );
  }
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

function selectEngine(config: SearchConfig, index: LazyIndex): SearchEngine {
  const timeoutMs = config.searchSeconds * 1000;
  const options = { url: config.searchUrl, key: config.searchKey, timeoutMs };
  switch (config.search) {
    case "searxng":
      return createSearxng(options);
    case "brave":
      return createBrave({ ...options, results: config.searchResults });
    case "tavily":
      return createTavily({ ...options, results: config.searchResults });
    case "local":
    case "":
      return {
        name: "the local index",
        async search(query, signal) {
          const store = index.open();
          if (store === null) throw new SearchError("unavailable", HOW_TO);
          return createLocalEngine(store, config.searchResults).search(query, signal);
        },
      };
  }
}

interface LazyIndex {
  open(): IndexStore | null;
  close(): void;
}

/** An index made while the server runs is found at the next search. */
function createLazyIndex(dataFolder: string): LazyIndex {
  let store: IndexStore | null = null;
  return {
    open() {
      if (store === null && hasIndex(dataFolder)) store = openIndexStore(dataFolder);
      return store;
    },
    close() {
      store?.close();
      store = null;
    },
  };
}
