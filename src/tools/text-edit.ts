/**
 * What the text editor does to text: lines, ranges, a replacement and the hunk that shows it. Pure.
 *
 * A text's final newline ends its last line and does not begin another. Lines count from 1.
 */
export interface ViewedLines {
  content: string;
  startLine: number;
  lineCount: number;
  totalLines: number;
}

/** A hunk as a unified diff has it, with up to three lines around the change. */
export interface Hunk {
  oldStart: number;
  oldLines: number;
  newStart: number;
  newLines: number;
  lines: string[];
}

const CONTEXT_LINES = 3;
/** Beyond this many lines on one side the change is shown whole: finding what is equal costs their product. */
const COMPARED_LINES_MAX = 500;

export function splitLines(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

/** The lines of a range, both ends included; -1 is the end. Gives a sentence when there is no such range. */
export function viewLines(
  text: string,
  range: readonly [number, number] | null,
): ViewedLines | string {
  const lines = splitLines(text);
  const [first, last] = range ?? [1, -1];
  const end = last === -1 ? lines.length : last;
  if (range !== null && (first < 1 || first > Math.max(1, lines.length)))
    return `view_range: the file has ${lines.length} lines, so the first must be from 1 to ${Math.max(1, lines.length)}, not ${first}.`;
  if (range !== null && last !== -1 && last < first)
    return `view_range: the last line must be -1 or at least the first, ${first}, not ${last}.`;
  const shown = lines.slice(first - 1, end);
  return {
    content: shown.join("\n"),
    startLine: first,
    lineCount: shown.length,
    totalLines: lines.length,
  };
}

/** Where a text occurs, as line numbers, overlaps left out. */
export function findOccurrences(text: string, wanted: string): number[] {
  const found: number[] = [];
  let line = 1;
  let counted = 0;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
    for (; counted < at; counted += 1) if (text.charCodeAt(counted) === 10) line += 1;
    found.push(line);
  }
  return found;
}

/** Replaces the one occurrence, and shows what that changes. */
export function replaceOnce(text: string, old: string, next: string): { text: string; hunk: Hunk } {
  const at = text.indexOf(old);
  const changed = text.slice(0, at) + next + text.slice(at + old.length);
  return { text: changed, hunk: toHunk(splitLines(text), splitLines(changed)) };
}

export function toHunk(before: readonly string[], after: readonly string[]): Hunk {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const start = Math.max(0, head - CONTEXT_LINES);
  const around = Math.min(tail, CONTEXT_LINES);
  const lines = [
    ...before.slice(start, head).map((line) => ` ${line}`),
    ...compare(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...before.slice(before.length - tail, before.length - tail + around).map((line) => ` ${line}`),
  ];
  const oldLines = lines.filter((line) => !line.startsWith("+")).length;
  const newLines = lines.filter((line) => !line.startsWith("-")).length;
  // A side without lines is named by the line before it, as diff does.
  return {
    oldStart: oldLines === 0 ? start : start + 1,
    oldLines,
    newStart: newLines === 0 ? start : start + 1,
    newLines,
    lines,
  };
}

/** The lines of both sides in order, those in the longest common subsequence once. */
function compare(before: readonly string[], after: readonly string[]): string[] {
  const removed = before.map((line) => `-${line}`);
  const added = after.map((line) => `+${line}`);
  if (before.length > COMPARED_LINES_MAX || after.length > COMPARED_LINES_MAX)
    return [...removed, ...added];
  // lengths[i][j]: the longest common subsequence of what is left from i and j on.
  const lengths = Array.from(
    { length: before.length + 1 },
    () => new Uint16Array(after.length + 1),
  );
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      lengths[i]![j] =
        before[i] === after[j]
          ? lengths[i + 1]![j + 1]! + 1
          : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(` ${before[i]}`);
      i += 1;
      j += 1;
    } else if (
      j >= after.length ||
      (i < before.length && lengths[i + 1]![j]! >= lengths[i]![j + 1]!)
    ) {
      lines.push(removed[i]!);
      i += 1;
    } else {
      lines.push(added[j]!);
      j += 1;
    }
  }
  return lines;
}
