/** The words of a run: a line for each case, then a table of the groups. */
import { GROUPS } from "./case.ts";
import type { CaseResult } from "./run.ts";

export interface Tally {
  group: string;
  ok: number;
  failed: number;
  skipped: number;
}

const MARKS = { ok: "ok     ", fail: "FAIL   ", skipped: "skipped" };

export function renderLine({ name, title, outcome, reason }: CaseResult): string {
  const why = reason === "" ? "" : `\n          ${reason.replaceAll("\n", "\n          ")}`;
  return `${MARKS[outcome]} ${name}: ${title}${why}\n`;
}

export function tally(results: readonly CaseResult[]): Tally[] {
  const rows = GROUPS.map((group) => count(group, results));
  return rows.filter(({ ok, failed, skipped }) => ok + failed + skipped > 0);
}

export function renderTable(results: readonly CaseResult[]): string {
  const rows = [...tally(results), { ...sum(results), group: "all" }].map(
    ({ group, ok, failed, skipped }) => [group, String(ok), String(failed), String(skipped)],
  );
  const table = [["group", "ok", "failed", "skipped"], ...rows];
  const widths = [0, 1, 2, 3].map((n) => Math.max(...table.map((cells) => cells[n]!.length)));
  return table
    .map(
      ([group = "", ...numbers]) =>
        `${[group.padEnd(widths[0]!), ...numbers.map((cell, n) => cell.padStart(widths[n + 1]!))].join("  ")}\n`,
    )
    .join("");
}

function count(group: string, results: readonly CaseResult[]): Tally {
  return { ...sum(results.filter((result) => result.group === group)), group };
}

function sum(results: readonly CaseResult[]): Omit<Tally, "group"> {
  const number = (outcome: CaseResult["outcome"]): number =>
    results.filter((result) => result.outcome === outcome).length;
  return { ok: number("ok"), failed: number("fail"), skipped: number("skipped") };
}
