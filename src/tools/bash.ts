/**
 * The shell of the sandbox, as a tool: one command in a fresh shell, in the folders that code works in.
 *
 * A command that fails is a result like any other. What Curta had to end is an error of the tool: a command that
 * took too long, or wrote more than anybody reads.
 */
import { z } from "zod";

import { runExecution, type ExecutionOptions, type ExecutionOutcome } from "./execution.ts";
import { toModelContent, type OutputPart } from "./execution-output.ts";
import { reject } from "./rejection.ts";
import type { RejectionCode, Tool, ToolContext, ToolEvent } from "./tool.ts";

const Input = z.object({ command: z.string() });
const COMMAND_CHARACTERS_MAX = 1_000_000;

export function createBashTool(options: ExecutionOptions): Tool {
  return {
    definition: {
      name: "bash_code_execution",
      description: describeTool(options.timeoutMs / 1000),
      input_schema: {
        type: "object",
        properties: { command: { type: "string", description: "The command to run." } },
        required: ["command"],
      },
    },
    run: (input, context) => runCommand(input, context, options),
  };
}

async function* runCommand(
  input: Record<string, unknown>,
  context: ToolContext,
  options: ExecutionOptions,
): AsyncGenerator<ToolEvent> {
  const parsed = Input.safeParse(input);
  if (!parsed.success || parsed.data.command.trim() === "") {
    // A client-side tool of the same family has a shell to restart; here every command has a new one.
    if (input.restart === true) {
      const text = "There is nothing to restart: every command runs in a shell of its own.";
      yield* reject("invalid_tool_input", text);
      return;
    }
    const example = 'The input must be an object with the command as a string: {"command": "…"}.';
    yield* reject("invalid_tool_input", example);
    return;
  }
  const { command } = parsed.data;
  if (command.length > COMMAND_CHARACTERS_MAX) {
    const text = `The command is longer than ${COMMAND_CHARACTERS_MAX} characters.`;
    yield* reject("invalid_tool_input", text);
    return;
  }

  const outcome = yield* runExecution({ code: command, language: "bash" }, context, options);
  if (outcome === null) return;
  const { output, end } = outcome;
  const content = toModelContent(
    [...output.parts, ...describeExitCode(output.returnCode)],
    options.resultCharacters,
  );
  const errorCode = toErrorCode(end);
  if (errorCode === null) {
    yield { type: "result", content, isError: output.returnCode !== 0, output };
    return;
  }
  // The model reads what there was all the same.
  yield { type: "rejected", errorCode, message: end.error?.message ?? "" };
  yield { type: "result", content, isError: true, output: null };
}

/** What a shell shows only to those who ask for it. */
export function describeExitCode(code: number): OutputPart[] {
  return code === 0 ? [] : [{ type: "text", text: `[exit code ${code}]`, isError: false }];
}

function toErrorCode(end: ExecutionOutcome["end"]): RejectionCode | null {
  if (end.status === "timeout") return "execution_time_exceeded";
  if (end.error?.name === "OutputTooLarge") return "output_file_too_large";
  return null;
}

function describeTool(seconds: number): string {
  return `Runs a command in bash, in a private sandbox, and gives back what it printed and its exit code.

- Every command has a new shell: only files stay from one to the next. The working folder is /workspace, where files that the user attached lie under their names; $INPUT_DIR is the same folder.
- Files for the user go into the folder named by $OUTPUT_DIR (a new, empty one for each command), directly, not into a folder below it.
- There are coreutils, findutils, grep, sed, gawk, tar, gzip, zip, unzip, file, jq, bc, diff and python3 with pandas, numpy, scipy, scikit-learn, matplotlib, seaborn, sympy, openpyxl, pillow, python-docx, python-pptx, pypdf, pdfplumber and reportlab. For longer programs write a file and run it.
- Charts are to be saved to files; there is no screen.
- Each command may take ${seconds} seconds, and what it leaves running ends with it. There is no network, nothing can be installed, and nobody answers a prompt.`;
}
