/**
 * Closes JSON text that ended too early.
 *
 * A model that reaches `max_tokens` while it writes the input of a tool leaves half an object. Clients
 * parse that input when the block ends, and some fail the whole stream when it is not JSON.
 */

/** What to append so that `text` parses to an object; null when nothing helps. */
export function completeJson(text: string): string | null {
  const { closers, isString, brokenEscape } = scan(text);
  const escape =
    brokenEscape === "" ? "" : brokenEscape === "\\" ? "\\" : "0".repeat(6 - brokenEscape.length);
  const string = isString ? `${escape}"` : "";
  for (const value of ["", ":null", "null", '"":null', "0", ...restsOfLiteral(text)]) {
    const suffix = string + value + closers;
    if (parseJsonObject(text + suffix) !== null) return suffix;
  }
  return null;
}

export function parseJsonObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    // Not being JSON is the answer here, not a failure.
    return null;
  }
}

function scan(text: string): { closers: string; isString: boolean; brokenEscape: string } {
  const closers: string[] = [];
  let isString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (isString && character === "\\") {
      const length = text[at + 1] === "u" ? 6 : 2;
      if (at + length > text.length) {
        return { closers: closers.toReversed().join(""), isString, brokenEscape: text.slice(at) };
      }
      at += length - 1;
    } else if (character === '"') {
      isString = !isString;
    } else if (!isString && character === "{") {
      closers.push("}");
    } else if (!isString && character === "[") {
      closers.push("]");
    } else if (!isString && (character === "}" || character === "]")) {
      closers.pop();
    }
  }
  return { closers: closers.toReversed().join(""), isString, brokenEscape: "" };
}

function restsOfLiteral(text: string): string[] {
  const start = /[a-z]+$/.exec(text.slice(-5))?.[0] ?? "";
  if (start === "") return [];
  return ["true", "false", "null"]
    .filter((word) => word.startsWith(start))
    .map((word) => word.slice(start.length));
}
