/**
 * The first dated version: Python only, one tool. The hosted API wants a beta header for it; a client that
 * sends none learned the tool from the lesson, and gets the lesson's blocks.
 */
import { lesson } from "./lesson.ts";
import { firstNative } from "./native.ts";
import type { CodeExecutionVersion } from "./rendering.ts";

export const codeExecution20250522: CodeExecutionVersion = {
  type: "code_execution_20250522",
  caller: null,
  tools: ["code_execution"],
  rendering: (betas) => (betas.has("code-execution-2025-05-22") ? firstNative : lesson),
};
