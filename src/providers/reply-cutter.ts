/**
 * Cuts a model's reply to what follows the beginning it was given, and ends it at a stop sequence.
 *
 * A *continued* reply goes on from the beginning; some servers repeat it or open the fence anew, and then
 * that is dropped. An
 * *asked* one starts by itself, and everything up to and with the line that opens the fence is dropped
 * where the beginning had one. Text is held back only while it may still turn out to be such a part.
 */
export interface ReplyCutter {
  push(text: string): string;
  /** Whether a stop sequence was met; nothing comes out any more. */
  stopped(): boolean;
  /** What was held back. */
  end(): string;
}

/** A fence with a language opens a program; one without closes it. */
const OPENED_ANEW = /^```\w[^\n]*\n/;
const ANEW_BEGUN = /^(`{1,3}|```\w[^\n]*)$/;
const FENCE_LINE = /^[ \t]*```[^\n]*\n/m;

export function createReplyCutter(
  { prefix, stop }: { prefix: string; stop: readonly string[] },
  kind: "continued" | "asked",
): ReplyCutter {
  const stops = stop.filter((sequence) => sequence !== "");
  let head = prefix !== "";
  let held = "";
  let stopped = false;

  return { push, stopped: () => stopped, end };

  function push(text: string): string {
    if (stopped) return "";
    held += text;
    if (head && !cutHead(false)) return "";
    return release(false);
  }

  function end(): string {
    if (stopped) return "";
    if (head) cutHead(true);
    return release(true);
  }

  /** Drops the beginning; false while it cannot be decided yet. */
  function cutHead(atEnd: boolean): boolean {
    if (kind === "asked" && prefix.includes("```")) {
      const fence = FENCE_LINE.exec(held);
      if (fence === null && !atEnd) return false;
      if (fence !== null) held = held.slice(fence.index + fence[0].length);
    } else {
      const start = held.trimStart();
      const wanted = prefix.trimStart();
      const anew = prefix.includes("```") ? OPENED_ANEW.exec(start) : null;
      if (start.startsWith(wanted)) held = start.slice(wanted.length);
      else if (anew !== null) held = start.slice(anew[0].length);
      else if (
        !atEnd &&
        (wanted.startsWith(start) || (prefix.includes("```") && ANEW_BEGUN.test(start)))
      ) {
        return false;
      } else if (start.startsWith(wanted.trimEnd())) held = start.slice(wanted.trimEnd().length);
    }
    head = false;
    return true;
  }

  function release(atEnd: boolean): string {
    let cut = -1;
    for (const sequence of stops) {
      const at = held.indexOf(sequence);
      if (at >= 0 && (cut < 0 || at < cut)) cut = at;
    }
    stopped = cut >= 0;
    const upTo = stopped ? cut : held.length - (atEnd ? 0 : stopBegun());
    const text = held.slice(0, upTo);
    held = held.slice(upTo);
    return text;
  }

  /** How many characters at the end may be the beginning of a stop sequence. */
  function stopBegun(): number {
    let longest = 0;
    for (const sequence of stops) {
      for (let length = sequence.length - 1; length > longest; length--) {
        if (held.endsWith(sequence.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
