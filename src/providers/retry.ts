/**
 * Tries a sampling again, as long as nothing of it has come out.
 *
 * Retried are the failures marked `retryable` (429, 500, 502, 503, 529, a connection that fails or breaks)
 * before the first event; after it, another try would say things twice. The wait is what the server asked
 * for, up to a minute, else it grows by doubling, with jitter so that many clients do not return at once.
 * A server that asks for more than a minute is not waited for: the client gets the error and the time.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { UpstreamError } from "./upstream-error.ts";

export interface RetryTiming {
  /** First wait; doubles with each further one. */
  baseMs: number;
  maxMs: number;
  /** The longest wait that a server may ask for. */
  maxRetryAfterMs: number;
  /** From 0 to 1, as `Math.random`. */
  random: () => number;
}

/** As the official SDKs wait. */
export const RETRY_TIMING: RetryTiming = {
  baseMs: 500,
  maxMs: 8_000,
  maxRetryAfterMs: 60_000,
  random: Math.random,
};

export interface RetryOptions {
  retries: number;
  timing: RetryTiming;
  signal: AbortSignal;
  /** Told before each wait. */
  onRetry?: (error: UpstreamError, waitMs: number) => void;
}

/** Runs `attempt` until it yields or fails for good. */
export async function* withRetries<T>(
  attempt: () => AsyncIterable<T>,
  { retries, timing, signal, onRetry }: RetryOptions,
): AsyncGenerator<T> {
  for (let tried = 0; ; tried++) {
    let begun = false;
    try {
      for await (const event of attempt()) {
        begun = true;
        yield event;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (begun || tried >= retries || !(error instanceof UpstreamError) || !error.retryable)
        throw error;
      const waitMs = waitBefore(tried, error, timing);
      if (waitMs === null) throw error;
      onRetry?.(error, waitMs);
      await wait(waitMs, signal);
    }
  }
}

/** Milliseconds before the next try, or null when the server asks for too long a wait. */
function waitBefore(tried: number, error: UpstreamError, timing: RetryTiming): number | null {
  if (error.retryAfterMs !== undefined) {
    return error.retryAfterMs > timing.maxRetryAfterMs ? null : error.retryAfterMs;
  }
  return Math.min(timing.baseMs * 2 ** tried, timing.maxMs) * (1 - 0.25 * timing.random());
}

async function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
