import { expect, test } from "vitest";

import { createTransfers } from "./transfers.ts";

test("so many at once, in order, and a failure gives its place on", async () => {
  const transfers = createTransfers(2);
  const begun: number[] = [];
  const ends = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const all = ends.map(({ promise }, index) =>
    transfers.large(async () => {
      begun.push(index);
      await promise;
    }),
  );
  expect(begun).toEqual([0, 1]);
  ends[1]!.reject(new Error("gone"));
  await expect(all[1]).rejects.toThrow("gone");
  expect(begun).toEqual([0, 1, 2]);
  ends[0]!.resolve();
  await all[0];
  expect(begun).toEqual([0, 1, 2, 3]);
  ends[2]!.resolve();
  ends[3]!.resolve();
  await Promise.all([all[2], all[3]]);
  await expect(transfers.large(() => Promise.resolve(7))).resolves.toBe(7);
});
