import fc from "fast-check";
import { expect, test } from "vitest";

import { createOutputRoom, type OutputShare } from "./output-room.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

function fill(share: OutputShare): number {
  let bytes = 0;
  for (let taken = 1; taken > 0; bytes += taken) taken = share.take(KIB);
  return bytes;
}

test("one execution alone gets a fifth of the room", () => {
  const room = createOutputRoom(10 * MIB);
  expect(fill(room.open()) / MIB).toBeCloseTo(2, 2);
});

test("the more are greedy, the less each gets, and a modest one finds room all the same", () => {
  const room = createOutputRoom(10 * MIB);
  const greedy = Array.from({ length: 20 }, () => fill(room.open()));
  expect(greedy.at(-1)).toBeLessThan(greedy[0]!);
  expect(room.open().take(60 * KIB)).toBe(60 * KIB);
});

test("a display comes whole or not at all", () => {
  const share = createOutputRoom(10 * MIB).open();
  expect(share.takeWhole(3 * MIB)).toBe(false);
  expect(share.take(3 * MIB)).toBe(2 * MIB);
});

test("what is closed is free again, once", () => {
  const room = createOutputRoom(10 * MIB);
  const share = room.open();
  const first = fill(share);
  share.close();
  share.close();
  expect(fill(room.open())).toBe(first);
});

test("the sum stays within the room and what each may always have", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(15), fc.nat(2 * MIB), fc.boolean()), { maxLength: 300 }),
      (steps) => {
        const room = createOutputRoom(8 * MIB);
        const shares = Array.from({ length: 16 }, () => ({ share: room.open(), held: 0 }));
        for (const [index, bytes, closes] of steps) {
          const one = shares[index]!;
          if (closes) {
            one.share.close();
            one.held = 0;
          } else if (bytes % 2 === 0) one.held += one.share.take(bytes);
          else if (one.share.takeWhole(bytes)) one.held += bytes;
          const sum = shares.reduce((all, { held }) => all + held, 0);
          expect(sum).toBeLessThanOrEqual(8 * MIB + 16 * 64 * KIB);
        }
      },
    ),
  );
});
