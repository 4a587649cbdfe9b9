/**
 * What the tools know of a search engine, and the words in which one fails.
 *
 * An engine answers with clean results or throws a `SearchError`; anything else that it throws is a fault.
 * Domain lists and location are wishes to it: `search.ts` holds every result against the lists again.
 */
export interface UserLocation {
  city?: string;
  region?: string;
  /** Two letters. */
  country?: string;
  timezone?: string;
}

export interface SearchQuery {
  text: string;
  /** At most one of the lists has entries. Domains alone; subdomains are included. */
  allowedDomains: readonly string[];
  blockedDomains: readonly string[];
  location: UserLocation | null;
}

export interface SearchResult {
  url: string;
  title: string;
  /** What the engine shows of the page. */
  text: string;
  /** `November 25, 2026` or `3 days ago`; null when the engine does not know. */
  pageAge: string | null;
}

/** The Messages API's error codes for a search. */
export type SearchErrorCode =
  | "invalid_tool_input"
  | "unavailable"
  | "max_uses_exceeded"
  | "too_many_requests"
  | "query_too_long";

export class SearchError extends Error {
  override readonly name = "SearchError";
  readonly code: SearchErrorCode;

  constructor(code: SearchErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export interface SearchEngine {
  /** For logs and messages: `SearXNG`. */
  readonly name: string;
  search(query: SearchQuery, signal: AbortSignal): Promise<SearchResult[]>;
}
