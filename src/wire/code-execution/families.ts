/**
 * The blocks of each sub-tool and the error codes that it may have, as the Messages API documents them.
 * docs/reference/tools.md is made from this table, and `native.ts` sends no code that is not in it.
 */
import type { RejectionCode } from "../../tools/tool.ts";

export interface Family {
  /** As the model writes it. */
  input: string;
  /** Type of the result's block. */
  result: string;
  /** Types of the block's `content` when all went well. */
  contents: readonly string[];
  /** Type of the block's `content` when the tool did not run, or not to its end. */
  error: string;
  errors: Readonly<Partial<Record<RejectionCode, string>>>;
}

export type SubTool = "code_execution" | "bash_code_execution" | "text_editor_code_execution";

const COMMON = {
  invalid_tool_input: "The model's input does not fit the tool.",
  unavailable: "The sandbox failed, the container ended, or code no longer waits for its calls.",
  too_many_requests:
    "No container is free, too many calls wait for this one, or the turn's executions are used up.",
} as const;

export const FAMILIES: Readonly<Record<SubTool, Family>> = {
  code_execution: {
    input: '{"code"}',
    result: "code_execution_tool_result",
    contents: ["code_execution_result"],
    error: "code_execution_tool_result_error",
    errors: {
      ...COMMON,
      execution_time_exceeded:
        "The code took longer than `timeoutSeconds`, with `code_execution_20250522`. Later versions have a result: what it printed, a `return_code`, `detection_timeout` in `stderr`.",
    },
  },
  bash_code_execution: {
    input: '{"command"}',
    result: "bash_code_execution_tool_result",
    contents: ["bash_code_execution_result"],
    error: "bash_code_execution_tool_result_error",
    errors: {
      ...COMMON,
      execution_time_exceeded: "The command took longer than `timeoutSeconds`.",
      output_file_too_large: "The command printed more than `outputMb`.",
    },
  },
  text_editor_code_execution: {
    input: '{"command", "path", …}',
    result: "text_editor_code_execution_tool_result",
    contents: [
      "text_editor_code_execution_view_result",
      "text_editor_code_execution_create_result",
      "text_editor_code_execution_str_replace_result",
    ],
    error: "text_editor_code_execution_tool_result_error",
    errors: {
      ...COMMON,
      execution_time_exceeded: "The container did not answer within `timeoutSeconds`.",
      file_not_found: "There is nothing at `path`.",
      string_not_found: "`old_str` does not occur in the file.",
    },
  },
};

export function familyOf(name: string): Family {
  return Object.hasOwn(FAMILIES, name) ? FAMILIES[name as SubTool] : FAMILIES.code_execution;
}
