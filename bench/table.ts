/** The result as a table for a terminal. */
import type { Group } from "./bench.ts";
import { formatNumber, isMet } from "./row.ts";
import type { Row } from "./row.ts";

export function renderGroup({ title }: Pick<Group, "title">, rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const met = isMet(row);
    const verdict = met === null ? "      " : met ? "met   " : "MISSED";
    const figure = `${formatNumber(row.figure)} ${row.unit}`.padStart(10);
    return `  ${verdict} ${figure}  ${renderTarget(row).padEnd(16)} ${row.what}\n${" ".repeat(37)}${row.context}`;
  });
  return `\n${title}\n${lines.join("\n")}\n`;
}

export function renderTarget({ target, unit }: Row): string {
  return target === null ? "" : `${target.sense} ${formatNumber(target.value)} ${unit}`;
}

export function renderVerdict(rows: readonly Row[]): string {
  const judged = rows.filter(({ target }) => target !== null);
  const met = judged.filter((row) => isMet(row) === true);
  return `${met.length} of ${judged.length} targets met`;
}
