/** Tools outside as functions of the code: for the sandbox, and in words for the model. */
import type { ModelTool } from "../providers/provider.ts";
import type { CodeFunction } from "../sandbox/sandbox.ts";

const DOC_CHARACTERS_MAX = 10_000;

const KEYWORDS = new Set(
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield".split(
    " ",
  ),
);

/** What Python calls the tool: its name, where that is an identifier. */
export function toFunctionName(name: string): string {
  const identifier = name.replaceAll(/[^A-Za-z0-9_]/g, "_");
  // Python's own names begin with two underscores, and a lone one is the last value.
  if (identifier.startsWith("__") || !/[A-Za-z]/.test(identifier)) return `tool_${identifier}`;
  return /^\d/.test(identifier) || KEYWORDS.has(identifier) ? `_${identifier}` : identifier;
}

export function toCodeFunctions(tools: readonly ModelTool[]): CodeFunction[] {
  return tools.map((tool) => ({
    name: tool.name,
    functionName: toFunctionName(tool.name),
    doc: `${tool.description}\n\nInput: ${JSON.stringify(tool.input_schema)}`.slice(
      0,
      DOC_CHARACTERS_MAX,
    ),
    parameters: Object.keys((tool.input_schema.properties as object | undefined) ?? {}),
  }));
}

export function describeFunctions(tools: readonly ModelTool[]): string[] {
  if (tools.length === 0) return [];
  const [first] = tools;
  const example = toFunctionName(first?.name ?? "");
  return [
    `The code can call these async functions. Each takes one dict that fits its input schema and gives a string, the tool's answer; parse it where it is JSON. Await every call: result = await ${example}({…}). Use asyncio.gather for calls that do not depend on each other. A call that fails raises an exception. What a function returns is not shown to you: print what you need of it, no more.`,
    ...tools.map(
      (tool) =>
        `async def ${toFunctionName(tool.name)}(input: dict) -> str\n${tool.description}\nInput schema: ${JSON.stringify(tool.input_schema)}`,
    ),
  ];
}
