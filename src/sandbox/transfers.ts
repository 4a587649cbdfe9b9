/**
 * Large files on their way out of containers: a few at a time.
 *
 * A container's files arrive in one piece, in the server's memory. Small ones, which are nearly all, come at once;
 * large ones of all containers wait for each other, so that what they take together is bounded.
 */
export interface Transfers {
  /** Runs `work` when its turn has come. */
  large<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** What may come without waiting. */
export const SMALL_BYTES = 1 << 20;

export function createTransfers(atOnce: number): Transfers {
  let underWay = 0;
  /** Two of each container at most: what a call left, and what is kept on disk. */
  const waiting: (() => void)[] = [];
  return {
    async large(work) {
      if (underWay < atOnce) underWay += 1;
      // Whoever ends hands its place on.
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) underWay -= 1;
        else next();
      }
    },
  };
}
