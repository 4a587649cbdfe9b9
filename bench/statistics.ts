/** Order statistics of a list of measurements. */

export interface Summary {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** Throws for an empty list: a contestant that was not measured has no figure. */
export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new Error("There is nothing to summarize.");
  const sorted = samples.toSorted((one, other) => one - other);
  return {
    count: sorted.length,
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1)!,
  };
}

export function median(samples: readonly number[]): number {
  return summarize(samples).p50;
}

/** Between two neighbours the value lies on the line between them. */
function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}
