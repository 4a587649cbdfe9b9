/** What a use of a web tool came to, for the client. The model reads the result's text. */
import type { SearchErrorCode, SearchResult } from "../search/engine.ts";
import type { FetchErrorCode } from "../search/fetch-error.ts";

export interface FetchedPage {
  url: string;
  title: string | null;
  text: string;
  retrievedAt: Date;
}

export type WebOutput =
  | { kind: "web_search"; results: SearchResult[] }
  | { kind: "web_search_error"; errorCode: SearchErrorCode }
  | { kind: "web_fetch"; page: FetchedPage }
  | { kind: "web_fetch_error"; errorCode: FetchErrorCode };
