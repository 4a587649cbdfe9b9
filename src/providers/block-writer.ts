/**
 * Writes the blocks of one sampling as model events, whatever order a server sends its pieces in.
 *
 * It keeps the contract of `ModelEvent`: blocks do not overlap, every start has its end, no text or
 * thinking block is empty, and the input of each tool use joins to a JSON object. Both dialects write
 * through it. A tool use whose input breaks off is held open until the stop reason is known: at the token
 * limit it is completed so that it parses, otherwise the answer is an error, since half a program must not
 * run.
 */
import type { ModelEvent, ModelStopReason } from "./provider.ts";
import { createToolInput, notJson } from "./tool-input.ts";
import type { ToolInput } from "./tool-input.ts";

export interface BlockWriter {
  text(text: string): ModelEvent[];
  thinking(thinking: string): ModelEvent[];
  /** Replaces an earlier one of the same block. */
  signature(signature: string): ModelEvent[];
  redactedThinking(data: string): ModelEvent[];
  toolUse(id: string, name: string): ModelEvent[];
  toolInput(fragment: string): ModelEvent[];
  /** Ends the open block, if there is one. */
  endBlock(): ModelEvent[];
  /** Ends what is open; the stop reason decides about a tool use that is not whole. */
  finish(stopReason: ModelStopReason): ModelEvent[];
  /** Whether a tool use was begun. */
  hasToolUse(): boolean;
  /** Everything written so far as text, for estimates. */
  characters(): string;
}

type OpenBlock =
  | { kind: "text" }
  | { kind: "thinking"; signature: string }
  | { kind: "tool-use"; input: ToolInput; ended: boolean };

export function createBlockWriter(): BlockWriter {
  let open: OpenBlock | null = null;
  let toolUses = 0;
  let written = "";

  return {
    text(text) {
      if (text === "") return [];
      const before: ModelEvent[] =
        open?.kind === "text" ? [] : [...endBlock(), { type: "text-start" }];
      open = { kind: "text" };
      written += text;
      return [...before, { type: "text-delta", text }];
    },
    thinking(thinking) {
      if (thinking === "") return [];
      written += thinking;
      return [...openThinking(), { type: "thinking-delta", thinking }];
    },
    signature(signature) {
      if (signature === "") return [];
      const before = openThinking();
      if (open?.kind === "thinking") open.signature = signature;
      return before;
    },
    redactedThinking(data) {
      return [...endBlock(), { type: "redacted-thinking", data }];
    },
    toolUse(id, name) {
      const before = endBlock();
      open = { kind: "tool-use", input: createToolInput(), ended: false };
      toolUses += 1;
      written += name;
      return [...before, { type: "tool-use-start", id, name }];
    },
    toolInput(fragment) {
      if (open?.kind !== "tool-use" || fragment === "") return [];
      written += fragment;
      const partialJson = open.input.push(fragment);
      return partialJson === "" ? [] : [{ type: "tool-use-delta", partialJson }];
    },
    endBlock,
    finish(stopReason) {
      if (open?.kind !== "tool-use" || open.input.isComplete()) return endBlock();
      if (stopReason === "tool_use" || stopReason === "end_turn") throw notJson();
      const { input } = open;
      open = null;
      return [{ type: "tool-use-delta", partialJson: input.end() }, { type: "block-end" }];
    },
    hasToolUse: () => toolUses > 0,
    characters: () => written,
  };

  function openThinking(): ModelEvent[] {
    if (open?.kind === "thinking") return [];
    const before = endBlock();
    open = { kind: "thinking", signature: "" };
    return [...before, { type: "thinking-start" }];
  }

  function endBlock(): ModelEvent[] {
    const block = open;
    if (block === null) return [];
    if (block.kind === "tool-use" && !block.input.isComplete()) {
      // Asked once, it may be the last block, cut at the token limit; asked again, it was not.
      if (block.ended) throw notJson();
      block.ended = true;
      return [];
    }
    open = null;
    const end: ModelEvent[] = [{ type: "block-end" }];
    if (block.kind === "thinking" && block.signature !== "") {
      end.unshift({ type: "thinking-signature", signature: block.signature });
    }
    if (block.kind === "tool-use") {
      const partialJson = block.input.end();
      if (partialJson !== "") end.unshift({ type: "tool-use-delta", partialJson });
    }
    return end;
  }
}
