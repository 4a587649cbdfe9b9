/** The second dated version: a shell and a text editor instead of Python cells. Its old beta header changes nothing. */
import { native } from "./native.ts";
import type { CodeExecutionVersion } from "./rendering.ts";

export const codeExecution20250825: CodeExecutionVersion = {
  type: "code_execution_20250825",
  caller: null,
  tools: ["bash_code_execution", "text_editor_code_execution"],
  rendering: () => native,
};
