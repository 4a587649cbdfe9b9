/**
 * Text for a terminal. What models and their code write is not trusted: escape sequences in it could
 * retitle the window, move the cursor or fill the clipboard, so they are shown, not obeyed.
 */
import type { Io, Screen } from "./io.ts";

/** Leaves line breaks, tabs and carriage returns (progress bars) and makes other controls visible. */
export function toPrintable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, (sign) => {
    const code = sign.codePointAt(0)!;
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : "\u2421";
  });
}

export function dim(text: string, screen: Screen, env: Io["env"]): string {
  return screen.isTTY && !env.NO_COLOR ? `\u001b[2m${text}\u001b[22m` : text;
}

/** Columns as wide as their widest cell, the last one unbounded. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, n) => (widths[n] = Math.max(widths[n] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row.map((cell, n) => (n === row.length - 1 ? cell : cell.padEnd(widths[n]!))).join("  "),
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}
