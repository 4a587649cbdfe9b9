/**
 * Splits text that begins with `<think>…</think>` into thinking and the rest.
 *
 * Servers without a reasoning parser leave the tags of reasoning models in the text. Only a tag at the
 * very beginning counts; anywhere else it is what the model wants to say.
 */
export interface TextPiece {
  kind: "text" | "thinking";
  text: string;
}

export interface ThinkTagSplitter {
  push(text: string): TextPiece[];
  /** What was held back while it could still have become a tag; blanks alone are dropped. */
  end(): TextPiece[];
}

const OPEN = "<think>";
const CLOSE = "</think>";

export function createThinkTagSplitter(): ThinkTagSplitter {
  let phase: "before" | "thinking" | "gap" | "text" = "before";
  let held = "";

  return {
    push(text) {
      held += text;
      const pieces: TextPiece[] = [];
      if (phase === "before") {
        const begun = held.trimStart();
        if (begun.startsWith(OPEN)) {
          phase = "thinking";
          held = begun.slice(OPEN.length).trimStart();
        } else if (!OPEN.startsWith(begun)) phase = "text";
      }
      if (phase === "thinking") {
        const close = held.indexOf(CLOSE);
        const upTo = close >= 0 ? close : held.length - overlap(held, CLOSE);
        if (upTo > 0) pieces.push({ kind: "thinking", text: held.slice(0, upTo) });
        held = held.slice(close >= 0 ? close + CLOSE.length : upTo);
        if (close >= 0) phase = "gap";
      }
      if (phase === "gap") {
        held = held.trimStart();
        if (held !== "") phase = "text";
      }
      if (phase === "text" && held !== "") {
        pieces.push({ kind: "text", text: held });
        held = "";
      }
      return pieces;
    },
    end() {
      const text = held;
      held = "";
      if (text === "" || (phase === "before" && text.trim() === "")) return [];
      return [{ kind: phase === "thinking" ? "thinking" : "text", text }];
    },
  };
}

/** How many characters at the end of `text` begin `tag`. */
function overlap(text: string, tag: string): number {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length--) {
    if (text.endsWith(tag.slice(0, length))) return length;
  }
  return 0;
}
