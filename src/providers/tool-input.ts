/**
 * The JSON text of one tool call, as it streams, made dependable.
 *
 * Consumers are promised pieces that join to one JSON object. Models and their servers promise less: raw
 * line breaks inside strings, an empty `{}` sent ahead of the real input, no input at all, the object
 * wrapped in a string, text that is not JSON, an end in the middle at the token limit. A scanner follows
 * the grammar character by character. Nothing is released until the first key begins; up to there any
 * other form can still be turned into an object. Raw control characters in strings are escaped. An end in
 * the middle can be completed, so that the pieces parse; whoever runs tools must not run such a call.
 */
import { UpstreamError } from "./upstream-error.ts";

export interface ToolInput {
  /** Takes a fragment and gives what may be passed on, often the same. */
  push(fragment: string): string;
  /** Whether the object is whole, or can be made one without guessing. */
  isComplete(): boolean;
  /** The last piece. After it the joined pieces are a JSON object. */
  end(): string;
}

type State = "start" | "key-or-end" | "key" | "colon" | "value-or-end" | "value" | "after" | "done";

const LITERALS = ["true", "false", "null"];
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
/** A number that further characters can make valid. */
const NUMBER_BEGUN = /^-?(?:(0|[1-9]\d*)(\.\d*|(\.\d+)?[eE][+-]?\d*)?)?$/;

export function createToolInput(): ToolInput {
  let state: State = "start";
  let stack = "";
  let inString: "key" | "value" | null = null;
  /** After a backslash: 1; inside `\u`: the number of digits still to come, plus 1. */
  let escape = 0;
  /** A number or literal that has begun. */
  let token = "";
  let keySeen = false;
  /** What came before the first key. */
  let held = "";
  let released = false;
  let raw: string | null = null;

  return { push, isComplete, end };

  function push(fragment: string): string {
    if (raw !== null) {
      raw += fragment;
      return "";
    }
    let out = "";
    for (let index = 0; index < fragment.length; index++) {
      const character = fragment.charAt(index);
      if (state === "done" && !keySeen && character === "{") {
        // An empty object was sent ahead of the real one.
        held = "";
        out = "";
        state = "start";
      }
      const accepted = accept(character);
      if (accepted === null) {
        if (released) throw notJson();
        raw = held + fragment;
        return "";
      }
      out += accepted;
    }
    if (!keySeen) {
      held += out;
      return "";
    }
    released = true;
    out = held + out;
    held = "";
    return out;
  }

  function isComplete(): boolean {
    return raw !== null || state === "done" || state === "start";
  }

  function end(): string {
    if (raw !== null) return objectOf(raw);
    if (!released) return "{}";
    return state === "done" ? "" : completion();
  }

  /** Moves on by one character; what to write for it, or null when it does not fit. */
  function accept(character: string): string | null {
    if (inString !== null) return acceptInString(character);
    if (token !== "") {
      if (/[\w.+-]/.test(character)) {
        token += character;
        return isTokenBegun(token) ? character : null;
      }
      if (!isToken(token)) return null;
      token = "";
      state = "after";
    }
    if (/\s/.test(character)) return character;
    switch (state) {
      case "start":
        return character === "{" ? open("{", "key-or-end") : null;
      case "key-or-end":
        if (character === "}") return close();
        return acceptKey(character);
      case "key":
        return acceptKey(character);
      case "colon":
        if (character !== ":") return null;
        state = "value";
        return character;
      case "value-or-end":
        if (character === "]") return close();
        return acceptValue(character);
      case "value":
        return acceptValue(character);
      case "after":
        if (character === (stack.endsWith("{") ? "}" : "]")) return close();
        if (character !== ",") return null;
        state = stack.endsWith("{") ? "key" : "value";
        return character;
      case "done":
        return ""; // Nothing belongs after the object.
    }
  }

  function acceptKey(character: string): string | null {
    if (character !== '"') return null;
    inString = "key";
    keySeen = true;
    return character;
  }

  function acceptValue(character: string): string | null {
    if (character === "{") return open("{", "key-or-end");
    if (character === "[") return open("[", "value-or-end");
    if (character === '"') {
      inString = "value";
      return character;
    }
    if (!isTokenBegun(character)) return null;
    token = character;
    return character;
  }

  function acceptInString(character: string): string | null {
    if (character < " ") {
      if (escape !== 0) return null;
      return JSON.stringify(character).slice(1, -1);
    }
    if (escape === 1) {
      if (!'"\\/bfnrtu'.includes(character)) return null;
      escape = character === "u" ? 5 : 0;
      return character;
    }
    if (escape > 1) {
      if (!/[\da-fA-F]/.test(character)) return null;
      escape = escape === 2 ? 0 : escape - 1;
      return character;
    }
    if (character === "\\") escape = 1;
    if (character === '"') {
      state = inString === "key" ? "colon" : "after";
      inString = null;
    }
    return character;
  }

  function open(bracket: "{" | "[", next: State): string {
    stack += bracket;
    state = next;
    return bracket;
  }

  function close(): string {
    const bracket = stack.endsWith("{") ? "}" : "]";
    stack = stack.slice(0, -1);
    state = stack === "" ? "done" : "after";
    return bracket;
  }

  function completion(): string {
    let text = "";
    if (inString !== null) {
      text += escape === 1 ? "\\" : "0".repeat(Math.max(0, escape - 1));
      text += '"';
      state = inString === "key" ? "colon" : "after";
    } else if (token !== "") {
      const literal = LITERALS.find((word) => word.startsWith(token));
      if (literal !== undefined) text += literal.slice(token.length);
      else if (/[-+.eE]$/.test(token)) text += "0";
      state = "after";
    }
    if (state === "key") text += '"":null';
    if (state === "colon") text += ":null";
    if (state === "value") text += "null";
    for (const bracket of stack.split("").toReversed()) text += bracket === "{" ? "}" : "]";
    return text;
  }
}

/** A whole input that is no plain JSON object, as an object; unreadable text under a telling name. */
export function objectOf(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "null") return "{}";
  try {
    let value: unknown = JSON.parse(trimmed);
    if (typeof value === "string") value = JSON.parse(value);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return JSON.stringify(value);
  } catch {
    // Not JSON: the model gets its own words back with the tool's complaint, and can correct them.
  }
  return JSON.stringify({ INVALID_JSON: text });
}

export function notJson(): UpstreamError {
  return new UpstreamError("upstream", "The model wrote a tool call whose input is not JSON.");
}

function isToken(token: string): boolean {
  return LITERALS.includes(token) || NUMBER.test(token);
}

function isTokenBegun(token: string): boolean {
  return LITERALS.some((literal) => literal.startsWith(token)) || NUMBER_BEGUN.test(token);
}
