/** What is wrong with a program that has been run, and how the next one begins. */
import type { Step } from "./conversation.ts";
import { countMatches, type Mask } from "./masks.ts";
import { CHART_BEGINNING, PRINT_BEGINNING } from "./program-text.ts";

export interface Wants {
  chart: boolean;
  /** Whether something has to be printed, beside a chart or without one. */
  results: boolean;
  /** Formats that the request gives, and how many values at least must have them. */
  masks: readonly { mask: Mask; count: number }[];
}

/** Null when the program did what was asked. */
export function findProblem(step: Step, wants: Wants): string | null {
  if (step.isError) return describeError(step);
  if (wants.chart && !step.hasImage) return "The program showed no chart.";
  if (wants.results && (step.output ?? "") === "") return "The program printed no result.";
  for (const { mask, count } of wants.masks) {
    if (countMatches(mask, step.output ?? "") < count) return describeMissing(mask, count);
  }
  return null;
}

function describeMissing(mask: Mask, count: number): string {
  return `The program printed fewer than ${count} values in the format ${mask.text}.`;
}

/**
 * The part of a failed program that the next one keeps. The model goes on from there, with the line that
 * failed and its error before its eyes; rewriting the whole program, it would mostly repeat itself.
 */
export interface Resumption {
  code: string;
  /** The line that must not be written again, or null. */
  failed: string | null;
}

/** Null when the place is not known, or lies in the lines that the harness wrote. */
export function resumeAfter(step: Step, opening: string, wants: Wants): Resumption | null {
  if (!step.code.startsWith(opening)) return null;
  if (!step.isError) return resumeAfterRun(step, opening, wants);
  const lines = step.code.split("\n");
  const number = failingLine(step);
  const line = number === null ? undefined : lines[number - 1];
  if (number === null || line === undefined || number <= opening.split("\n").length - 1)
    return null;
  const indent = /^\s*/.exec(line)?.[0] ?? "";
  const kept = lines.slice(0, number - 1).map((text) => `${text}\n`);
  const reason = lastTracebackLine(step).slice(0, 200);
  return {
    code: `${kept.join("")}${indent}# Not \`${line.trim()}\`, which gives ${reason}\n`,
    failed: line,
  };
}

/** What is missing is added at the end; what came out in a wrong format is written anew, with advice. */
function resumeAfterRun(step: Step, opening: string, wants: Wants): Resumption | null {
  const whole = `${step.code.trimEnd()}\n\n`;
  if (wants.chart && !step.hasImage) return { code: whole + CHART_BEGINNING, failed: null };
  if (wants.results && (step.output ?? "") === "")
    return { code: whole + PRINT_BEGINNING, failed: null };
  const missed = wants.masks.find(
    ({ mask, count }) => countMatches(mask, step.output ?? "") < count,
  );
  if (missed === undefined) return null;
  const advice = `# ${describeMissing(missed.mask, missed.count)} Now with ${missed.mask.hint}`;
  return { code: `${opening}${advice}\n`, failed: null };
}

/** The failing line and the last line of the traceback: more confuses the model, less does not help it. */
function describeError(step: Step): string {
  const number = failingLine(step);
  const line = number === null ? "" : (step.code.split("\n")[number - 1]?.trim() ?? "");
  return `The program failed${line === "" ? "" : ` in the line \`${line}\``}: ${lastTracebackLine(step).slice(0, 400)}`;
}

function lastTracebackLine({ output }: Step): string {
  const lines = (output ?? "").trimEnd().split("\n");
  const error = /^\w[\w.]*(Error|Exception|Warning|Interrupt|Exit)\b/;
  return lines.findLast((line) => error.test(line)) ?? lines.at(-1) ?? "";
}

/** Tracebacks name lines of the cell as `line 3`, `Cell In[1], line 3`, or mark them with `-> 3`. */
function failingLine({ output }: Step): number | null {
  const numbers = (output ?? "").split("\n").flatMap((line) => {
    const match =
      /(?:File "<[^>]+>"|Cell\b[^,]*|<cell[^>]*>|<ipython[^>]*>)[^\n]*?\bline (\d+)/i.exec(line) ??
      /^-+> (\d+) /.exec(line);
    return match?.[1] === undefined ? [] : [Number(match[1])];
  });
  return numbers.at(-1) ?? null;
}

/** pandas could not make rows of a table as it is. */
export function isTableError(step: Step): boolean {
  return step.isError && /Error tokenizing data|ParserError/.test(step.output ?? "");
}
