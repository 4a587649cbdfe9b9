/** The web of tests that need none: every search and every page is unavailable. */
import type { WebServices } from "../../src/http/web-tools.ts";
import { SearchError } from "../../src/search/engine.ts";
import { FetchError } from "../../src/search/fetch-error.ts";

export const noWeb: WebServices = {
  search: {
    run: () => Promise.reject(new SearchError("unavailable", "This test has no search engine.")),
  },
  documents: { read: () => null },
  fetcher: {
    fetch: () => Promise.reject(new FetchError("unavailable", "This test has no web.")),
  },
  reader: { read: () => Promise.resolve(null) },
};
