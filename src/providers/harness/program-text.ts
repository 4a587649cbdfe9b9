/** What can be seen of a program without running it. */
import type { Wants } from "./problem.ts";

const CHART_CALL =
  /\b(plt|sns|ax\d*|axes|fig)(\[[^\]]*\])*\.(?!(figure|subplots|style|rcParams|use|set_theme)\b)\w+\(|\.plot\b|\.hist\(|\.boxplot\(/;
const SHOWS_SOMETHING = /\b(print|display|pprint)\(/;

export const CHART_BEGINNING = "# Draw the chart\nplt.figure(figsize=(10, 6))\n";
export const PRINT_BEGINNING = "# Print the results\nprint(";

/**
 * The beginning of what the program lacks, to be continued by the model: a chart that was asked for and is
 * not drawn, or results that are not printed. Empty when nothing is lacking. `own` is the model's part.
 */
export function completeProgram(own: string, wants: Wants): string {
  const gap = own === "" || own.endsWith("\n\n") ? "" : own.endsWith("\n") ? "\n" : "\n\n";
  if (wants.chart && !CHART_CALL.test(own)) return gap + CHART_BEGINNING;
  if (wants.results && !SHOWS_SOMETHING.test(own) && !endsInExpression(own))
    return gap + PRINT_BEGINNING;
  return "";
}

/** A notebook shows the last expression's value by itself. */
function endsInExpression(code: string): boolean {
  const last =
    code
      .trimEnd()
      .split("\n")
      .findLast((line) => line.trim() !== "" && !line.trim().startsWith("#")) ?? "";
  if (last === "" || /^\s/.test(last)) return false;
  return !/^[\w.[\]"', ]+(?<![=!<>])=(?!=)|^(import|from|def|class|for|while|if|with|return|raise|assert|del|pass)\b|^plt\./.test(
    last,
  );
}

const REPEATS = 4;

/** A small model can fall into a loop: the same lines again and again. */
export function isRepeating(code: string): boolean {
  const lines = code.split("\n").slice(0, -1);
  for (const period of [1, 2, 3, 4]) {
    const wanted = period * REPEATS;
    if (lines.length < wanted) break;
    const tail = lines.slice(-wanted);
    const isLong = tail.slice(0, period).join("").trim().length >= 12;
    if (isLong && tail.every((line, index) => line === tail[index % period])) return true;
  }
  return false;
}
