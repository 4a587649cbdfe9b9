/**
 * The second dated version: a shell and a text editor instead of Python cells. Its old beta header changes
 * nothing. Clients of its days let code call their tools already; where one does, there are cells as well.
 */
import { native } from "./native.ts";
import type { CodeExecutionVersion } from "./rendering.ts";

export const codeExecution20250825: CodeExecutionVersion = {
  type: "code_execution_20250825",
  caller: "code_execution_20250825",
  tools: ["bash_code_execution", "text_editor_code_execution"],
  rendering: () => native,
};
