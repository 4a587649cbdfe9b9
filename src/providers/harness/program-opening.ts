/**
 * The first lines of a program, written by the harness: imports, and the request's data in variables.
 *
 * A small model forgets imports, opens files that do not exist and copies pasted data with mistakes. So its
 * program begins with lines that load what there is, tolerantly, and comments that say what is in which
 * variable. They are part of the program that runs and that the user sees.
 */
import type { Attachment } from "../provider.ts";
import type { LabelledItems } from "./labelled-items.ts";
import { findMasks } from "./masks.ts";
import type { PastedData } from "./pasted-data.ts";
import { joinRow, parseTable, type Column, type Table } from "./table.ts";

export interface OpeningRequest {
  attachments: readonly Attachment[];
  pasted: PastedData | null;
  wantsChart: boolean;
  /** An earlier program could not read a table: read it row by row and report what does not fit. */
  isTolerant: boolean;
  /** What the user asked, to be repeated right before the model goes on; pasted data is left out of it. */
  task: string;
}

export interface Opening {
  code: string;
  /**
   * Lines that show what was loaded, when the harness could not see it: a program of the opening and these
   * is run first, so that the model knows the columns before it writes.
   */
  peek: string | null;
}

interface Loading {
  imports: string[];
  lines: string[];
  peek: string[];
}

const EXAMPLE_CHARACTERS = 24;
const COLUMNS_DESCRIBED = 20;

export function openProgram(request: OpeningRequest): Opening {
  const names = createNames();
  const loadings: Loading[] = request.attachments.map((attachment) =>
    loadAttachment(attachment, request, names),
  );
  if (request.pasted !== null) loadings.push(loadPasted(request.pasted, names));
  const imports = new Set(loadings.flatMap((loading) => loading.imports));
  if (request.wantsChart) imports.add("import matplotlib.pyplot as plt");
  const peek = loadings.flatMap((loading) => loading.peek);
  const blocks = [
    [...imports].toSorted(byImportOrder).join("\n"),
    ...loadings.map((loading) => loading.lines.join("\n")),
    // Without loading lines the request itself is near enough.
    loadings.length > 0 ? describeTask(request).join("\n") : "",
  ].filter(Boolean);
  return {
    code: blocks.length === 0 ? "" : `${blocks.join("\n\n")}\n`,
    peek: peek.length === 0 ? null : `${peek.join("\n")}\n`,
  };
}

/** Plain imports of the standard library before the others, each by name, as formatters sort them. */
function byImportOrder(a: string, b: string): number {
  const rank = (line: string): number => (/^(import|from) (io|json|re)\b/.test(line) ? 0 : 1);
  return rank(a) - rank(b) || a.localeCompare(b);
}

function loadAttachment(attachment: Attachment, request: OpeningRequest, names: Names): Loading {
  const { filename, preview } = attachment;
  const extension = /\.([^.]+)$/.exec(filename)?.[1]?.toLowerCase() ?? "";
  const path = quote(filename);
  const count = request.attachments.length;
  switch (extension) {
    case "xlsx":
    case "xls":
    case "ods":
      return loadBinaryTable(`pd.read_excel(${path})`, names.table(filename, count));
    case "parquet":
      return loadBinaryTable(`pd.read_parquet(${path})`, names.table(filename, count));
    case "pdf":
      return loadWords(
        names.text(filename, count),
        ["from pypdf import PdfReader"],
        `"\\n".join(page.extract_text() for page in PdfReader(${path}).pages)`,
      );
    case "docx":
      return loadWords(
        names.text(filename, count),
        ["from docx import Document"],
        `"\\n".join(paragraph.text for paragraph in Document(${path}).paragraphs)`,
      );
    case "json":
      return loadJsonFile(path, preview, names, filename, count);
    case "png":
    case "jpg":
    case "jpeg":
    case "gif":
    case "webp":
      return {
        imports: ["from PIL import Image"],
        lines: [`image = Image.open(${path})`],
        peek: ["print(image.size, image.mode)"],
      };
    default:
      break;
  }
  const text = preview ?? "";
  const isWhole = attachment.sizeBytes <= new TextEncoder().encode(text).length;
  const lookedAt = isWhole ? text : text.slice(0, text.lastIndexOf("\n") + 1);
  const table = ["txt", "md", "log", "html", "xml", "py"].includes(extension)
    ? null
    : parseTable(lookedAt);
  if (table !== null)
    return loadTableFile(path, table, names.table(filename, count), {
      isWhole,
      isTolerant: request.isTolerant,
    });
  if (preview === null)
    return { imports: [], lines: [`# The file ${path} is in the working directory.`], peek: [] };
  return loadText(
    names.text(filename, count),
    `open(${path}, encoding="utf-8", errors="replace").read()`,
  );
}

function loadTableFile(
  path: string,
  table: Table,
  variable: string,
  options: { isWhole: boolean; isTolerant: boolean },
): Loading {
  const { delimiter, columns, repairs } = table;
  const separator = delimiter === "," ? "" : `, sep=${quote(delimiter)}`;
  const tooLong = repairs.length > 0 || options.isTolerant;
  if (tooLong && options.isWhole && repairs.length > 0) {
    return {
      imports: ["import io", "import pandas as pd"],
      lines: [
        `lines = open(${path}, encoding="utf-8", errors="replace").read().splitlines()`,
        ...repairs.flatMap(({ line, before, after }) => [
          `# Line ${line} does not have the header's ${columns.length} fields: ${before.trim()}`,
          `lines[${line - 1}] = ${quote(after)}`,
          `print(${quote(`Line ${line} was repaired: ${before.trim()} -> ${after.trim()}`)})`,
        ]),
        `${variable} = pd.read_csv(io.StringIO("\\n".join(lines))${separator}${readOptions(columns, delimiter)})`,
        ...describeTable(variable, columns),
      ],
      peek: [],
    };
  }
  if (tooLong) {
    return {
      imports: ["import pandas as pd"],
      lines: [
        "def repair_row(fields):",
        "    # A row with too many fields: the empty ones go, else the rest becomes the last field.",
        "    kept = [field for field in fields if field.strip()]",
        `    row = kept if len(kept) == ${columns.length} else fields[:${columns.length - 1}] + [${quote(delimiter)}.join(fields[${columns.length - 1}:])]`,
        '    print("Row repaired:", fields, "->", row)',
        "    return row",
        "",
        `${variable} = pd.read_csv(${path}${separator}, engine="python", on_bad_lines=repair_row${readOptions(columns, delimiter)})`,
        ...describeTable(variable, columns),
      ],
      peek: [],
    };
  }
  return {
    imports: ["import pandas as pd"],
    lines: [
      `${variable} = pd.read_csv(${path}${separator}${readOptions(columns, delimiter)})`,
      ...describeTable(variable, columns),
    ],
    peek: [],
  };
}

function loadPasted(pasted: PastedData, names: Names): Loading {
  switch (pasted.kind) {
    case "json": {
      const lines = [`data = ${toPython(pasted.value)}`];
      const rows = flatRows(pasted.value);
      if (rows === null) return { imports: [], lines, peek: [] };
      const variable = names.table("", 1);
      return {
        imports: ["import pandas as pd"],
        lines: [
          ...lines,
          `${variable} = pd.DataFrame(data)`,
          ...describeTable(variable, toColumns(rows)),
        ],
        peek: [],
      };
    }
    case "table": {
      const { delimiter, columns, rows, repairs } = pasted.table;
      const variable = names.table("", 1);
      const separator = delimiter === "," ? "" : `, sep=${quote(delimiter)}`;
      const header = joinRow(
        columns.map((column) => column.name),
        delimiter,
      );
      const csv = [header, ...rows.map((row) => joinRow(row, delimiter))].join("\n");
      const reports = repairs.map(
        ({ before, after }) => `# Repaired row: ${before.trim()} -> ${after.trim()}`,
      );
      return {
        imports: ["import io", "import pandas as pd"],
        lines: [
          ...reports,
          `raw = ${tripleQuote(`${csv}\n`)}`,
          `${variable} = pd.read_csv(io.StringIO(raw)${separator}, skipinitialspace=True${readOptions(columns, delimiter)})`,
          ...describeTable(variable, columns),
        ],
        peek: [],
      };
    }
    case "items":
      return loadItems(pasted.items, names);
    case "text":
      return loadText(names.text("", 1), tripleQuote(pasted.source));
  }
}

/** One figure for each label is a dictionary, more are a table. */
function loadItems({ labels, columns }: LabelledItems, names: Names): Loading {
  const [first] = columns;
  if (columns.length === 1 && first !== undefined) {
    const pairs = labels.map((label, index) => `${quote(label)}: ${first.values[index]}`);
    return { imports: [], lines: [`data = {${pairs.join(", ")}}`], peek: [] };
  }
  const variable = names.table("", 1);
  return {
    imports: ["import pandas as pd"],
    lines: [
      `${variable} = pd.DataFrame({`,
      `    "name": ${toPython(labels)},`,
      ...columns.map(({ name, values }) => `    ${quote(name)}: ${toPython(values)},`),
      "})",
      ...describeShares(variable, columns),
    ],
    peek: [],
  };
}

/** Shares are not added up: over all rows they are weighted by what they are shares of. */
function describeShares(variable: string, columns: LabelledItems["columns"]): string[] {
  const weights = columns.find((column) => !column.isShare);
  if (weights === undefined) return [];
  return columns
    .filter((column) => column.isShare)
    .map(({ name, values }) => {
      const share = `${values[0]} is ${Number(((values[0] ?? 0) * 100).toPrecision(12))}%`;
      return `# ${name}: shares (${share}); over all rows: (${variable}[${quote(name)}] * ${variable}[${quote(weights.name)}]).sum() / ${variable}[${quote(weights.name)}].sum()`;
    });
}

/** A text is nearly always asked about by its words or sentences. */
function loadText(variable: string, value: string): Loading {
  const ending = variable.slice("text".length);
  return {
    imports: ["import re"],
    lines: [
      `${variable} = ${value}`,
      `# words${ending}: in lower case, without punctuation; sentences${ending}: one string each`,
      `words${ending} = re.findall(r"[\\w'-]+", ${variable}.lower())`,
      `sentences${ending} = re.split(r"(?<=[.!?])\\s+", ${variable}.strip())`,
    ],
    peek: [],
  };
}

function loadJsonFile(
  path: string,
  preview: string | null,
  names: Names,
  filename: string,
  count: number,
): Loading {
  const lines = [`data = json.load(open(${path}, encoding="utf-8"))`];
  if (!/^\s*\[\s*\{/.test(preview ?? "")) {
    return { imports: ["import json"], lines, peek: [] };
  }
  const variable = names.table(filename, count);
  return {
    imports: ["import json", "import pandas as pd"],
    lines: [...lines, `${variable} = pd.json_normalize(data)`],
    peek: [`print(${variable}.head())`],
  };
}

function loadBinaryTable(call: string, variable: string): Loading {
  return {
    imports: ["import pandas as pd"],
    lines: [`${variable} = ${call}`],
    peek: [`print(${variable}.shape)`, `print(${variable}.dtypes)`, `print(${variable}.head())`],
  };
}

function loadWords(variable: string, imports: string[], call: string): Loading {
  return {
    imports,
    lines: [`${variable} = ${call}`],
    peek: [`print(len(${variable}))`, `print(${variable}[:1500])`],
  };
}

const DECIMAL_COMMA = /^-?\d+(?:\.\d{3})*,\d+$/;

/** `dtype` for columns of digits that are no numbers, `decimal` where a comma stands before the fraction. */
function readOptions(columns: readonly Column[], delimiter: string): string {
  const hasCommas = columns.some(({ examples }) =>
    examples.some((one) => DECIMAL_COMMA.test(one.trim())),
  );
  const decimal = hasCommas && delimiter !== "," ? ', decimal=",", thousands="."' : "";
  const kept = columns
    .filter((column) => column.keepText)
    .map((column) => `${quote(column.name)}: str`);
  return decimal + (kept.length === 0 ? "" : `, dtype={${kept.join(", ")}}`);
}

/** Dates become dates, whatever their format; then what the model has to know: columns and kinds. */
function describeTable(variable: string, columns: readonly Column[]): string[] {
  const dates = columns
    .filter((column) => column.kind === "date")
    .map((column) => {
      const series = `${variable}[${quote(column.name)}]`;
      return `${series} = pd.to_datetime(${series}, format="mixed"${column.isDayFirst ? ", dayfirst=True" : ""})`;
    });
  const described = columns.slice(0, COLUMNS_DESCRIBED).map((column) => {
    if (column.kind === "date") return `${column.name} (datetime)`;
    if (column.kind === "number" && !column.keepText) return `${column.name} (number)`;
    const examples = column.examples.map((example) => JSON.stringify(cut(example))).join(", ");
    return `${column.name} (text: ${examples})`;
  });
  const more =
    columns.length > COLUMNS_DESCRIBED ? [`… ${columns.length - COLUMNS_DESCRIBED} more`] : [];
  return [...dates, `# Columns of ${variable}: ${[...described, ...more].join(", ")}`];
}

const TASK_CHARACTERS = 400;
/** The request in comments: what stands right before it is what a small model keeps to. */
function describeTask({ task }: OpeningRequest): string[] {
  const words = task.replaceAll(/\s+/g, " ").trim();
  if (words === "") return [];
  const lines = [
    `# Task: ${words.length <= TASK_CHARACTERS ? words : `${words.slice(0, TASK_CHARACTERS)}…`}`,
  ];
  for (const mask of findMasks(words)) lines.push(`# ${mask.text}: ${mask.hint}`);
  return lines;
}

function flatRows(value: unknown): Record<string, unknown>[] | null {
  if (!Array.isArray(value) || value.length === 0) return null;
  const isFlat = value.every(
    (row) =>
      typeof row === "object" &&
      row !== null &&
      !Array.isArray(row) &&
      Object.values(row).every((cell) => typeof cell !== "object" || cell === null),
  );
  return isFlat ? (value as Record<string, unknown>[]) : null;
}

function toColumns(rows: readonly Record<string, unknown>[]): Column[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return names.map((name) => {
    const values = rows
      .map((row) => row[name])
      .filter((value) => value !== null && value !== undefined);
    const kind = values.every((value) => typeof value === "number") ? "number" : "text";
    return {
      name,
      kind,
      keepText: false,
      isDayFirst: false,
      examples: [...new Set(values.map(String))].slice(0, 3),
    };
  });
}

export function toPython(value: unknown, indent = ""): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return quote(value);
  const deeper = `${indent}    `;
  const isNested = Object.values(value).some((item) => typeof item === "object" && item !== null);
  const items = Array.isArray(value)
    ? value.map((item) => toPython(item, deeper))
    : Object.entries(value).map(([name, item]) => `${quote(name)}: ${toPython(item, deeper)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (!isNested) return `${open}${items.join(", ")}${close}`;
  return `${open}\n${items.map((item) => `${deeper}${item},\n`).join("")}${indent}${close}`;
}

/** JSON's strings are Python's, except that Python knows no escaped slash and no lone surrogate. */
function quote(text: string): string {
  return JSON.stringify(text.toWellFormed());
}

function tripleQuote(text: string): string {
  if (text.includes('"""') || text.includes("\\") || text.endsWith('"')) return quote(text);
  return `"""${text.toWellFormed()}"""`;
}

function cut(text: string): string {
  return text.length <= EXAMPLE_CHARACTERS ? text : `${text.slice(0, EXAMPLE_CHARACTERS)}…`;
}

interface Names {
  table(filename: string, count: number): string;
  text(filename: string, count: number): string;
}

/** `df` and `text` where there is one, else named after the files; never the same twice. */
function createNames(): Names {
  const taken = new Set<string>();
  function free(base: string, filename: string, count: number): string {
    const stem = filename
      .replace(/\.[^.]*$/, "")
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "_")
      .replaceAll(/^_+|_+$/g, "");
    const wanted = count > 1 && stem !== "" ? `${base}_${stem}` : base;
    let name = wanted;
    for (let number = 2; taken.has(name); number += 1) name = `${wanted}_${number}`;
    taken.add(name);
    return name;
  }
  return {
    table: (filename, count) => free("df", filename, count),
    text: (filename, count) => free("text", filename, count),
  };
}
