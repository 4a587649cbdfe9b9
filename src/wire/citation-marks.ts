/**
 * Finds the marks that a model sets behind what it took from a source, `[2]` or `[1, 3]`, in text that
 * arrives in pieces.
 *
 * Text is given out sentence by sentence: a sentence with marks of known sources goes without them, with
 * their numbers; everything else goes as it is, character by character. Code keeps its brackets, and so do
 * links and numbers that are no source's. Held back is never more than a long sentence.
 */
export interface CitedText {
  text: string;
  /** Numbers of its sources, in order, each once; none for plain text. */
  sources: number[];
}

export interface CitationMarks {
  push(text: string): CitedText[];
  /** The rest, when the block ends. */
  flush(): CitedText[];
}

/** A longer sentence goes out in parts. */
const HELD_MAX = 4000;

const MARK = /[ \t]*\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\](?![(:\d])/g;
/** A sentence: up to a line's end, or to the punctuation and the marks behind it, with blanks to follow. */
const SENTENCE =
  /^[\s\S]*?(?:\n|(?:[.!?…][)"'”’»*_]*|[。！？؟])(?:[ \t]*\[\d[\d, ]*\])*(?:[.](?=\s))?(?=\s)|[。！？؟](?:[ \t]*\[\d[\d, ]*\])*(?=[^\s[]))/u;
/** What may still become a mark behind a sentence. */
const UNDECIDED = /^[ \t]*(?:\[[\d, ]*\]?)?$/;

export function createCitationMarks(isSource: (number: number) => boolean): CitationMarks {
  let held = "";
  let isFenced = false;

  function take(isEnd: boolean): CitedText[] {
    const pieces: CitedText[] = [];
    for (;;) {
      const sentence = SENTENCE.exec(held)?.[0] ?? null;
      if (sentence === null) break;
      const rest = held.slice(sentence.length);
      if (!isEnd && !sentence.endsWith("\n") && UNDECIDED.test(rest)) break;
      held = rest;
      pieces.push(toPiece(sentence));
    }
    if (isEnd || held.length > HELD_MAX) {
      if (held !== "") pieces.push(toPiece(held));
      held = "";
    }
    return pieces;
  }

  function toPiece(sentence: string): CitedText {
    const wasFenced = isFenced;
    if (/^\s*(```|~~~)/.test(sentence)) isFenced = !isFenced;
    if (wasFenced || isFenced) return { text: sentence, sources: [] };
    const sources = new Set<number>();
    const text = sentence.replaceAll(MARK, (mark: string, list: string, offset: number) => {
      const numbers = list.split(",").map(Number);
      if (!numbers.every(isSource) || isInCode(sentence, offset)) return mark;
      for (const number of numbers) sources.add(number);
      return "";
    });
    // Marks alone have nothing to be the source of.
    return text.trim() === "" ? { text: sentence, sources: [] } : { text, sources: [...sources] };
  }

  return {
    push(text) {
      held += text;
      return take(false);
    },
    flush: () => take(true),
  };
}

function isInCode(text: string, offset: number): boolean {
  return (text.slice(0, offset).split("`").length - 1) % 2 === 1;
}
