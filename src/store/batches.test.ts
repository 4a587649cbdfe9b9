import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { openBatchStore, type BatchStore } from "./batches.ts";
import { openDatabase } from "./database.ts";

const HOUR_MS = 60 * 60 * 1000;
const asked = (...ids: string[]) =>
  ids.map((customId) => ({ customId, params: `{"n":"${customId}"}` }));

let folder: string;
let database: ReturnType<typeof openDatabase>;
let now: number;
let store: BatchStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "curta-batches-"));
  database = openDatabase(folder);
  now = 1_000_000;
  store = openBatchStore(database, () => now, 2);
});

afterEach(async () => {
  database.close();
  await rm(folder, { recursive: true, force: true });
});

test("requests wait in order until each has its result", () => {
  const batch = store.create(asked("a", "b"), "beta-1,beta-2");
  expect(batch).toMatchObject({
    id: expect.stringMatching(/^msgbatch_/),
    endedAt: null,
    counts: { processing: 2 },
  });
  const [first, second] = store.pending(5);
  expect(first).toEqual({
    batch: batch.id,
    position: 0,
    customId: "a",
    params: '{"n":"a"}',
    betas: "beta-1,beta-2",
  });
  store.finish(first!, "succeeded", "{1}");
  expect(store.pending(5)).toEqual([second]);
  // A second result of the same request is not taken.
  store.finish(first!, "errored", "{2}");
  now += 5;
  store.finish(second!, "errored", "{3}");
  expect(store.get(batch.id)).toMatchObject({
    endedAt: now,
    counts: { processing: 0, succeeded: 1, errored: 1 },
  });
  expect(store.results(batch.id, -1, 1)).toMatchObject([{ customId: "a", result: "{1}" }]);
  expect(store.results(batch.id, 0, 5)).toMatchObject([{ customId: "b", result: "{3}" }]);
});

test("what a killed server had not finished waits again", () => {
  store.create(asked("a"), "");
  startAnew();
  expect(store.pending(5)).toMatchObject([{ customId: "a" }]);
});

function startAnew(): void {
  database.close();
  database = openDatabase(folder);
  store = openBatchStore(database, () => now, 2);
}

test("what three servers have not lived through is not run again, all else is", () => {
  const { id } = store.create(asked("a", "b", "c"), "");
  for (let starts = 0; starts < 3; starts++) {
    const [poison, , given] = store.pending(5);
    store.begin(poison!);
    store.begin(given!);
    store.giveBack(given!);
    startAnew();
  }
  expect(store.pending(5).map(({ customId }) => customId)).toEqual(["b", "c"]);
  const [first] = store.results(id, -1, 1);
  expect(JSON.parse(first!.result)).toMatchObject({
    type: "errored",
    error: {
      type: "error",
      error: { type: "api_error", message: expect.stringContaining("ended 3 times") },
    },
  });
  for (const request of store.pending(5)) store.finish(request, "succeeded", "{}");
  expect(store.get(id)).toMatchObject({ endedAt: now, counts: { succeeded: 2, errored: 1 } });
});

test("what ran when a batch was canceled, and its server killed, is canceled", () => {
  const { id } = store.create(asked("a", "b"), "");
  store.cancel(id, (position) => position === 0);
  startAnew();
  expect(store.pending(5)).toEqual([]);
  expect(store.get(id)).toMatchObject({ endedAt: now, counts: { canceled: 2 } });
});

test("cancel ends what waits; what runs ends the batch later", () => {
  const { id } = store.create(asked("a", "b", "c"), "");
  const [running] = store.pending(1);
  const canceled = store.cancel(id, (position) => position === 0);
  expect(canceled).toMatchObject({
    endedAt: null,
    cancelInitiatedAt: now,
    counts: { processing: 1, canceled: 2 },
  });
  store.finish(running!, "succeeded", "{}");
  expect(store.get(id)).toMatchObject({ endedAt: now, counts: { succeeded: 1, canceled: 2 } });
  expect(() => store.cancel(id, () => false)).toThrow("ended already");
});

test("after a day what still waits has expired, and results are forgotten after 29", () => {
  const { id } = store.create(asked("a"), "");
  now += 24 * HOUR_MS;
  expect(store.pending(5)).toEqual([]);
  expect(store.get(id)).toMatchObject({ endedAt: now, counts: { expired: 1 } });
  expect(store.results(id, -1, 5)).toMatchObject([{ result: '{"type":"expired"}' }]);
  now += 29 * 24 * HOUR_MS + 1;
  store.create(asked("b"), "");
  expect(() => store.get(id)).toThrow("not found");
});

test("only so many are in progress, and only what has ended is deleted", () => {
  const { id } = store.create(asked("a"), "");
  store.create(asked("b"), "");
  expect(() => store.create(asked("c"), "")).toThrow("2 batches are in progress");
  expect(() => store.delete(id)).toThrow("cancel it");
  store.cancel(id, () => false);
  store.delete(id);
  expect(() => store.get(id)).toThrow("not found");
  expect(database.prepare("SELECT count(*) AS n FROM batch_requests").get()).toEqual({ n: 1 });
});

test("the list is newest first and pages both ways", () => {
  const one = store.create(asked("a"), "").id;
  const two = store.create(asked("b"), "").id;
  store.cancel(one, () => false);
  const three = store.create(asked("c"), "").id;
  const idsOf = ({ batches }: ReturnType<BatchStore["list"]>): string[] =>
    batches.map(({ id }) => id);
  expect(idsOf(store.list({ limit: 5 }))).toEqual([three, two, one]);
  const page = store.list({ limit: 1, afterId: three });
  expect([idsOf(page), page.hasMore]).toEqual([[two], true]);
  expect(idsOf(store.list({ limit: 5, beforeId: one }))).toEqual([three, two]);
  expect(store.list({ limit: 5, afterId: "gone" })).toEqual({ batches: [], hasMore: false });
});
