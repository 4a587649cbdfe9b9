/**
 * Reading of delimited text as far as the harness needs it: which delimiter, which columns, which rows have
 * too many or too few fields, and what such a row was most likely meant to be.
 *
 * A row with too many fields is repaired by trying what could have gone wrong (an empty field too much, a
 * comma inside a value) and taking the outcome whose values look most like the other rows' values, column
 * by column. A repair is always reported, never silent.
 */
export interface Repair {
  /** Counted from 1, as an editor shows it. */
  line: number;
  before: string;
  after: string;
}

export interface Column {
  name: string;
  kind: ValueKind;
  /** Read as text although it looks like a number: telephone numbers, postcodes. */
  keepText: boolean;
  /** Dates such as 25/12/2024: the first number cannot be a month. */
  isDayFirst: boolean;
  examples: string[];
}

export interface Table {
  delimiter: string;
  columns: Column[];
  rows: string[][];
  repairs: Repair[];
}

export type ValueKind = "empty" | "number" | "money" | "date" | "address" | "text";

const DELIMITERS = [",", "\t", ";", "|"];
const ROWS_LOOKED_AT = 200;

/** Null when the text is no table with a header, at least one row and at least two columns. */
export function parseTable(text: string): Table | null {
  const lines = text
    .replace(/\r\n?/g, "\n")
    .replace(/\n+$/, "")
    .split("\n")
    .slice(0, ROWS_LOOKED_AT);
  const delimiter = sniffDelimiter(lines.filter((line) => line.trim() !== ""));
  if (delimiter === null) return null;
  const header = splitRow(lines[0] ?? "", delimiter).map((name) => name.trim());
  if (header.length < 2 || header.some((name) => name === "") || lines.length < 2) return null;

  const fields = lines
    .slice(1)
    .map((line) => (line.trim() === "" ? null : splitRow(line, delimiter)));
  const regular = fields.filter((row) => row?.length === header.length) as string[][];
  const kinds = header.map((_, index) => commonKind(regular.map((row) => row[index] ?? "")));
  const rows: string[][] = [];
  const repairs: Repair[] = [];
  for (const [index, row] of fields.entries()) {
    if (row === null) continue;
    if (row.length === header.length) {
      rows.push(row);
      continue;
    }
    const repaired =
      row.length > header.length
        ? shorten(row, kinds, delimiter)
        : [...row, ...Array<string>(header.length - row.length).fill("")];
    rows.push(repaired);
    repairs.push({
      line: index + 2,
      before: lines[index + 1] ?? "",
      after: joinRow(repaired, delimiter),
    });
  }
  const columns = header.map((name, index) =>
    describeColumn(
      name,
      rows.map((row) => (row[index] ?? "").trim()),
    ),
  );
  return { delimiter, columns, rows, repairs };
}

export function joinRow(fields: readonly string[], delimiter: string): string {
  return fields
    .map((field) =>
      field.includes(delimiter) || field.includes('"') || field.includes("\n")
        ? `"${field.trim().replaceAll('"', '""')}"`
        : field,
    )
    .join(delimiter);
}

function sniffDelimiter(lines: readonly string[]): string | null {
  let best: { delimiter: string; score: number } | null = null;
  for (const delimiter of DELIMITERS) {
    const counts = lines.map((line) => splitRow(line, delimiter).length);
    const columns = counts[0] ?? 1;
    if (columns < 2) continue;
    const regular = counts.filter((count) => count === columns).length;
    const share = regular / counts.length;
    const score = share * columns;
    if (share >= 0.5 && (best === null || score > best.score)) best = { delimiter, score };
  }
  return best?.delimiter ?? null;
}

/** Fields of one line; quotes are honoured within the line. */
export function splitRow(line: string, delimiter: string): string[] {
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let index = 0; index < line.length; index += 1) {
    const character = line[index]!;
    if (quoted && character === '"' && line[index + 1] === '"') {
      field += '"';
      index += 1;
    } else if (character === '"' && (quoted || field.trim() === "")) {
      quoted = !quoted;
      if (quoted) field = "";
    } else if (character === delimiter && !quoted) {
      fields.push(field);
      field = "";
    } else {
      field += character;
    }
  }
  fields.push(field);
  return fields;
}

/** The likeliest row of as many fields as there are kinds. */
function shorten(row: readonly string[], kinds: readonly ValueKind[], delimiter: string): string[] {
  const extra = row.length - kinds.length;
  const candidates: string[][] = [];
  // Each stretch of neighbours that could have been one value with the delimiter inside.
  for (let start = 0; start < kinds.length; start += 1) {
    const joined = row.slice(start, start + extra + 1).join(delimiter);
    candidates.push([...row.slice(0, start), joined, ...row.slice(start + extra + 1)]);
  }
  const empty = row.flatMap((field, index) => (field.trim() === "" ? [index] : []));
  if (empty.length >= extra) {
    const dropped = new Set(empty.slice(0, extra));
    candidates.unshift(row.filter((_, index) => !dropped.has(index)));
  }
  let best = candidates[0]!;
  let bestScore = -1;
  for (const candidate of candidates) {
    const score =
      candidate.filter((field, index) => kindOf(field) === kinds[index]).length -
      (candidate.some((field) => field.trim().startsWith(delimiter)) ? 1 : 0);
    if (score > bestScore) [best, bestScore] = [candidate, score];
  }
  return best;
}

const DATE_FORMATS = [
  /^\d{4}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2})?.*)?$/,
  /^\d{1,2}\/\d{1,2}\/\d{2,4}$/,
  /^\d{1,2}[.-]\d{1,2}[.-]\d{2,4}$/,
  /^\d{4}\/\d{1,2}\/\d{1,2}$/,
  /^\p{L}{3,9}\.? \d{1,2},? ?\d{4}$/u,
  /^\d{1,2} \p{L}{3,9}\.?,? \d{4}$/u,
];

export function kindOf(value: string): ValueKind {
  const text = value.trim();
  if (text === "") return "empty";
  if (DATE_FORMATS.some((format) => format.test(text))) return "date";
  if (/^[-+]?\d+([.,]\d+)?(e[-+]?\d+)?$/i.test(text)) return "number";
  if (/^[-+]?[$€£¥₹]?\s?\d{1,3}(,\d{3})*(\.\d+)?\s?[%$€£¥₹]?$/.test(text)) return "money";
  if (/^\S+@\S+\.\S+$/.test(text)) return "address";
  return "text";
}

function commonKind(values: readonly string[]): ValueKind {
  const counts = new Map<ValueKind, number>();
  for (const value of values) {
    const kind = kindOf(value);
    if (kind !== "empty") counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? "empty";
}

function describeColumn(name: string, values: readonly string[]): Column {
  const kind = commonKind(values);
  const dates = values.filter((value) => kindOf(value) === "date");
  return {
    name,
    kind,
    keepText: values.some(
      (value) => /^\+\d|^0\d/.test(value.replaceAll(/[\s()-]/g, "")) && kindOf(value) !== "date",
    ),
    isDayFirst: dates.some((value) => /^(1[3-9]|2\d|3[01])[/.-]\d/.test(value)),
    examples: [...new Set(values.filter((value) => value !== ""))].slice(0, 3),
  };
}
