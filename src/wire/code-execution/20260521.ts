/** As 20260120: the model's description of the tool names the time limit in every version here. */
import { codeExecution20260120 } from "./20260120.ts";
import type { CodeExecutionVersion } from "./rendering.ts";

export const codeExecution20260521: CodeExecutionVersion = {
  ...codeExecution20260120,
  type: "code_execution_20260521",
};
