/**
 * The request's `tools`: which of them Curta runs, which the client runs, and a clear word about the rest.
 * A tool that is not there is refused, never dropped, because the model would answer without it.
 */
import { GatewayError } from "../errors.ts";
import type { ModelTool } from "../providers/provider.ts";
import { cacheControl } from "./cache-control.ts";
import { describeClientTool } from "./client-tools.ts";
import { codeExecution20250522 } from "./code-execution/20250522.ts";
import { codeExecution20250825 } from "./code-execution/20250825.ts";
import { codeExecution20260120 } from "./code-execution/20260120.ts";
import { codeExecution20260521 } from "./code-execution/20260521.ts";
import { native } from "./code-execution/native.ts";
import type { CodeExecutionVersion, Rendering } from "./code-execution/rendering.ts";
import type { CallerType } from "./events.ts";
import {
  readAllowedCallers,
  refuseBesideCodeTools,
  refuseChoiceOf,
} from "./programmatic-calling.ts";
import type { RequestBody, WireTool } from "./schema.ts";
import { addWebTool, refuseOldCodeExecution, webToolsOf, type WebTools } from "./web-tools.ts";

/** Every version of the tool that is here. */
export const VERSIONS: readonly CodeExecutionVersion[] = [
  codeExecution20250522,
  codeExecution20250825,
  codeExecution20260120,
  codeExecution20260521,
];

/** Tools of the Messages API that are known and not here. */
const ABSENT =
  /^((computer|browser|computer_toolset|browser_toolset|tool_search_tool\w*|advisor)_\d{8}|mcp_toolset)$/;

export interface DeclaredTools {
  /** Run by the client when the model uses them. */
  clientTools: ModelTool[];
  /** Run by the client when code calls them; the model may use those that are client tools, too. */
  codeTools: ModelTool[];
  /** How code that calls tools is named; null where no code can. */
  caller: CallerType | null;
  /** Run by Curta. */
  serverTools: string[];
  /** Those of them that code may call. */
  serverFunctions: string[];
  /** Those of them that only code is meant to call. */
  onlyFunctions: string[];
  serverToolMark: { cache_control?: object };
  rendering: Rendering;
  web: WebTools;
}

export function parseTools(
  tools: readonly WireTool[],
  betas: ReadonlySet<string>,
  choice?: RequestBody["tool_choice"],
): DeclaredTools {
  const declared: DeclaredTools = {
    clientTools: [],
    codeTools: [],
    caller: null,
    serverTools: [],
    serverFunctions: [],
    onlyFunctions: [],
    serverToolMark: {},
    rendering: native,
    web: { search: null, fetch: null, bringsCode: false },
  };
  const onlyForCode = new Set<string>();
  const names = new Set<string>();
  const allNames = new Set(tools.map(({ name }) => name));
  for (const [index, tool] of tools.entries()) {
    if (names.has(tool.name))
      throw new GatewayError("invalid_request", "tools: Tool names must be unique.");
    names.add(tool.name);
    const path = `tools.${index}`;
    const clientTool = toClientTool(tool, path);
    if (clientTool !== null) {
      const callers = readAllowedCallers(tool, path);
      if (callers.model) declared.clientTools.push(clientTool);
      else onlyForCode.add(tool.name);
      if (callers.code) declared.codeTools.push(clientTool);
      continue;
    }
    const webTool = addWebTool(tool, path, declared.web, allNames);
    if (webTool !== null) {
      declared.serverTools.push(webTool);
      Object.assign(declared.serverToolMark, cacheControl(tool));
      continue;
    }
    const version = findVersion(tool.type ?? "", path);
    if (tool.name !== "code_execution") {
      throw new GatewayError("invalid_request", `${path}.name: Input should be 'code_execution'`);
    }
    declared.serverTools.push(...version.tools);
    declared.rendering = version.rendering(betas);
    declared.caller = version.caller;
    Object.assign(declared.serverToolMark, cacheControl(tool));
  }
  refuseOldCodeExecution(tools, declared.web);
  if (declared.web.bringsCode && !tools.some(({ type }) => type?.startsWith("code_execution_"))) {
    declared.serverTools.push(...codeExecution20260120.tools);
    declared.caller = codeExecution20260120.caller;
  }
  for (const { name, callers } of webToolsOf(declared.web)) {
    if (callers.code) declared.serverFunctions.push(name);
    if (callers.code && !callers.model) declared.onlyFunctions.push(name);
  }
  refuseChoiceOf(new Set([...onlyForCode, ...declared.onlyFunctions]), choice);
  if (declared.codeTools.length > 0)
    refuseBesideCodeTools([...declared.codeTools, ...named(declared.serverFunctions)], choice);
  if (declared.codeTools.length > 0 || declared.serverFunctions.length > 0) {
    if (declared.caller === null) leaveToModel(declared, onlyForCode);
    else if (!declared.serverTools.includes("code_execution"))
      declared.serverTools.unshift("code_execution");
  }
  const clash = [...declared.clientTools, ...declared.codeTools].find((tool) =>
    declared.serverTools.includes(tool.name),
  );
  if (clash !== undefined) {
    throw new GatewayError(
      "invalid_request",
      `tools: The name "${clash.name}" belongs to a tool that the server runs.`,
    );
  }
  return declared;
}

const named = (names: readonly string[]): { name: string }[] => names.map((name) => ({ name }));

/** Without a code execution tool that can call them, tools are the model's or nobody's. */
function leaveToModel(declared: DeclaredTools, onlyForCode: ReadonlySet<string>): void {
  const lost =
    declared.codeTools.find((tool) => onlyForCode.has(tool.name))?.name ??
    declared.onlyFunctions[0];
  if (lost !== undefined) {
    throw new GatewayError(
      "invalid_request",
      `tools: "${lost}" may only be called by code, but no code execution tool that can call it was provided. Add {"type": "code_execution_20260120", "name": "code_execution"}.`,
    );
  }
  declared.codeTools = [];
  declared.serverFunctions = [];
}

/** Null for a tool that the server runs. */
function toClientTool(tool: WireTool, path: string): ModelTool | null {
  const { type, name, description, input_schema } = tool;
  if (type !== undefined && type !== null && type !== "custom")
    return describeClientTool(tool, path);
  if (!input_schema)
    throw new GatewayError("invalid_request", `${path}.input_schema: Field required`);
  return { name, description: description ?? "", input_schema, ...cacheControl(tool) };
}

function findVersion(type: string, path: string): CodeExecutionVersion {
  const found = VERSIONS.find((version) => version.type === type);
  if (found !== undefined) return found;
  const here = VERSIONS.map((version) => `'${version.type}'`).join(", ");
  const supported = `The supported tools are ${here}, 'web_search_20250305', 'web_fetch_20250910' and their later versions; those that the client runs 'bash_20250124', 'text_editor_20250728', 'memory_20250818' and their earlier versions, and custom tools with an input_schema.`;
  const problem = ABSENT.test(type)
    ? `The tool '${type}' is not available on this server.`
    : `Input tag '${type}' found using 'type' is not a known tool version.`;
  throw new GatewayError("invalid_request", `${path}: ${problem} ${supported}`);
}
