/**
 * Measures several contestants side by side.
 *
 * They take turns in blocks: A A A B B B A A A B B B. A block is long enough that a contestant's own
 * work between its calls (Curta's next checkpoint, Jupyter's idle thread) falls into its own time, and
 * short enough that a neighbour on the machine disturbs all of them alike. The order is turned around
 * every other round, so that nobody always follows the same one.
 */
import { setTimeout as delay } from "node:timers/promises";

/** Does the thing once, checks its result, and returns the milliseconds that it took. */
export type Measure = () => Promise<number>;

export interface Schedule {
  rounds: number;
  /** Calls of one contestant in a row. */
  block: number;
  /** Between two calls. */
  pauseMs: number;
  /** Rounds stop here, however many there were; at least one is always done. */
  budgetMs: number;
}

/** Milliseconds by contestant. Each one's first call warms it up and does not count. */
export async function interleave<Name extends string>(
  contestants: Record<Name, Measure>,
  { rounds, block, pauseMs, budgetMs }: Schedule,
  signal: AbortSignal,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contestants) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    number[]
  >;
  for (const name of names) await contestants[name]();
  const startedAt = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      for (let call = 0; call < block; call += 1) {
        if (pauseMs > 0) await delay(pauseMs, undefined, { signal });
        signal.throwIfAborted();
        samples[name].push(await contestants[name]());
      }
    }
    if (performance.now() - startedAt > budgetMs) break;
  }
  return samples;
}
