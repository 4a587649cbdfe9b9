/**
 * From an unknown value to a typed one, or to the sentence that the Messages API would answer:
 * `max_tokens: Field required`, `messages.0.role: Input should be 'user', 'assistant' or 'system'`.
 */
import { z } from "zod";

import { GatewayError } from "../errors.ts";

type Issue = z.core.$ZodIssue;

/** Deeper JSON is nobody's request, and would overflow the stack of whoever walks it. */
export const DEPTH_MAX = 100;

/** Lists and objects; a conversation of thousands of messages has some tens of thousands. */
export const NODES_MAX = 500_000;

const KINDS: Record<string, string> = {
  string: "string",
  number: "number",
  int: "integer",
  boolean: "boolean",
  array: "list",
  object: "dictionary",
  record: "dictionary",
};

export function validate<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  checkSize(value);
  const parsed = schema.safeParse(value, { error: describe });
  if (parsed.success) return parsed.data;
  const { path, message } = deepest(parsed.error.issues);
  throw new GatewayError(
    "invalid_request",
    path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`,
  );
}

function checkSize(value: unknown): void {
  let level = [value];
  let nodes = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) {
      throw new GatewayError(
        "invalid_request",
        `The request is nested more than ${DEPTH_MAX} levels deep.`,
      );
    }
    const next: unknown[] = [];
    for (const item of level) {
      for (const child of Array.isArray(item) ? item : Object.values(item ?? {})) {
        if (typeof child !== "object" || child === null) continue;
        if (++nodes > NODES_MAX) {
          throw new GatewayError(
            "invalid_request",
            `The request has more than ${NODES_MAX} lists and objects.`,
          );
        }
        next.push(child);
      }
    }
    level = next;
  }
}

function describe(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined) return "Field required";
      return `Input should be a valid ${KINDS[issue.expected] ?? issue.expected}`;
    case "too_small":
      return size(
        issue.origin,
        `greater than or equal to ${issue.minimum}`,
        `at least ${issue.minimum}`,
      );
    case "too_big":
      return size(
        issue.origin,
        `less than or equal to ${issue.maximum}`,
        `at most ${issue.maximum}`,
      );
    case "invalid_value":
      return `Input should be ${listed(issue.values.map((value) => `'${String(value)}'`))}`;
    case "invalid_union":
      return describeUnion(issue);
    default:
      return issue.message ?? "Input is not valid";
  }
}

function size(origin: string, asNumber: string, asCount: string): string {
  if (origin === "array") return `List should have ${asCount} items`;
  if (origin === "string") return `String should have ${asCount} characters`;
  return `Input should be ${asNumber}`;
}

function describeUnion(issue: z.core.$ZodRawIssue): string {
  const { discriminator, input, options } = issue as unknown as {
    discriminator?: string;
    input?: unknown;
    options?: unknown[];
  };
  if (discriminator === undefined || typeof input !== "object" || input === null) {
    return "Input is of none of the allowed types";
  }
  const tag = (input as Record<string, unknown>)[discriminator];
  if (tag === undefined) return "Field required";
  const known =
    options === undefined ? "" : `: ${options.map((option) => `'${String(option)}'`).join(", ")}`;
  return `Input tag ${JSON.stringify(tag)} found using '${discriminator}' does not match any of the expected tags${known}`;
}

/** The problem to name: of a union's branches, the one that got furthest into the value, or had the right type. */
function deepest(issues: readonly Issue[]): { path: PropertyKey[]; message: string } {
  const [first] = issues;
  if (first === undefined) return { path: [], message: "Input is not valid" };
  if (first.code !== "invalid_union" || first.errors.length === 0) return first;
  const inner = first.errors
    .map(deepest)
    .toSorted((left, right) => right.path.length - left.path.length || rank(left) - rank(right))[0];
  if (inner === undefined) return first;
  return { path: [...first.path, ...inner.path], message: inner.message };
}

function rank({ message }: { message: string }): number {
  return message.startsWith("Input should be a valid") ? 1 : 0;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
