/**
 * Token counts where the model's server has none.
 *
 * `countRequestTokens` asks a real tokenizer, that of recent OpenAI models; others differ from it by some
 * tenths either way. Its time grows with the square of a text without spaces, so texts are cut into short
 * pieces, before a space where there is one, and other work goes on in between. A text longer than the
 * bound is counted at its beginning, and the rest in proportion.
 *
 * The estimate costs nothing and serves where a count must be there at once: scripts without spaces between
 * words (Chinese, Japanese, Korean, Thai and their like) and emoji count one token a character, everything
 * else one token per 3.5 characters, which lies on the high side for English (about 4) and near the truth
 * for code.
 *
 * In both, each message and tool costs 4 more for its frame, an image 1,000 (models charge from 85 to
 * 1,600), a document without text the same.
 */
import { setImmediate as otherWork } from "node:timers/promises";

import type { ModelBlock, ModelRequest } from "./provider.ts";

const CHARACTERS_PER_TOKEN = 3.5;
const FRAME_TOKENS = 4;
const IMAGE_TOKENS = 1_000;

/** What is counted of a request; a quarter of a million characters are some 60,000 words' tokens. */
const COUNTED_CHARACTERS_MAX = 256 * 1024;
/** The slowest piece of this length takes two milliseconds. */
const PIECE_CHARACTERS = 512;
const SLICE_MS = 10;

/** A code point that is about one token by itself. */
const DENSE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Extended_Pictographic}]/gu;

export function estimateTokens(text: string): number {
  let dense = 0;
  let denseUnits = 0;
  for (const [character] of text.matchAll(DENSE)) {
    dense += 1;
    denseUnits += character.length;
  }
  return dense + Math.ceil((text.length - denseUnits) / CHARACTERS_PER_TOKEN);
}

/** Tokens of the request by a real tokenizer, see above. An aborted signal ends the counting. */
export async function countRequestTokens(
  request: ModelRequest,
  signal: AbortSignal,
): Promise<number> {
  const { texts, tokens } = partsOf(request);
  // Imported here, because its tables take a quarter of a second and some 50 MB.
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base");
  let left = COUNTED_CHARACTERS_MAX;
  let counted = 0;
  let sample = 0;
  let sliceEnd = performance.now() + SLICE_MS;
  for (const text of texts) {
    const known = text.slice(0, left);
    left -= known.length;
    sample += estimateTokens(known);
    for (const piece of piecesOf(known)) {
      counted += countTokens(piece, { disallowedSpecial: new Set() });
      if (performance.now() < sliceEnd) continue;
      await otherWork(undefined, { signal });
      sliceEnd = performance.now() + SLICE_MS;
    }
  }
  if (left > 0) return tokens + counted;
  const all = texts.reduce((sum, text) => sum + estimateTokens(text), 0);
  return tokens + Math.round((all * counted) / Math.max(1, sample));
}

/** Cut before a space where there is one, since a word's token begins with it. */
function* piecesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    let end = at + PIECE_CHARACTERS;
    if (end < text.length) {
      const space = text.lastIndexOf(" ", end);
      if (space > at) end = space;
    }
    yield text.slice(at, end);
    at = end;
  }
}

export function estimateRequestTokens(request: ModelRequest): number {
  const { texts, tokens } = partsOf(request);
  return texts.reduce((sum, text) => sum + estimateTokens(text), tokens);
}

interface Parts {
  texts: string[];
  /** Of what is not text. */
  tokens: number;
}

function partsOf(request: ModelRequest): Parts {
  const parts: Parts = { texts: [], tokens: 0 };
  for (const { text } of request.system) addText(parts, text);
  for (const message of request.messages) {
    parts.tokens += FRAME_TOKENS;
    for (const block of message.content) addBlock(parts, block);
  }
  for (const tool of request.tools) addText(parts, JSON.stringify(tool));
  return parts;
}

function addText(parts: Parts, text: string): void {
  parts.tokens += FRAME_TOKENS;
  parts.texts.push(text);
}

function addBlock(parts: Parts, block: ModelBlock): void {
  switch (block.type) {
    case "text":
      parts.texts.push(block.text);
      return;
    case "thinking":
      parts.texts.push(block.thinking);
      return;
    case "redacted_thinking":
      return;
    case "image":
      parts.tokens += IMAGE_TOKENS;
      return;
    case "document":
      if (typeof block.source.data === "string" && block.source.type === "text")
        parts.texts.push(block.source.data);
      else parts.tokens += IMAGE_TOKENS;
      return;
    case "tool_use":
      addText(parts, JSON.stringify(block.input));
      return;
    case "tool_result":
      if (typeof block.content === "string") {
        addText(parts, block.content);
        return;
      }
      parts.tokens += FRAME_TOKENS;
      for (const part of block.content) addBlock(parts, part);
  }
}
