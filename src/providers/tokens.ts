/**
 * Token counts where the model's server has none.
 *
 * The estimate: scripts without spaces between words (Chinese, Japanese, Korean, Thai and their like) and
 * emoji count one token a character, everything else one token per 3.5 characters, which lies on the high
 * side for English (about 4) and near the truth for code. Each message and tool costs 4 more for its
 * frame, an image 1,000 (models charge from 85 to 1,600), a document without text the same.
 */
import type { ModelBlock, ModelRequest } from "./provider.ts";

const CHARACTERS_PER_TOKEN = 3.5;
const FRAME_TOKENS = 4;
const IMAGE_TOKENS = 1_000;

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

export function estimateRequestTokens(request: ModelRequest): number {
  let tokens = 0;
  for (const { text } of request.system) tokens += FRAME_TOKENS + estimateTokens(text);
  for (const message of request.messages) {
    tokens += FRAME_TOKENS;
    for (const block of message.content) tokens += estimateBlock(block);
  }
  for (const tool of request.tools) tokens += FRAME_TOKENS + estimateTokens(JSON.stringify(tool));
  return tokens;
}

function estimateBlock(block: ModelBlock): number {
  switch (block.type) {
    case "text":
      return estimateTokens(block.text);
    case "thinking":
      return estimateTokens(block.thinking);
    case "redacted_thinking":
      return 0;
    case "image":
      return IMAGE_TOKENS;
    case "document":
      return typeof block.source.data === "string" && block.source.type === "text"
        ? estimateTokens(block.source.data)
        : IMAGE_TOKENS;
    case "tool_use":
      return FRAME_TOKENS + estimateTokens(JSON.stringify(block.input));
    case "tool_result": {
      if (typeof block.content === "string") return FRAME_TOKENS + estimateTokens(block.content);
      return block.content.reduce((sum, part) => sum + estimateBlock(part), FRAME_TOKENS);
    }
  }
}
