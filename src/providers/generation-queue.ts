/**
 * One generation at a time, in order of arrival, with a bounded line.
 *
 * The processor is the bottleneck of the embedded model, so two generations at once would only make
 * both slow. Whoever finds the line full is told so at once, with a guess of when to come back that
 * follows from how long the last generations took.
 */
import { GatewayError } from "../errors.ts";

export interface GenerationQueue {
  /** Waits for the turn. Call the result exactly once, on every path, to let the next one in. */
  enter(signal: AbortSignal): Promise<() => void>;
}

interface Waiter {
  admit(): void;
}

export function createGenerationQueue(
  limit: number,
  now: () => number = performance.now.bind(performance),
): GenerationQueue {
  const waiting: Waiter[] = [];
  let busy = false;
  let meanMs = 15_000;

  function admitted(): () => void {
    const start = now();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      meanMs = 0.7 * meanMs + 0.3 * (now() - start);
      const next = waiting.shift();
      if (next === undefined) busy = false;
      else next.admit();
    };
  }

  async function enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (!busy) {
      busy = true;
      return admitted();
    }
    if (waiting.length >= limit) {
      const seconds = Math.min(300, Math.max(1, Math.ceil((meanMs * (waiting.length + 1)) / 1000)));
      throw new GatewayError(
        "overloaded",
        `The embedded model is busy and ${limit} generations are waiting for it.`,
        {
          retryAfterSeconds: seconds,
        },
      );
    }
    return await new Promise((resolve, reject) => {
      const waiter: Waiter = {
        admit() {
          signal.removeEventListener("abort", leave);
          resolve(admitted());
        },
      };
      function leave(): void {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(signal.reason);
      }
      signal.addEventListener("abort", leave, { once: true });
      waiting.push(waiter);
    });
  }

  return { enter };
}
