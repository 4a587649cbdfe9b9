/** What is wrong with a program that has been run, in words that a small model can act on. */
import type { Step } from "./conversation.ts";

/** Null when the program did what was asked. */
export function findProblem(step: Step, wants: { chart: boolean }): string | null {
  if (step.isError) return describeError(step);
  if (wants.chart && !step.hasImage)
    return "The program ran, but it showed no chart. Draw the chart with matplotlib and end with plt.show().";
  if ((step.output ?? "") === "" && !step.hasImage)
    return "The program ran, but it printed nothing. Print every result with a label.";
  return null;
}

/** The failing line and the last line of the traceback: more confuses the model, less does not help it. */
function describeError({ code, output }: Step): string {
  const lines = (output ?? "").trimEnd().split("\n");
  const last =
    lines.findLast((line) => /^\w[\w.]*(Error|Exception|Warning|Interrupt|Exit)\b/.test(line)) ??
    lines.at(-1) ??
    "";
  const failing = findFailingLine(lines, code);
  const where = failing === null ? "" : ` in the line \`${failing}\``;
  return `The program failed${where}:\n${last.slice(0, 400)}`;
}

/** Tracebacks name lines of the cell as `line 3`, `Cell In[1], line 3`, or mark them with `-> 3`. */
function findFailingLine(lines: readonly string[], code: string): string | null {
  const source = code.split("\n");
  const cellFrames = lines.flatMap((line) => {
    const match =
      /(?:File "<[^>]+>"|Cell\b[^,]*|<cell[^>]*>|<ipython[^>]*>)[^\n]*?\bline (\d+)/i.exec(line) ??
      /^-+> (\d+) /.exec(line);
    return match?.[1] === undefined ? [] : [Number(match[1])];
  });
  const number = cellFrames.at(-1);
  const text = number === undefined ? undefined : source[number - 1]?.trim();
  return text === undefined || text === "" ? null : text;
}

/** pandas could not make rows of a table as it is. */
export function isTableError(step: Step): boolean {
  return step.isError && /Error tokenizing data|ParserError/.test(step.output ?? "");
}
