/** Ids as the Messages API makes them: a prefix, a version, and 22 letters and digits. */
import { randomBytes } from "node:crypto";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

const LETTERS = 22;
/** A draw of random bytes costs as much as reading a small request, so each one is for many ids. */
const IDS_PER_DRAW = 64;

let drawn: Uint8Array = new Uint8Array(0);
let used = 0;

export function newId(prefix: string): string {
  if (used === drawn.length) {
    drawn = randomBytes(LETTERS * IDS_PER_DRAW);
    used = 0;
  }
  // 58 letters from a byte are not quite even, which costs nothing at 22 of them.
  let letters = "";
  for (const end = used + LETTERS; used < end; used += 1)
    letters += ALPHABET[drawn[used]! % ALPHABET.length];
  return `${prefix}_01${letters}`;
}
