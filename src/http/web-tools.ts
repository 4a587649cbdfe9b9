/** Makes the web tools that a request declares, from what the server has for all requests. */
import type { TurnRequest } from "../agent/turn.ts";
import type { Config } from "../config.ts";
import type { DocumentReader } from "../search/document-reader.ts";
import type { PageFetcher } from "../search/fetch-page.ts";
import type { Search } from "../search/search.ts";
import type { LocalDocuments } from "../search/select.ts";
import { createKnownUrls, type KnownUrls } from "../search/known-urls.ts";
import type { Sources } from "../search/sources.ts";
import type { Tool } from "../tools/tool.ts";
import { createWebFetchTool } from "../tools/web-fetch.ts";
import { createWebSearchTool } from "../tools/web-search.ts";
import type { WebTools } from "../wire/web-tools.ts";
import { collectUrls } from "../wire/known-urls.ts";
import { EVERY_SOURCE } from "../wire/url-sources.ts";

/** What is there once for all requests. */
export interface WebServices {
  search: Search;
  documents: LocalDocuments;
  fetcher: PageFetcher;
  reader: DocumentReader;
}

export type WebConfig = Pick<Config, "fetchCharacters">;

export interface WebToolsRequest {
  web: WebTools;
  sources: Sources;
  turn: TurnRequest;
  services: WebServices;
  config: WebConfig;
  onFailure: (cause: unknown) => void;
}

export function createWebTools(request: WebToolsRequest): Tool[] {
  const { web, sources, turn, services, config, onFailure } = request;
  const hasCode = turn.serverTools.some((name) => !name.startsWith("web_"));
  const from = web.fetch?.urlSources ?? EVERY_SOURCE;
  const urls = collectUrls(turn.prompt, from);
  const urlsFrom = (tool: string): KnownUrls => (from.serverTool(tool) ? urls : createKnownUrls());
  // What code had found in earlier answers stands in none of the model's messages.
  const found = urlsFrom("web_search");
  for (let number = 1; number <= sources.size; number += 1)
    found.add(sources.get(number)?.url ?? "");
  const tools: Tool[] = [];
  if (web.search !== null)
    tools.push(
      createWebSearchTool({
        ...web.search,
        search: services.search,
        sources,
        found,
        hasCode,
        onFailure,
      }),
    );
  if (web.fetch !== null) {
    tools.push(
      createWebFetchTool({
        ...web.fetch,
        fetcher: services.fetcher,
        reader: services.reader,
        documents: services.documents,
        urls,
        found: urlsFrom("web_fetch"),
        hasCode,
        characters: config.fetchCharacters,
        onFailure,
      }),
    );
  }
  return tools;
}
