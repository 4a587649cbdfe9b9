/**
 * The tool that searches, by whatever engine the operator has chosen.
 *
 * Every failure is a result that the model can read, and the turn goes on. There are two ways from a search
 * into the sandbox, which has no network: what the model's search found is also put into the workspace as a
 * file, and code that calls the tool itself is given the results as JSON.
 */
import { z } from "zod";

import { SearchError, type SearchQuery, type SearchResult } from "../search/engine.ts";
import type { Search } from "../search/search.ts";
import type { KnownUrls } from "../search/known-urls.ts";
import { toSearchText, type Sources } from "../search/sources.ts";
import type { Tool, ToolContext, ToolEvent } from "./tool.ts";

export interface WebSearchOptions {
  search: Search;
  sources: Sources;
  /** Where the addresses go that were found. */
  found: KnownUrls;
  /** Null: as many as the turn allows. */
  maxUses: number | null;
  scope: Omit<SearchQuery, "text">;
  /** Whether code may read the results: then they are files in the workspace, too. */
  hasCode: boolean;
  /** Told of what failed, before the model reads a sentence about it. */
  onFailure?: (cause: unknown) => void;
}

const Input = z.object({ query: z.string().trim().min(1) });

const DECLARED = {
  name: "web_search",
  input_schema: {
    type: "object",
    properties: { query: { type: "string", description: "What to search for." } },
    required: ["query"],
    additionalProperties: false,
  },
};

export function createWebSearchTool(options: WebSearchOptions): Tool {
  let uses = 0;
  const description = describeTool(options);
  return {
    definition: { ...DECLARED, description },
    codeDefinition: {
      ...DECLARED,
      description: `${description} Returns a JSON list, empty when nothing is found, of objects with number, title, url, page_age (text or null) and content (the passages).`,
    },
    async *run(input, context) {
      const parsed = Input.safeParse(input);
      if (!parsed.success) {
        yield fail(new SearchError("invalid_tool_input", 'The input must be {"query": "…"}.'));
        return;
      }
      const { maxUses } = options;
      if (maxUses !== null && uses >= maxUses) {
        const message = `No more searches: this request allows ${maxUses}. Answer with what is known.`;
        yield fail(new SearchError("max_uses_exceeded", message));
        return;
      }
      uses += 1;
      yield await search(parsed.data.query, context, options);
    },
  };
}

async function search(
  text: string,
  context: ToolContext,
  options: WebSearchOptions,
): Promise<ToolEvent> {
  try {
    const results = await options.search.run({ text, ...options.scope }, context.signal);
    const words = toSearchText(results, options.sources);
    options.found.addFrom(words);
    return {
      type: "result",
      content: [
        {
          type: "text",
          text:
            context.caller === "code"
              ? toJson(results, options.sources)
              : words + (await keepForCode(text, results, context, options)),
        },
      ],
      isError: false,
      output: { kind: "web_search", results },
    };
  } catch (cause) {
    context.signal.throwIfAborted();
    options.onFailure?.(cause);
    return fail(
      cause instanceof SearchError
        ? cause
        : new SearchError("unavailable", "The search failed. Answer without it, and say so."),
    );
  }
}

/** Puts the results beside the code and says where; the number is the first result's. */
async function keepForCode(
  query: string,
  results: readonly SearchResult[],
  context: ToolContext,
  { sources, hasCode }: WebSearchOptions,
): Promise<string> {
  const [first] = results;
  if (!hasCode || first === undefined) return "";
  const file = `search_results_${sources.add(first)}.json`;
  await context.putFile(file, toFile(query, results, sources));
  return `\n\nThe same results are in the file ${file} in the working directory of the code.`;
}

function fail({ code, message }: SearchError): ToolEvent {
  return {
    type: "result",
    content: [{ type: "text", text: message }],
    isError: true,
    output: { kind: "web_search_error", errorCode: code },
  };
}

/** The list as the hosted tool gives it to code, each result with its number. */
function toJson(results: readonly SearchResult[], sources: Sources): string {
  return JSON.stringify(
    results.map((result) => ({
      type: "web_search_result",
      number: sources.add(result),
      title: result.title,
      url: result.url,
      page_age: result.pageAge,
      content: result.text,
    })),
  );
}

function toFile(query: string, results: readonly SearchResult[], sources: Sources): Buffer {
  const rows = results.map((result) => ({
    number: sources.add(result),
    title: result.title,
    url: result.url,
    page_age: result.pageAge,
    text: result.text,
  }));
  return Buffer.from(`${JSON.stringify({ query, results: rows }, null, 2)}\n`);
}

function describeTool({ maxUses, scope }: WebSearchOptions): string {
  const place = [scope.location?.city, scope.location?.region, scope.location?.country]
    .filter(Boolean)
    .join(", ");
  return [
    "Searches the web and gives titles, addresses and passages of what it finds. Use it for what may have changed or what you do not know.",
    scope.allowedDomains.length > 0 ? `Only these sites: ${scope.allowedDomains.join(", ")}.` : "",
    maxUses === null ? "" : `At most ${maxUses} searches.`,
    place === "" ? "" : `The user is in ${place}.`,
  ]
    .filter(Boolean)
    .join(" ");
}
