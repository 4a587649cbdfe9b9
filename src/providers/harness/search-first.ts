/**
 * Search for a model that cannot call a search itself: whether the request asks for one, what to look for,
 * and what of the results a program can work with.
 *
 * A small model copies figures out of a page with mistakes. So a table that was found becomes the program's
 * data, as if the user had pasted it, with amounts of money as numbers.
 */
import { parseSearchText, type NumberedResult } from "../../search/sources.ts";
import type { ModelRequest } from "../provider.ts";
import type { Exchange, SearchUse } from "./conversation.ts";
import { findPastedData, type PastedData } from "./pasted-data.ts";
import type { Table } from "./table.ts";

export const SEARCH_TOOL = "web_search";

/** Words for looking something up, and for what changes from day to day. */
const SEARCH =
  /\b(search\w*|look (?:it |this |that |them )?up|browse|google|on the (?:web|internet)|online|today\w*|latest|newest|current(?:ly)?|recent(?:ly)?|news|right now|this (?:week|month|year)|busca\w*|recherche\w*|such(?:e|en)|heute|hoy|aujourd'hui)\b|搜索|查找|今天|検索|今日|검색|오늘|найди|поиск|сегодня|ابحث|اليوم|खोज|आज/iu;

export function wantsSearch(request: ModelRequest, exchange: Exchange): boolean {
  const { tools, codeTools = [], toolChoice } = request;
  if (exchange.searches.length > 0 || exchange.steps.length > 0 || exchange.answer !== "")
    return false;
  if (
    ![...tools, ...codeTools].some(({ name }) => name === SEARCH_TOOL) ||
    toolChoice?.type === "none"
  )
    return false;
  if (toolChoice?.type === "tool") return toolChoice.name === SEARCH_TOOL;
  return SEARCH.test(exchange.request);
}

const QUERY_CHARACTERS = 200;
const BEGINNING =
  /^\W*(?:please\s+|can you\s+|could you\s+)*(?:search|look up|find(?: out)?|google|browse)\b(?:\s+(?:the web|the internet|online|on the (?:web|internet)))?(?:\s+(?:for|about))?\s*/iu;
/** Where the request goes on with what is to be done with what was found. */
const TASK =
  /[\s,;.]+(?:and\s+then|then|and|,)\s+(?:create|make|draw|plot|chart|graph|calculate|compute|show|compare|visuali[sz]e|analy[sz]e|tell|give|write|summari[sz]e)\b[^]*$/iu;

/** The words to look for: the request without what it wants done with them. */
export function toQuery(request: string): string {
  const [sentence = ""] = request.trim().split(/\n|(?<=[.!?])\s/, 1);
  const words = sentence
    .replace(TASK, "")
    .replace(BEGINNING, "")
    .replace(/[.!?\s]+$/, "");
  return (words === "" ? request.trim() : words).slice(0, QUERY_CHARACTERS).toWellFormed();
}

export interface Found {
  data: PastedData;
  source: NumberedResult;
}

const TEXT_CHARACTERS = 3000;

/** The first table among the results, else the words of the first result; null when nothing was found. */
export function findFoundData(searches: readonly SearchUse[]): Found | null {
  const results = searches.flatMap(({ text, isError }) => (isError ? [] : parseSearchText(text)));
  for (const source of results) {
    const data = findPastedData(source.text);
    if (data?.kind === "table")
      return { data: { ...data, table: withNumbers(data.table) }, source };
    if (data?.kind === "items") return { data, source };
  }
  const source = results.find(({ text }) => text !== "");
  if (source === undefined) return null;
  return { data: { kind: "text", source: source.text.slice(0, TEXT_CHARACTERS) }, source };
}

/** `$1,228.50` as a number: a chart of such texts would be one of words. */
function withNumbers(table: Table): Table {
  const money = new Set(
    table.columns.flatMap(({ kind }, index) => (kind === "money" ? [index] : [])),
  );
  if (money.size === 0) return table;
  return {
    ...table,
    columns: table.columns.map((column, index) =>
      money.has(index) ? { ...column, kind: "number", keepText: false } : column,
    ),
    rows: table.rows.map((row) =>
      row.map((cell, index) => (money.has(index) ? cell.replaceAll(/[^\d.+-]/g, "") : cell)),
    ),
  };
}
