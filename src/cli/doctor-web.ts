/** What `curta doctor` says of the web: whether a search finds anything, and where a fetch may go. */
import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { SearchError } from "../search/engine.ts";
import { hasIndex, openIndexStore } from "../search/index-store.ts";
import { createSearchService, type SearchService } from "../search/select.ts";
import type { Finding } from "./doctor.ts";

const HOW_TO =
  "Index documents with `curta index DIR`, or set CURTA_SEARCH to searxng, brave or tavily.";

export async function inspectWeb(config: Config, signal: AbortSignal): Promise<Finding[]> {
  return [await inspectSearch(config, signal), inspectFetch(config)];
}

async function inspectSearch(config: Config, signal: AbortSignal): Promise<Finding> {
  const found = (detail: string, remedy = "", required = false): Finding => {
    const state = remedy === "" ? "present" : "missing";
    return { name: "web search", kind: "part", state, required, detail, remedy };
  };
  let service: SearchService;
  try {
    service = createSearchService(config);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return found("wrong settings", error.message, true);
  }
  try {
    switch (config.search) {
      case "":
      case "local": {
        const count = countDocuments(config.data);
        return count === 0 ? found("none", HOW_TO) : found(`${count} documents of your own`);
      }
      case "searxng":
        // Its answer in JSON is off by default, which only a search shows.
        await service.search.run(PROBE, signal);
        return found(`SearXNG at ${config.searchUrl} answers`);
      case "brave":
      case "tavily":
        return found(`${config.search}, with a key that was not tried: a search may cost`);
    }
  } catch (error) {
    if (!(error instanceof SearchError)) throw error;
    return found(
      `SearXNG at ${config.searchUrl} does not answer`,
      `${error.message} docs/web-search.md has what its settings.yml needs.`,
    );
  } finally {
    service.close();
  }
}

const PROBE = { text: "weather", allowedDomains: [], blockedDomains: [], location: null };

function countDocuments(data: string): number {
  if (!hasIndex(data)) return 0;
  const store = openIndexStore(data);
  try {
    return store.collections().reduce((sum, { documents }) => sum + documents, 0);
  } finally {
    store.close();
  }
}

function inspectFetch({ fetchPrivate }: Config): Finding {
  const isPrivate = fetchPrivate === "yes";
  return {
    name: "web fetch",
    kind: "protection",
    state: isPrivate ? "given up" : "enforced",
    required: false,
    detail: isPrivate
      ? "CURTA_FETCH_PRIVATE: whoever may ask reads what this machine reaches in its own network"
      : "opens no address of this machine or of a private network",
    remedy: "",
  };
}
