/** Blocks of the web tools: what a use came to, for the client, and back from a client for the model. */
import type { SearchResult } from "../search/engine.ts";
import { pack, unpack } from "../search/opaque.ts";
import { toSearchText, markUntrusted, type Sources } from "../search/sources.ts";
import type { OutputPart } from "../tools/execution-output.ts";
import type { ToolOutput } from "../tools/tool.ts";
import { toFetchResult, type WebOutput } from "../tools/web-output.ts";
import type { Rejection } from "./code-execution/rendering.ts";
import type { CitationContent, WebResult } from "./events.ts";
import type { WireNativeResult } from "./schema.ts";

/** The model's own use; where code made it, `encode.ts` says so instead. */
const DIRECT = { type: "direct" } as const;

export function isWebOutput(output: ToolOutput): output is WebOutput {
  return output.kind.startsWith("web_");
}

export function isWebTool(name: string): name is "web_search" | "web_fetch" {
  return name === "web_search" || name === "web_fetch";
}

export function toWebBlock(toolUseId: string, output: WebOutput): WebResult {
  switch (output.kind) {
    case "web_search":
      return {
        type: "web_search_tool_result",
        tool_use_id: toolUseId,
        caller: DIRECT,
        content: output.results.map(({ url, title, text, pageAge }) => ({
          type: "web_search_result",
          url,
          title,
          encrypted_content: pack(text),
          page_age: pageAge,
        })),
      };
    case "web_search_error":
      return toWebErrorBlock(toolUseId, "web_search", output);
    case "web_fetch":
      return {
        type: "web_fetch_tool_result",
        tool_use_id: toolUseId,
        caller: DIRECT,
        content: toFetchResult(output.page),
      };
    case "web_fetch_error":
      return toWebErrorBlock(toolUseId, "web_fetch", output);
  }
}

/** A use that never reached its tool, or that failed there. */
export function toWebErrorBlock(
  toolUseId: string,
  name: "web_search" | "web_fetch",
  { errorCode }: Pick<Rejection, "errorCode"> | { errorCode: string },
): WebResult {
  return name === "web_search"
    ? {
        type: "web_search_tool_result",
        tool_use_id: toolUseId,
        caller: DIRECT,
        content: { type: "web_search_tool_result_error", error_code: errorCode },
      }
    : {
        type: "web_fetch_tool_result",
        tool_use_id: toolUseId,
        caller: DIRECT,
        content: { type: "web_fetch_tool_result_error", error_code: errorCode },
      };
}

/** At most this much of the source stands in a citation. */
const CITED_CHARACTERS = 150;

export function toCitation(
  source: SearchResult,
  number: number,
  sentence: string,
): CitationContent {
  return {
    type: "web_search_result_location",
    url: source.url,
    title: source.title,
    encrypted_index: pack(String(number)),
    cited_text: findPassage(source.text, sentence),
  };
}

/**
 * Cited text that a client sent back, with the marks that the model had set: it would otherwise see itself
 * answer without any, and set none the next time. Citations of nothing that was found have no number.
 */
export function withMarks(text: string, citations: unknown, sources: Sources): string {
  if (!Array.isArray(citations)) return text;
  const numbers = new Set(citations.flatMap((citation) => numberOf(citation, sources) ?? []));
  if (numbers.size === 0) return text;
  return text.replace(/\s*$/, (end) => ` [${[...numbers].join(", ")}]${end}`);
}

function numberOf(citation: unknown, sources: Sources): number | null {
  if (fieldOf(citation, "type") !== "web_search_result_location") return null;
  const url = asText(fieldOf(citation, "url"));
  const number = Number(unpack(asText(fieldOf(citation, "encrypted_index"))));
  return sources.get(number)?.url === url ? number : sources.find(url);
}

/** A search result that a client sent back, numbered again; null when the block is none. */
export function fromWebBlock(block: WireNativeResult, sources: Sources): OutputPart[] | null {
  const { content } = block;
  if (block.type === "web_search_tool_result" && Array.isArray(content)) {
    const results = content.flatMap(toResult);
    return [{ type: "text", text: toSearchText(results, sources), isError: false }];
  }
  const document = fieldOf(content, "content");
  if (block.type === "web_fetch_tool_result" && document !== undefined) {
    const source = fieldOf(document, "source");
    const data =
      fieldOf(source, "type") === "text" ? asText(fieldOf(source, "data")) : "(a PDF file)";
    const head = `The page ${asText(fieldOf(content, "url"))}.`;
    return [{ type: "text", text: markUntrusted(head, data), isError: false }];
  }
  return null;
}

function toResult(entry: unknown): SearchResult[] {
  const url = asText(fieldOf(entry, "url"));
  if (url === "") return [];
  const pageAge = fieldOf(entry, "page_age");
  return [
    {
      url,
      title: asText(fieldOf(entry, "title")) || url,
      text: unpack(asText(fieldOf(entry, "encrypted_content"))) ?? "",
      pageAge: typeof pageAge === "string" ? pageAge : null,
    },
  ];
}

/** The stretch of the source that shares most words with the sentence. */
function findPassage(text: string, sentence: string): string {
  const wanted = new Set(wordsOf(sentence));
  let best = "";
  let bestScore = -1;
  for (const part of text.split(/(?<=[.!?。！？])\s+|\n+/).slice(0, 200)) {
    const score = new Set(wordsOf(part).filter((word) => wanted.has(word))).size;
    if (part.trim() !== "" && score > bestScore) [best, bestScore] = [part.trim(), score];
  }
  return best.length <= CITED_CHARACTERS
    ? best
    : `${best.slice(0, CITED_CHARACTERS - 1).toWellFormed()}…`;
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{Nd}]+/gu) ?? [];
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
