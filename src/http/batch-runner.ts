/**
 * Runs the requests of batches, behind interactive work.
 *
 * A few workers take the oldest request that waits, but only while no other request is under way, and send
 * it through the same handler as `POST /v1/messages`. When the server closes, what runs is given up and
 * stays *processing*, so the next start runs it again; so does what a killed server ran, some times. A model that is overloaded is asked again later.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { newId } from "../store/id.ts";
import type { BatchStore, PendingRequest } from "../store/batches.ts";
import type { InFlight } from "./in-flight.ts";
import type { MessagesHandler } from "./services.ts";

export interface BatchRunner extends AsyncDisposable {
  /** There is something new to run. */
  wake(): void;
  isRunning(batch: string, position: number): boolean;
}

export interface BatchRunnerDeps {
  store: BatchStore;
  messages: MessagesHandler;
  inFlight: Pick<InFlight, "count" | "draining">;
  workers: number;
  onFailure: (cause: unknown) => void;
}

/** How often a worker looks whether interactive requests have ended. */
const QUIET_POLL_MS = 50;
/** Batches expire also while nothing else happens. */
const IDLE_MS = 60_000;
const OVERLOADED = new Set([429, 529]);
const ATTEMPTS = 5;
const RETRY_MS_MAX = 30_000;

export function startBatchRunner(deps: BatchRunnerDeps): BatchRunner {
  const { store, messages, inFlight, workers, onFailure } = deps;
  const closing = new AbortController();
  const { signal } = closing;
  const running = new Set<string>();
  let wakeAll = new AbortController();

  const work = Promise.all(Array.from({ length: workers }, runWorker));

  return {
    wake() {
      wakeAll.abort();
      wakeAll = new AbortController();
    },
    isRunning: (batch, position) => running.has(keyOf(batch, position)),
    async [Symbol.asyncDispose]() {
      closing.abort();
      await work;
    },
  };

  async function runWorker(): Promise<void> {
    while (!signal.aborted) {
      const woken = AbortSignal.any([signal, wakeAll.signal]);
      const next = take();
      if (next === null) {
        await sleep(IDLE_MS, undefined, { signal: woken, ref: false }).catch(() => {});
        continue;
      }
      const key = keyOf(next.batch, next.position);
      try {
        await run(next);
      } catch (cause) {
        if (!signal.aborted) {
          onFailure(cause);
          await sleep(RETRY_MS_MAX, undefined, { signal, ref: false }).catch(() => {});
        }
      } finally {
        running.delete(key);
      }
    }
  }

  /** The next request, marked as running in the same breath. */
  function take(): PendingRequest | null {
    const next = store
      .pending(workers)
      .find(({ batch, position }) => !running.has(keyOf(batch, position)));
    if (next === undefined) return null;
    running.add(keyOf(next.batch, next.position));
    return next;
  }

  async function run(request: PendingRequest): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await quiet();
      const { answer, body } = await askOnce(request);
      if (OVERLOADED.has(answer.status) && attempt < ATTEMPTS) {
        const seconds = Number(answer.headers.get("retry-after") ?? 1);
        await sleep(Math.min(seconds * 1000, RETRY_MS_MAX), undefined, { signal });
        continue;
      }
      if (answer.status === 200)
        store.finish(request, "succeeded", `{"type":"succeeded","message":${body}}`);
      else store.finish(request, "errored", `{"type":"errored","error":${body}}`);
      return;
    }
  }

  /** Counted as begun unless it comes to an end, so that only the end of this process leaves a count. */
  async function askOnce(request: PendingRequest): Promise<{ answer: Response; body: string }> {
    store.begin(request);
    try {
      const answer = await send(request);
      const body = await answer.text();
      signal.throwIfAborted();
      if (OVERLOADED.has(answer.status)) store.giveBack(request);
      return { answer, body };
    } catch (cause) {
      store.giveBack(request);
      throw cause;
    }
  }

  function send({ params, betas }: PendingRequest): Promise<Response> {
    const requestId = newId("req");
    const headers = {
      "content-type": "application/json",
      ...(betas !== "" && { "anthropic-beta": betas }),
    };
    // Batches have no streams.
    const body = JSON.stringify({ ...(JSON.parse(params) as object), stream: false });
    const url = "http://127.0.0.1/v1/messages";
    return messages(new Request(url, { method: "POST", headers, body, signal }), { requestId });
  }

  async function quiet(): Promise<void> {
    while (inFlight.count > 0 || inFlight.draining)
      await sleep(QUIET_POLL_MS, undefined, { signal });
  }
}

function keyOf(batch: string, position: number): string {
  return `${batch}/${position}`;
}
