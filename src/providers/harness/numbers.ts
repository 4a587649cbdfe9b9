/**
 * Checks what the model says against what its program printed.
 *
 * A small model gets numbers wrong that lie before its eyes: it gives one line's number for another's, or
 * one that is nowhere. A sentence passes when each of its numbers occurs in the output or the request,
 * rounded or not, and, where the output labels its numbers, when the sentence does not give it under
 * another line's label.
 */
interface Figure {
  value: number;
  /** Digits after the point: the sentence may have rounded to them. */
  decimals: number;
  isPercent: boolean;
  index: number;
}

interface LabelledLine {
  words: Set<string>;
  figures: Figure[];
}

const NUMBER =
  /(?<![\p{L}\p{Nd}_.])[-−]?\p{Nd}{1,3}(?:,\p{Nd}{3})+(?:\.\p{Nd}+)?|(?<![\p{L}_])[-−]?\p{Nd}+(?:\.\p{Nd}+)?(?:e[-+]?\d+)?/giu;
const SCALES: Record<string, number> = {
  thousand: 1e3,
  million: 1e6,
  billion: 1e9,
  trillion: 1e12,
};

export interface NumberCheck {
  passes(sentence: string): boolean;
}

export function createNumberCheck(output: string, request: string): NumberCheck {
  const printed = findFigures(output);
  const given = findFigures(request);
  const labelled = output
    .split("\n")
    .map(toLabelledLine)
    .filter((line) => line !== null);

  function passes(sentence: string): boolean {
    const words = sentence.replace(/^\s*(?:\d+[.)]|[-*])\s+/, "");
    for (const figure of findFigures(words)) {
      if (!isKnown(figure, [...printed, ...given])) return false;
      if (isMislabelled(figure, words, labelled) && !isKnown(figure, given)) return false;
    }
    return true;
  }

  return { passes };
}

export function findFigures(text: string): Figure[] {
  const figures: Figure[] = [];
  for (const match of text.matchAll(NUMBER)) {
    const plain = toAsciiDigits(match[0]).replaceAll(",", "").replace("−", "-");
    const after = text.slice(match.index + match[0].length);
    const scale = SCALES[/^\s+(\p{L}+)/u.exec(after)?.[1]?.toLowerCase() ?? ""] ?? 1;
    const value = Number(plain) * scale;
    if (!Number.isFinite(value)) continue;
    const decimals =
      (plain.split(/e/i)[0]?.split(".")[1]?.length ?? 0) - Math.round(Math.log10(scale));
    figures.push({ value, decimals, isPercent: /^\s*(%|percent)/.test(after), index: match.index });
  }
  return figures;
}

function toAsciiDigits(text: string): string {
  return text.replaceAll(/[٠-٩۰-۹]/g, (digit) =>
    String(((digit.codePointAt(0)! - 0x660) % 0x90) % 10),
  );
}

function isKnown(figure: Figure, known: readonly Figure[]): boolean {
  return known.some((candidate) => isSame(figure, candidate));
}

/** Equal, or the candidate rounded (or cut) to the figure's digits; a share may be said in percent; signs may be words. */
function isSame(figure: Figure, candidate: Figure): boolean {
  const tolerance = 10 ** -figure.decimals * (1 + 1e-9);
  const values =
    figure.isPercent && !candidate.isPercent
      ? [candidate.value, candidate.value * 100]
      : [candidate.value];
  return values.some((value) => {
    const distance = Math.abs(Math.abs(figure.value) - Math.abs(value));
    if (distance <= Math.abs(value) * 1e-9) return true;
    // Rounding may drop digits after the point, never add wrong ones or turn something into nothing.
    return candidate.decimals > figure.decimals && distance < tolerance && figure.value !== 0;
  });
}

function toLabelledLine(line: string): LabelledLine | null {
  const match = /^\s*([^:=]*\p{L}[^:=]*)[:=](.*)$/u.exec(line);
  if (match === null) return null;
  const figures = findFigures(match[2] ?? "");
  return figures.length === 0 ? null : { words: wordsOf(match[1] ?? ""), figures };
}

/**
 * Whether the words right before the figure name another printed line than the one the figure is from. Only
 * words that tell the lines apart count.
 */
function isMislabelled(figure: Figure, sentence: string, lines: readonly LabelledLine[]): boolean {
  const own = lines.filter((line) => isKnown(figure, line.figures));
  if (own.length === 0 || lines.length < 2) return false;
  const clause =
    sentence
      .slice(0, figure.index)
      .split(/[,;]\s|\sand\s|\p{Nd}/u)
      .findLast((part) => /\p{L}{3,}/u.test(part)) ?? "";
  const said = wordsOf(clause);
  const score = (line: LabelledLine): number => {
    let shared = 0;
    for (const word of line.words) if (said.has(word)) shared += 1;
    return shared === 0 ? 0 : shared / line.words.size;
  };
  const best = Math.max(...lines.map(score));
  return best > 0 && Math.max(...own.map(score)) < best;
}

const EMPTY_WORDS = new Set([
  "the",
  "of",
  "a",
  "an",
  "and",
  "is",
  "are",
  "in",
  "for",
  "to",
  "after",
  "value",
]);

function wordsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/\p{L}{2,}|\p{Nd}+/gu) ?? [];
  return new Set(
    words
      .filter((word) => !EMPTY_WORDS.has(word))
      .map((word) => word.replace(/(?<=\p{L}{3})s$/u, "")),
  );
}
