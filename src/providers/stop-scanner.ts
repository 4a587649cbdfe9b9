/**
 * Finds stop sequences in a text that arrives in pieces, and lets out only what is certainly before one.
 */
export interface StopScanner {
  /** The part of the text that can go out now, and the stop sequence when one was met. */
  push(piece: string): { text: string; stop: string | null };
  /** What was held back because it could have become a stop sequence. */
  flush(): string;
}

export function createStopScanner(stops: readonly string[]): StopScanner {
  const wanted = stops.filter((stop) => stop !== "");
  let held = "";

  function push(piece: string): { text: string; stop: string | null } {
    held += piece;
    const found = firstStop(held, wanted);
    if (found !== null) {
      const text = held.slice(0, found.index);
      held = "";
      return { text, stop: found.stop };
    }
    const keep = lengthOfPossibleStart(held, wanted);
    const text = held.slice(0, held.length - keep);
    held = held.slice(held.length - keep);
    return { text, stop: null };
  }

  function flush(): string {
    const text = held;
    held = "";
    return text;
  }

  return { push, flush };
}

function firstStop(text: string, stops: readonly string[]): { index: number; stop: string } | null {
  let first: { index: number; stop: string } | null = null;
  for (const stop of stops) {
    const index = text.indexOf(stop);
    if (index >= 0 && (first === null || index < first.index)) first = { index, stop };
  }
  return first;
}

/** Length of the longest end of the text that is the beginning of a stop sequence. */
function lengthOfPossibleStart(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
      if (stop.startsWith(text.slice(text.length - length))) longest = length;
    }
  }
  return longest;
}
