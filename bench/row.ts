/** One line of the result: a figure with its target, and what stands behind it. */
import { summarize } from "./statistics.ts";

export interface Row {
  what: string;
  /** A ratio wherever there is something to compare with. */
  figure: number;
  unit: "x" | "ms" | "MiB" | "/s";
  /** Null: shown for context, and judged by nobody. */
  target: Target | null;
  /** Absolute figures, which say little without the machine. */
  context: string;
}

export interface Target {
  sense: "at most" | "at least";
  value: number;
}

export const atMost = (value: number): Target => ({ sense: "at most", value });
export const atLeast = (value: number): Target => ({ sense: "at least", value });

/** Null where there is no target. */
export function isMet({ figure, target }: Row): boolean | null {
  if (target === null) return null;
  return target.sense === "at most" ? figure <= target.value : figure >= target.value;
}

/** How far from the target, 1 being on it and less being better; null without one. */
export function distance({ figure, target }: Row): number | null {
  if (target === null) return null;
  return target.sense === "at most" ? figure / target.value : target.value / figure;
}

/** `Curta 1.90 / 2.40 / 5.10 ms, Jupyter …`: p50, p90 and p99 of each contestant. */
export function describeTimes(samples: Record<string, readonly number[]>): string {
  return Object.entries(samples)
    .map(([name, values]) => {
      const { p50, p90, p99, count } = summarize(values);
      return `${name} ${[p50, p90, p99].map(formatNumber).join(" / ")} ms (${count})`;
    })
    .join(", ");
}

export function formatNumber(value: number): string {
  if (value >= 1000) return value.toFixed(0);
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
