/** Ids as users meet them: a prefix that says what it is, and 128 random bits. */
import { randomUUID } from "node:crypto";

export type IdPrefix = "req" | "exec" | "file";

export function newId(prefix: IdPrefix): string {
  return `${prefix}_${randomUUID().replaceAll("-", "")}`;
}
