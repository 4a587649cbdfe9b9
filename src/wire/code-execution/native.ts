/**
 * The *native* rendering: one `code_execution_tool_result` for each use, byte-compatible with the hosted
 * tool. What a notebook would show as values stands in `stdout`; charts and files are ids.
 */
import type { ExecutionOutput, OutputPart } from "../../tools/execution-output.ts";
import type { NativeResult } from "../events.ts";
import type { WireNativeResult } from "../schema.ts";
import type { Rejection, Rendering } from "./rendering.ts";

export const native: Rendering = {
  name: "native",
  showsFileIds: true,
  startThinking: () => ({ type: "thinking", thinking: "", signature: "" }),
  toResultBlocks: (toolUseId, output) => [toBlock(toolUseId, toResult(output))],
  toRejectionBlocks: (toolUseId, rejection) => [toBlock(toolUseId, toError(rejection))],
};

/** A result of any hosted tool that a client sent back, in words for the model. */
export function fromNativeBlock(block: WireNativeResult): OutputPart[] {
  const content = (typeof block.content === "object" ? block.content : null) ?? {};
  const fields = content as Record<string, unknown>;
  const stdout = asText(fields.stdout);
  const stderr = asText(fields.stderr);
  if (typeof fields.error_code === "string") {
    return [
      {
        type: "text",
        text: `The tool failed: ${fields.error_code} ${asText(fields.error_message)}`.trim(),
        isError: true,
      },
    ];
  }
  if ("stdout" in fields || "stderr" in fields || "encrypted_stdout" in fields) {
    const failed = typeof fields.return_code === "number" && fields.return_code !== 0;
    const parts = [
      { type: "text" as const, text: stdout, isError: false },
      { type: "text" as const, text: stderr, isError: failed },
    ].filter((part) => part.text !== "");
    const ids = Array.isArray(fields.content) ? fields.content.flatMap(fileIdOf) : [];
    if (ids.length === 0) return parts;
    return [
      ...parts,
      { type: "text", text: `[files for the user: ${ids.join(", ")}]`, isError: false },
    ];
  }
  const words =
    typeof fields.content === "string" ? fields.content : JSON.stringify(block.content ?? null);
  return [{ type: "text", text: words, isError: false }];
}

function toResult(output: ExecutionOutput): NativeResult["content"] {
  return {
    type: "code_execution_result",
    stdout: output.stdout,
    stderr: output.stderr,
    return_code: output.returnCode,
    content: output.fileIds.map((id) => ({ type: "code_execution_output", file_id: id })),
  };
}

function toError({ errorCode }: Rejection): NativeResult["content"] {
  return { type: "code_execution_tool_result_error", error_code: errorCode };
}

function toBlock(toolUseId: string, content: NativeResult["content"]): NativeResult {
  return { type: "code_execution_tool_result", tool_use_id: toolUseId, content };
}

function asText(value: unknown): string {
  return typeof value === "string" ? value.replace(/\s+$/, "") : "";
}

function fileIdOf(entry: unknown): string[] {
  const id =
    typeof entry === "object" && entry !== null && "file_id" in entry ? entry.file_id : null;
  return typeof id === "string" ? [id] : [];
}
