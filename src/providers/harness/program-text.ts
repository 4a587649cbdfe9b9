/** What can be seen of a program without running it. */

const CHART_CALL =
  /\b(plt|sns|ax\d*|axes|fig)(\[[^\]]*\])*\.(?!(figure|subplots|style|rcParams|use|set_theme)\b)\w+\(|\.plot\b|\.hist\(|\.boxplot\(/;
const SHOWS_SOMETHING = /\b(print|display|pprint)\(/;

/**
 * The beginning of what the program lacks, to be continued by the model: a chart that was asked for and is
 * not drawn, or any output. Empty when nothing is lacking.
 */
export function completeProgram(code: string, wants: { chart: boolean }): string {
  const gap = code.endsWith("\n") ? "\n" : "\n\n";
  if (wants.chart && !CHART_CALL.test(code))
    return `${gap}# Draw the chart\nplt.figure(figsize=(10, 6))\n`;
  if (!wants.chart && !SHOWS_SOMETHING.test(code) && !endsInExpression(code))
    return `${gap}# Show the result\nprint(`;
  return "";
}

/** A notebook shows the last expression's value by itself. */
function endsInExpression(code: string): boolean {
  const last =
    code
      .trimEnd()
      .split("\n")
      .findLast((line) => line.trim() !== "" && !line.trim().startsWith("#")) ?? "";
  if (/^\s/.test(last)) return false;
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
