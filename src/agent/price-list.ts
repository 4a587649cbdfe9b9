/**
 * What a message is counted as: the price list, as a pure function of what was measured.
 *
 * The list is the lesson's: code execution costs nothing beside web search; otherwise the executed code
 * counts as input tokens, its results as output tokens, and each image as additional output tokens, one for
 * every so many pixels. `always` counts the same beside web search, `free` never does.
 */
import type { ModelUsage } from "../providers/provider.ts";

export interface PriceList {
  policy: "lesson" | "always" | "free";
  /** Pixels of an image, width times height, that count as one token. */
  imagePixelsPerToken: number;
}

/** Tokens of executions, before it is decided whether they count. */
export interface ExecutionTokens {
  codeTokens: number;
  resultTokens: number;
  imageTokens: number;
}

export interface Billed {
  /** The executions of this message are not counted. */
  isFree: boolean;
  inputTokens: number;
  outputTokens: number;
}

/** The tools that make code execution free under the lesson's list. */
const WEB_TOOLS: ReadonlySet<string> = new Set(["web_search", "web_fetch"]);

export function bill(
  list: PriceList,
  serverTools: readonly string[],
  usage: ModelUsage,
  executions: readonly ExecutionTokens[],
): Billed {
  const hasWebTools = serverTools.some((name) => WEB_TOOLS.has(name));
  const isFree = list.policy === "free" || (list.policy === "lesson" && hasWebTools);
  let { inputTokens, outputTokens } = usage;
  if (!isFree) {
    for (const { codeTokens, resultTokens, imageTokens } of executions) {
      inputTokens += codeTokens;
      outputTokens += resultTokens + imageTokens;
    }
  }
  return { isFree, inputTokens, outputTokens };
}

/** Images whose size cannot be read count as nothing: a guess would be billed. */
export function countImageTokens(
  list: PriceList,
  size: { width: number; height: number } | null,
): number {
  if (size === null) return 0;
  return Math.ceil((size.width * size.height) / list.imagePixelsPerToken);
}
