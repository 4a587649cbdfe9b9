/**
 * SearXNG, the metasearch server that a team runs itself: `GET /search?format=json`. Its settings have to
 * allow JSON (`search.formats`), or it answers 403. It takes no domain lists; `site:` in the query is what
 * the engines behind it understand, so the lists are given that way and held against the results later.
 * https://docs.searxng.org/dev/search_api.html
 */
import { z } from "zod";

import type { SearchEngine, SearchQuery } from "./engine.ts";
import { askEngine } from "./engine-request.ts";

const Answer = z.looseObject({
  results: z.array(
    z.looseObject({
      url: z.string(),
      title: z.string().nullish(),
      content: z.string().nullish(),
      publishedDate: z.string().nullish(),
    }),
  ),
});

/** `site:` terms in one query; engines behind it refuse longer ones. */
const SITES_MAX = 8;

export function createSearxng(options: {
  url: string;
  key: string;
  timeoutMs: number;
}): SearchEngine {
  const base = options.url.replace(/\/+$/, "");
  return {
    name: "SearXNG",
    async search(query, signal) {
      const url = new URL(`${base}/search`);
      url.searchParams.set("q", withSites(query));
      url.searchParams.set("format", "json");
      const { results } = await askEngine(
        {
          engine: "SearXNG",
          url,
          // For an instance behind a proxy that asks for a key.
          headers: options.key === "" ? {} : { authorization: `Bearer ${options.key}` },
          schema: Answer,
          timeoutMs: options.timeoutMs,
        },
        signal,
      );
      return results.map(({ url: found, title, content, publishedDate }) => ({
        url: found,
        title: title ?? "",
        text: content ?? "",
        pageAge: publishedDate ?? null,
      }));
    },
  };
}

/** Shared with Brave: the query with the domain lists as search operators. */
export function withSites({ text, allowedDomains, blockedDomains }: SearchQuery): string {
  const allowed = allowedDomains.slice(0, SITES_MAX).map((domain) => `site:${domain}`);
  const blocked = blockedDomains.slice(0, SITES_MAX).map((domain) => `-site:${domain}`);
  const wanted = allowed.length > 1 ? [`(${allowed.join(" OR ")})`] : allowed;
  return [text, ...wanted, ...blocked].join(" ");
}
