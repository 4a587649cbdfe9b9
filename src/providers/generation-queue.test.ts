import { expect, test } from "vitest";

import { createGenerationQueue } from "./generation-queue.ts";

const never = new AbortController().signal;

test("one at a time, in order", async () => {
  const queue = createGenerationQueue(2);
  const order: number[] = [];
  const leaveFirst = await queue.enter(never);
  const second = queue.enter(never).then((leave) => (order.push(2), leave()));
  const third = queue.enter(never).then((leave) => (order.push(3), leave()));
  expect(order).toEqual([]);
  leaveFirst();
  await Promise.all([second, third]);
  expect(order).toEqual([2, 3]);
});

test("a full line says when to come back", async () => {
  let now = 0;
  const queue = createGenerationQueue(1, () => now);
  const leave = await queue.enter(never);
  const waiting = queue.enter(never);
  await expect(queue.enter(never)).rejects.toMatchObject({
    code: "overloaded",
    retryAfterSeconds: 30,
  });
  now = 1000;
  leave();
  (await waiting)();
});

test("who gives up leaves the line", async () => {
  const queue = createGenerationQueue(1);
  const leave = await queue.enter(never);
  const controller = new AbortController();
  const waiting = queue.enter(controller.signal);
  controller.abort(new Error("gone"));
  await expect(waiting).rejects.toThrow("gone");
  leave();
  (await queue.enter(never))();
});
