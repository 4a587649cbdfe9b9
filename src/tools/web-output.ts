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

/** A page as the Messages API shows it, to the client in a block and to code that has called the tool. */
export function toFetchResult({ url, title, text, retrievedAt }: FetchedPage) {
  return {
    type: "web_fetch_result" as const,
    url,
    retrieved_at: retrievedAt.toISOString(),
    content: {
      type: "document" as const,
      source: { type: "text" as const, media_type: "text/plain" as const, data: text },
      title,
    },
  };
}
