/** How a case ends that does not end well, and the words for it. */
import { z } from "zod";

/** The server does something that a client would stumble over. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** Nothing can be said: the server lacks what is needed, or the model did not do as it was asked. */
export class Skip extends Error {
  override readonly name = "Skip";
}

export function check(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new Failure(problem);
}

export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  check(left === right, `${what} is ${shorten(left)}, not ${shorten(right)}`);
}

/** The value, typed, or a failure that names the first field which is wrong. */
export function parse<Value>(schema: z.ZodType<Value>, value: unknown, what: string): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = deepest(parsed.error.issues);
  throw new Failure(`${[what, ...path.map(String)].join(".")}: ${message}`);
}

export function shorten(text: string | undefined, length = 200): string {
  if (text === undefined) return "missing";
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

function deepest(issues: readonly z.core.$ZodIssue[]): { path: PropertyKey[]; message: string } {
  const [first] = issues;
  if (first === undefined) return { path: [], message: "not valid" };
  if (first.code !== "invalid_union" || first.errors.length === 0) return first;
  const inner = first.errors
    .map(deepest)
    .toSorted((left, right) => right.path.length - left.path.length)[0];
  return inner === undefined
    ? first
    : { path: [...first.path, ...inner.path], message: inner.message };
}
