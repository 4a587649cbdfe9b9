/** Ids as the Messages API makes them: a prefix, a version, and 22 letters and digits. */
import { randomBytes } from "node:crypto";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

export function newId(prefix: string): string {
  // 58 letters from a byte are not quite even, which costs nothing at 22 of them.
  let letters = "";
  for (const byte of randomBytes(22)) letters += ALPHABET[byte % ALPHABET.length];
  return `${prefix}_01${letters}`;
}
