/**
 * Brave Search: `GET /res/v1/web/search` with the key as `X-Subscription-Token`. Snippets hold markup.
 * https://api-dashboard.search.brave.com/app/documentation/web-search
 */
import { z } from "zod";

import { SearchError, type SearchEngine } from "./engine.ts";
import { askEngine } from "./engine-request.ts";
import { withSites } from "./searxng.ts";

const Answer = z.looseObject({
  /** Absent when nothing was found. */
  web: z
    .looseObject({
      results: z.array(
        z.looseObject({
          url: z.string(),
          title: z.string().nullish(),
          description: z.string().nullish(),
          extra_snippets: z.array(z.string()).nullish(),
          age: z.string().nullish(),
          page_age: z.string().nullish(),
        }),
      ),
    })
    .nullish(),
  type: z.literal("search"),
});

/** As its documentation has it. */
const QUERY_CHARACTERS_MAX = 400;
const QUERY_WORDS_MAX = 50;

export function createBrave(options: {
  url: string;
  key: string;
  timeoutMs: number;
  results: number;
}): SearchEngine {
  const base = (options.url || "https://api.search.brave.com").replace(/\/+$/, "");
  return {
    name: "Brave Search",
    async search(query, signal) {
      const words = withSites(query);
      if (words.length > QUERY_CHARACTERS_MAX || words.split(/\s+/).length > QUERY_WORDS_MAX) {
        throw new SearchError(
          "query_too_long",
          `The query is too long: Brave Search takes ${QUERY_WORDS_MAX} words and ${QUERY_CHARACTERS_MAX} characters, domains included.`,
        );
      }
      const url = new URL(`${base}/res/v1/web/search`);
      url.searchParams.set("q", words);
      url.searchParams.set("count", String(Math.min(options.results, 20)));
      url.searchParams.set("result_filter", "web");
      const country = query.location?.country;
      if (country !== undefined) url.searchParams.set("country", country.toUpperCase());
      const { web } = await askEngine(
        {
          engine: "Brave Search",
          url,
          headers: { "x-subscription-token": options.key },
          schema: Answer,
          timeoutMs: options.timeoutMs,
        },
        signal,
      );
      return (web?.results ?? []).map((result) => ({
        url: result.url,
        title: result.title ?? "",
        text: [result.description ?? "", ...(result.extra_snippets ?? [])].join(" "),
        pageAge: result.age ?? result.page_age ?? null,
      }));
    },
  };
}
