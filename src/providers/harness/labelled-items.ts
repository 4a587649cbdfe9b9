/**
 * Data that is written out in a sentence: `Stock A: $10,000 at 8% return, Stock B: $15,000 at 12% return`.
 *
 * Three or more items in a row, each a label and the same kinds of figures. A small model, copying such a
 * list into its program, leaves items out.
 */
export interface LabelledItems {
  labels: string[];
  columns: { name: string; isShare: boolean; values: number[] }[];
}

interface Figure {
  value: number;
  sign: "money" | "percent" | "plain";
  word: string;
}

const ITEM =
  /(?<=^|[,:;.(]\s+|\n\s*[-*]?\s*)(\p{L}[\p{L}\p{Nd} '&/-]{0,30}):\s*([^:\n]*?\p{Nd}[^:\n]*?)(?=[,;]?\s+(?:and\s+)?\p{L}[\p{L}\p{Nd} '&/-]{0,30}:\s|[.;](?:\s|$)|\n|$)/gu;
const FIGURE =
  /([$€£¥])?\s?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s?(%|percent\b)?\s*(\p{L}+)?/gu;
const ITEMS_MIN = 3;
const FIGURES_MAX = 4;

export function findLabelledItems(message: string): LabelledItems | null {
  let run: { label: string; figures: Figure[] }[] = [];
  let best = run;
  for (const [, label = "", value = ""] of message.matchAll(ITEM)) {
    const figures = findFigures(value);
    if (run.length === 0 || shapeOf(run[0]!.figures) !== shapeOf(figures)) run = [];
    run.push({ label: label.trim(), figures });
    if (run.length > best.length) best = run;
  }
  const first = best[0];
  if (first === undefined || best.length < ITEMS_MIN || first.figures.length > FIGURES_MAX)
    return null;
  const names = new Set<string>();
  return {
    labels: best.map((item) => item.label),
    columns: first.figures.map((figure, index) => ({
      name: freeName(nameOf(figure), names),
      isShare: figure.sign === "percent",
      values: best.map(({ figures }) => toValue(figures[index]!)),
    })),
  };
}

function findFigures(text: string): Figure[] {
  return [...text.matchAll(FIGURE)].map(([, money, digits = "", percent, word = ""]) => ({
    value: Number(digits.replaceAll(",", "")),
    sign: percent === undefined ? (money === undefined ? "plain" : "money") : "percent",
    word: word.toLowerCase(),
  }));
}

function shapeOf(figures: readonly Figure[]): string {
  return figures.map((figure) => figure.sign).join(" ");
}

/** Percent as a share, without the noise of binary fractions: 7.3 becomes 0.073. */
function toValue({ value, sign }: Figure): number {
  return sign === "percent" ? Number((value / 100).toPrecision(12)) : value;
}

const FILLERS = new Set(["at", "and", "for", "with", "in", "per", "of", "a", "to", "each", "x"]);

function nameOf({ sign, word }: Figure): string {
  const meaning = FILLERS.has(word) || !/^[a-z]+$/.test(word) ? "" : word;
  if (sign === "percent") return meaning === "" ? "rate" : `${meaning}_rate`;
  if (sign === "money") return "amount";
  return meaning === "" ? "value" : meaning;
}

function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number += 1) name = `${wanted}_${number}`;
  taken.add(name);
  return name;
}
