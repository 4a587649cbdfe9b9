/**
 * Tavily: `POST /search` with the key as a bearer token. It takes domain lists itself.
 * https://docs.tavily.com/documentation/api-reference/endpoint/search
 */
import { z } from "zod";

import type { SearchEngine } from "./engine.ts";
import { askEngine } from "./engine-request.ts";

const Answer = z.looseObject({
  results: z.array(
    z.looseObject({
      url: z.string(),
      title: z.string().nullish(),
      content: z.string().nullish(),
      published_date: z.string().nullish(),
    }),
  ),
});

export function createTavily(options: {
  url: string;
  key: string;
  timeoutMs: number;
  results: number;
}): SearchEngine {
  const base = (options.url || "https://api.tavily.com").replace(/\/+$/, "");
  return {
    name: "Tavily",
    async search({ text, allowedDomains, blockedDomains }, signal) {
      const { results } = await askEngine(
        {
          engine: "Tavily",
          url: new URL(`${base}/search`),
          headers: { authorization: `Bearer ${options.key}` },
          body: {
            query: text,
            max_results: Math.min(options.results, 20),
            ...(allowedDomains.length > 0 && { include_domains: allowedDomains }),
            ...(blockedDomains.length > 0 && { exclude_domains: blockedDomains }),
          },
          schema: Answer,
          timeoutMs: options.timeoutMs,
        },
        signal,
      );
      return results.map(({ url, title, content, published_date }) => ({
        url,
        title: title ?? "",
        text: content ?? "",
        pageAge: published_date ?? null,
      }));
    },
  };
}
