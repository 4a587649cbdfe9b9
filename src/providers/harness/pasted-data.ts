/**
 * Data that someone pasted into a message: JSON, a delimited table, or a text to work on.
 */
import { findLabelledItems, type LabelledItems } from "./labelled-items.ts";
import { parseTable, type Table } from "./table.ts";

export type PastedData =
  | { kind: "json"; source: string; value: unknown }
  | { kind: "table"; source: string; table: Table }
  | { kind: "text"; source: string }
  | { kind: "items"; source: ""; items: LabelledItems };

const TEXT_MIN = 80;

/** The largest piece of data in a message, or null. */
export function findPastedData(message: string): PastedData | null {
  return findJson(message) ?? findTable(message) ?? findText(message) ?? findItems(message);
}

/** They stay in the sentence, so there is no source to cut out of it. */
function findItems(message: string): PastedData | null {
  const items = findLabelledItems(message);
  return items === null ? null : { kind: "items", source: "", items };
}

function findJson(message: string): PastedData | null {
  let best: { source: string; value: unknown } | null = null;
  for (let start = 0; start < message.length; start += 1) {
    if (message[start] !== "[" && message[start] !== "{") continue;
    const source = balanced(message, start);
    if (source === null) continue;
    const value = parseJson(source);
    if (value === undefined) continue;
    if (source.length > (best?.source.length ?? 0)) best = { source, value };
    start += source.length - 1;
  }
  // A pair of brackets in prose, `[1]`, is no data.
  return best !== null && best.source.length >= 20 ? { kind: "json", ...best } : null;
}

function balanced(text: string, start: number): string | null {
  let depth = 0;
  let quoted = false;
  for (let index = start; index < text.length; index += 1) {
    const character = text[index]!;
    if (quoted) {
      if (character === "\\") index += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "[" || character === "{") depth += 1;
    else if (character === "]" || character === "}") {
      depth -= 1;
      if (depth === 0) return text.slice(start, index + 1);
    }
  }
  return null;
}

function parseJson(source: string): unknown {
  try {
    const value: unknown = JSON.parse(source);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    // Not JSON: brackets occur in prose too.
    return undefined;
  }
}

function findTable(message: string): PastedData | null {
  const blocks = message.replace(/\r\n?/g, "\n").split(/\n[ \t]*\n|```[a-z]*\n?/);
  for (const block of blocks) {
    const lines = block.split("\n").filter((line) => line.trim() !== "");
    for (let skip = 0; skip <= 1 && lines.length - skip >= 3; skip += 1) {
      const source = withoutMarkdown(lines.slice(skip)).join("\n");
      const table = parseTable(source);
      if (table !== null && looksLikeTable(table)) return { kind: "table", source, table };
    }
  }
  return null;
}

/** `| a | b |` becomes `a | b`, and the rule under the header goes. */
function withoutMarkdown(lines: readonly string[]): string[] {
  if (!lines.every((line) => /^\s*\|.*\|\s*$/.test(line))) return [...lines];
  return lines
    .filter((line) => !/^[\s|:-]+$/.test(line))
    .map((line) =>
      line
        .trim()
        .slice(1, -1)
        .split("|")
        .map((field) => field.trim())
        .join("|"),
    );
}

/** Sentences have commas too; a header is made of short names, and cells are short. */
function looksLikeTable({ columns, rows }: Table): boolean {
  const cells = rows.flat();
  const length =
    cells.reduce((sum, cell) => sum + cell.trim().length, 0) / Math.max(1, cells.length);
  const words = columns.map((column) => column.name.split(/\s+/).length);
  return (
    length <= 40 &&
    Math.max(...words) <= 4 &&
    columns.every((column) => !/[.:!?]$/.test(column.name))
  );
}

/** What follows the instruction after an empty line, or after a colon in quotes. */
function findText(message: string): PastedData | null {
  const parts = message.trim().split(/\n[ \t]*\n/);
  if (parts.length >= 2) {
    const source = parts.slice(1).join("\n\n").trim();
    if (source.length >= TEXT_MIN) return { kind: "text", source };
  }
  const quoted = /["“«](.{80,}?)["”»]\s*$/su.exec(message.trim());
  return quoted?.[1] === undefined ? null : { kind: "text", source: quoted[1] };
}
