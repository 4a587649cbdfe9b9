/**
 * The *native* rendering: one result block for each use, byte-compatible with the hosted tools. Each sub-tool
 * has a family of blocks of its own. What a notebook would show as values stands in `stdout`; charts and files
 * are ids.
 *
 * Python that takes too long is shown as each version's documents have it: in the first one as an error of the tool,
 * later as a result that holds what was printed and says `detection_timeout`. The model reads the same of both.
 */
import { describeExitCode } from "../../tools/bash.ts";
import type { ExecutionOutput, OutputPart } from "../../tools/execution-output.ts";
import type { TextEditorOutput } from "../../tools/text-editor.ts";
import type { SandboxOutput } from "../../tools/tool.ts";
import type { NativeResult } from "../events.ts";
import type { WireNativeResult } from "../schema.ts";
import { familyOf } from "./families.ts";
import type { Rejection, Rendering, UseReference } from "./rendering.ts";

export const native: Rendering = {
  name: "native",
  showsFileIds: true,
  startThinking: () => ({ type: "thinking", thinking: "", signature: "" }),
  toResultBlocks: (use, output) => [toResultBlock(use, output)],
  toRejectionBlocks: (use, rejection) => [toErrorBlock(use, rejection)],
};

export const firstNative: Rendering = {
  ...native,
  toResultBlocks: (use, output) =>
    output.kind === "execution" && output.tookTooLong
      ? [toErrorBlock(use, { errorCode: "execution_time_exceeded", message: "" })]
      : [toResultBlock(use, output)],
};

function toResultBlock({ id, name }: UseReference, output: SandboxOutput): NativeResult {
  if (output.kind !== "execution") {
    return {
      type: "text_editor_code_execution_tool_result",
      tool_use_id: id,
      content: toEditorResult(output),
    };
  }
  if (name === "bash_code_execution") {
    return {
      type: "bash_code_execution_tool_result",
      tool_use_id: id,
      content: {
        type: "bash_code_execution_result",
        ...toStreams(output),
        content: output.fileIds.map((file_id) => ({ type: "bash_code_execution_output", file_id })),
      },
    };
  }
  return {
    type: "code_execution_tool_result",
    tool_use_id: id,
    content: {
      type: "code_execution_result",
      ...toStreams(output),
      ...(output.tookTooLong && { stderr: `${output.stderr}${DETECTED}` }),
      content: output.fileIds.map((file_id) => ({ type: "code_execution_output", file_id })),
    },
  };
}

const DETECTED = "detection_timeout\n";

function toStreams({ stdout, stderr, returnCode }: ExecutionOutput) {
  return { stdout, stderr, return_code: returnCode };
}

function toEditorResult(output: TextEditorOutput) {
  switch (output.kind) {
    case "view":
      return {
        type: "text_editor_code_execution_view_result" as const,
        file_type: output.fileType,
        content: output.content,
        num_lines: output.lineCount,
        start_line: output.startLine,
        total_lines: output.totalLines,
      };
    case "create":
      return {
        type: "text_editor_code_execution_create_result" as const,
        is_file_update: output.isFileUpdate,
      };
    case "str_replace": {
      const { oldStart, oldLines, newStart, newLines, lines } = output.hunk;
      return {
        type: "text_editor_code_execution_str_replace_result" as const,
        old_start: oldStart,
        old_lines: oldLines,
        new_start: newStart,
        new_lines: newLines,
        lines,
      };
    }
  }
}

/** Only the editor's errors have words; those of the others are read by the model alone. */
function toErrorBlock({ id, name }: UseReference, rejection: Rejection): NativeResult {
  const { message } = rejection;
  const errorCode =
    rejection.errorCode in familyOf(name).errors ? rejection.errorCode : "unavailable";
  switch (name) {
    case "bash_code_execution":
      return {
        type: "bash_code_execution_tool_result",
        tool_use_id: id,
        content: { type: "bash_code_execution_tool_result_error", error_code: errorCode },
      };
    case "text_editor_code_execution":
      return {
        type: "text_editor_code_execution_tool_result",
        tool_use_id: id,
        content: {
          type: "text_editor_code_execution_tool_result_error",
          error_code: errorCode,
          error_message: message,
        },
      };
    default:
      return {
        type: "code_execution_tool_result",
        tool_use_id: id,
        content: { type: "code_execution_tool_result_error", error_code: errorCode },
      };
  }
}

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
      ...(block.type === "bash_code_execution_tool_result" && failed
        ? describeExitCode(Number(fields.return_code))
        : []),
    ].filter((part) => part.type !== "text" || part.text !== "");
    const ids = Array.isArray(fields.content) ? fields.content.flatMap(fileIdOf) : [];
    if (ids.length === 0) return parts;
    return [
      ...parts,
      { type: "text", text: `[files for the user: ${ids.join(", ")}]`, isError: false },
    ];
  }
  if ("is_file_update" in fields)
    return [
      sayOf(fields.is_file_update === true ? "The file was written anew." : "The file was made."),
    ];
  if (Array.isArray(fields.lines))
    return [
      sayOf(
        `The file was changed, from line ${String(fields.new_start)} on:\n${fields.lines.join("\n")}`,
      ),
    ];
  if (fields.file_type === "image" || fields.file_type === "pdf")
    return [sayOf(`[${fields.file_type} shown]`)];
  const words =
    typeof fields.content === "string" ? fields.content : JSON.stringify(block.content ?? null);
  return [{ type: "text", text: words, isError: false }];
}

function sayOf(text: string): OutputPart {
  return { type: "text", text, isError: false };
}

function asText(value: unknown): string {
  return typeof value === "string" ? value.replace(/\s+$/, "") : "";
}

function fileIdOf(entry: unknown): string[] {
  const id =
    typeof entry === "object" && entry !== null && "file_id" in entry ? entry.file_id : null;
  return typeof id === "string" ? [id] : [];
}
