/** Code that keeps its variables from one request to the next and can call the client's tools. */
import { native } from "./native.ts";
import type { CodeExecutionVersion } from "./rendering.ts";

export const codeExecution20260120: CodeExecutionVersion = {
  type: "code_execution_20260120",
  caller: "code_execution_20260120",
  tools: ["code_execution", "bash_code_execution", "text_editor_code_execution"],
  rendering: () => native,
};
