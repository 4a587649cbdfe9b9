/**
 * The tool that runs Python in the turn's container.
 *
 * The engine's events go out as they come and are folded beside it into what the client and the model are
 * shown. A container that cannot be had, or that is gone, is a rejection that the model can read, because
 * by then the answer has begun; only the end of the request's own signal is thrown.
 */
import { z } from "zod";

import { describeFunctions, toCodeFunctions } from "./code-functions.ts";
import { runExecution, type ExecutionOptions } from "./execution.ts";
import { toModelContent } from "./execution-output.ts";
import { reject } from "./rejection.ts";
import type { ModelTool } from "../providers/provider.ts";
import { WEB_OUTPUT_NOTE } from "../search/sources.ts";
import type { Tool, ToolContext, ToolEvent } from "./tool.ts";

export interface CodeExecutionOptions extends ExecutionOptions {
  /** Tools that the code can call, the client's and Curta's own. */
  functions?: readonly ModelTool[];
}

const CODE_CHARACTERS_MAX = 1_000_000;

const Input = z.object({ code: z.string() });

export function createCodeExecutionTool(options: CodeExecutionOptions): Tool {
  return {
    definition: {
      name: "code_execution",
      description: [
        describeTool(options.timeoutMs / 1000),
        ...describeFunctions(options.functions ?? []),
      ].join("\n\n"),
      input_schema: {
        type: "object",
        properties: { code: { type: "string", description: "The Python code to run." } },
        required: ["code"],
        additionalProperties: false,
      },
    },
    run: (input, context) => runCode(input, context, options),
  };
}

async function* runCode(
  input: Record<string, unknown>,
  context: ToolContext,
  options: CodeExecutionOptions,
): AsyncGenerator<ToolEvent> {
  const parsed = Input.safeParse(input);
  if (!parsed.success || parsed.data.code.trim() === "") {
    yield* reject(
      "invalid_tool_input",
      'The input must be an object with the Python code as a string: {"code": "…"}.',
    );
    return;
  }
  const { code } = parsed.data;
  if (code.length > CODE_CHARACTERS_MAX) {
    yield* reject(
      "invalid_tool_input",
      `The code is longer than ${CODE_CHARACTERS_MAX} characters.`,
    );
    return;
  }

  const functions = options.functions?.length ? toCodeFunctions(options.functions) : undefined;
  const request = { code, language: "python" as const, functions };
  const outcome = yield* runExecution(request, context, options);
  if (outcome === null) return;
  const { output, called } = outcome;
  const content = toModelContent(output.parts, options.resultCharacters);
  const readsWeb = called.has("web_search") || called.has("web_fetch");
  yield {
    type: "result",
    content: readsWeb ? [{ type: "text", text: WEB_OUTPUT_NOTE }, ...content] : content,
    isError: output.parts.some((part) => part.type === "text" && part.isError),
    output,
  };
}

function describeTool(seconds: number): string {
  return `Runs Python code in a private sandbox and gives back what it printed, the value of its last expression, its charts, or its traceback.

- Variables, imports and files stay from one call to the next, as in a notebook. Top-level await works.
- The working directory is /workspace. Files that the user attached lie there under their names; $INPUT_DIR is the same folder.
- Files for the user go into the folder named by $OUTPUT_DIR (a new, empty one for each call).
- Charts made with matplotlib or seaborn are shown to the user by themselves, open figures at the end of the call included; there is no need to save them.
- Installed: pandas, numpy, scipy, scikit-learn, scikit-image, statsmodels, matplotlib, seaborn, sympy, mpmath, pyarrow, openpyxl, xlsxwriter, xlrd, pillow, python-pptx, python-docx, pypdf, pdfplumber, pypdfium2, reportlab, tqdm, joblib and the standard library. Nothing else can be installed.
- Each call may take ${seconds} seconds. There is no network, no keyboard input and no other program to start.
- Print what you need to know, and use the printed numbers in your answer.`;
}
