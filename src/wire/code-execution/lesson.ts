/**
 * The *lesson* rendering: one `code_execution_result` for the printed text and one for each image, in
 * order of appearance; an error is a text block of its own with `is_error`.
 *
 * Every block carries `text` beside `output`: Python's SDK turns a block of unknown type into a text
 * block, and a program that prints `block.text` then prints the result.
 */
import type { OutputPart } from "../../tools/execution-output.ts";
import type { LessonResult } from "../events.ts";
import type { WireLessonResult } from "../schema.ts";
import type { Rendering } from "./rendering.ts";

export const lesson: Rendering = {
  name: "lesson",
  showsFileIds: false,
  startThinking: () => ({ type: "thinking", thinking: "", text: "", signature: "" }),
  toResultBlocks: ({ id }, output) => {
    if (output.kind !== "execution")
      throw new Error(`The lesson has no form for ${output.kind}: its version has no such tool.`);
    return output.parts.map((part) => toBlock(id, part));
  },
  toRejectionBlocks: ({ id }, { message }) => [
    toBlock(id, { type: "text", text: message, isError: true }),
  ],
};

/** A block that a client sent back. */
export function fromLessonBlock(block: WireLessonResult): OutputPart {
  const { output } = block;
  if (output?.type === "image" && output.media_type && isBase64(output.data)) {
    return { type: "image", mediaType: output.media_type, data: output.data };
  }
  return { type: "text", text: output?.text ?? block.text ?? "", isError: block.is_error === true };
}

function toBlock(toolUseId: string, part: OutputPart): LessonResult {
  const type = "code_execution_result";
  if (part.type === "image") {
    const output = { type: "image" as const, media_type: part.mediaType, data: part.data };
    return { type, tool_use_id: toolUseId, output, text: "[Chart generated]", is_error: false };
  }
  const { text, isError } = part;
  return { type, tool_use_id: toolUseId, output: { type: "text", text }, text, is_error: isError };
}

function isBase64(data: string | null | undefined): data is string {
  return !!data && data.length % 4 === 0 && data.search(/[^A-Za-z0-9+/=]/) === -1;
}
