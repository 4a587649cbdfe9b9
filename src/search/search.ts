/**
 * Searches: asks the engine, or remembers what it said a short while ago, and gives clean, bounded results
 * that keep the domain lists. Results are data from strangers: nothing here makes them trustworthy, and
 * whoever shows them to a model says so.
 */
import { cleanSnippet, cleanText } from "./clean-text.ts";
import { isAllowed } from "./domains.ts";
import { SearchError, type SearchEngine, type SearchQuery, type SearchResult } from "./engine.ts";
import { toPageAge } from "./page-age.ts";
import { createResultCache } from "./result-cache.ts";

export interface Search {
  /** Throws a `SearchError`, or the signal's reason. */
  run(query: SearchQuery, signal: AbortSignal): Promise<SearchResult[]>;
}

export interface SearchOptions {
  results: number;
  cacheMs: number;
}

const CACHE_ENTRIES = 256;
const QUERY_CHARACTERS_MAX = 1000;
const TITLE_CHARACTERS = 200;
const TEXT_CHARACTERS = 2000;
const URL_CHARACTERS_MAX = 2000;

export function createSearch(engine: SearchEngine, options: SearchOptions): Search {
  const cache = createResultCache<SearchResult[]>({
    entries: CACHE_ENTRIES,
    lifeMs: options.cacheMs,
  });
  return {
    async run(query, signal) {
      const text = cleanSnippet(query.text, QUERY_CHARACTERS_MAX + 1);
      if (text === "") throw new SearchError("invalid_tool_input", "The query is empty.");
      if (text.length > QUERY_CHARACTERS_MAX) {
        throw new SearchError(
          "query_too_long",
          `The query is longer than ${QUERY_CHARACTERS_MAX} characters.`,
        );
      }
      const key = JSON.stringify([
        text,
        query.allowedDomains,
        query.blockedDomains,
        query.location,
      ]);
      const kept = cache.get(key);
      if (kept !== undefined) return kept;
      const found = await engine.search({ ...query, text }, signal);
      const results = cleanResults(found, query, options.results);
      cache.set(key, results);
      return results;
    },
  };
}

function cleanResults(
  found: readonly SearchResult[],
  query: SearchQuery,
  count: number,
): SearchResult[] {
  const results = new Map<string, SearchResult>();
  for (const { url, title, text, pageAge } of found) {
    if (results.size >= count) break;
    const address = toHttpUrl(url);
    if (address === null || results.has(address) || !isAllowed(address, query)) continue;
    const age = toPageAge(pageAge);
    results.set(address, {
      url: address,
      title: cleanSnippet(title, TITLE_CHARACTERS) || address,
      text: text.includes("\n")
        ? cleanText(text, TEXT_CHARACTERS)
        : cleanSnippet(text, TEXT_CHARACTERS),
      pageAge: age === null ? null : cleanSnippet(age, 60),
    });
  }
  return [...results.values()];
}

function toHttpUrl(url: string): string | null {
  if (url.length > URL_CHARACTERS_MAX || !URL.canParse(url)) return null;
  const { protocol, href, username, password } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") return null;
  return username === "" && password === "" ? href : null;
}
