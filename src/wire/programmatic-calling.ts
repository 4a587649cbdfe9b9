/**
 * Tools that code may call, the client's and the web tools: which of the declared ones they are, and what the
 * Messages API refuses beside them.
 *
 * `allowed_callers` names the model (`direct`) and versions of the code execution tool. A version that has no
 * calls yet is taken for one that has: the names differ from client to client, the meaning does not.
 */
import { GatewayError } from "../errors.ts";
import { toFunctionName } from "../tools/code-functions.ts";
import type { RequestBody, WireTool } from "./schema.ts";

const CODE_CALLER = /^code_execution_20\d{6}$/;

export interface AllowedCallers {
  model: boolean;
  code: boolean;
}

export function readAllowedCallers(
  tool: WireTool,
  path: string,
  fallback: readonly string[] = ["direct"],
): AllowedCallers {
  const callers = tool.allowed_callers ?? fallback;
  const unknown = callers.findIndex((caller) => caller !== "direct" && !CODE_CALLER.test(caller));
  if (unknown >= 0 || callers.length === 0) {
    throw new GatewayError(
      "invalid_request",
      `${path}.allowed_callers${unknown >= 0 ? `.${unknown}` : ""}: Input should be 'direct' or 'code_execution_20260120'${unknown >= 0 ? "" : ". Write one of them or both, or leave allowed_callers out"}`,
    );
  }
  const code = callers.some((caller) => caller !== "direct");
  if (code && tool.strict === true) {
    throw new GatewayError(
      "invalid_request",
      `${path}: \`strict: true\` cannot be used with programmatic tool calling. Leave it out, or leave the code execution tool out of \`allowed_callers\`.`,
    );
  }
  if (code && hasCircularReference(tool.input_schema ?? {})) {
    throw new GatewayError("invalid_request", `${path}.input_schema: Circular $ref detected`);
  }
  return { model: callers.includes("direct"), code };
}

/** Throws when the model is made to use a tool that only code may call. */
export function refuseChoiceOf(
  onlyForCode: ReadonlySet<string>,
  choice: RequestBody["tool_choice"],
): void {
  if (choice?.type === "tool" && choice.name && onlyForCode.has(choice.name)) {
    throw new GatewayError(
      "invalid_request",
      `tool_choice: Tool '${choice.name}' can only be called by code. Add "direct" to its \`allowed_callers\` or choose another tool.`,
    );
  }
}

/** What cannot stand beside tools of the client that code calls. */
export function refuseBesideCodeTools(
  tools: readonly { name: string }[],
  choice: RequestBody["tool_choice"],
): void {
  const functions = new Map<string, string>();
  for (const { name } of tools) {
    const other = functions.get(toFunctionName(name));
    functions.set(toFunctionName(name), name);
    if (other !== undefined) {
      throw new GatewayError(
        "invalid_request",
        `tools: "${other}" and "${name}" would be the same function in code; rename one of them.`,
      );
    }
  }
  if (choice?.disable_parallel_tool_use === true) {
    throw new GatewayError(
      "invalid_request",
      "tool_choice.disable_parallel_tool_use: true cannot be used with programmatic tool calling.",
    );
  }
}

/** A chain of references as long as this is taken for a circle. */
const REFERENCES_MAX = 500;

/** Whether a local `$ref` of a schema leads back to a schema that holds it. */
function hasCircularReference(schema: Record<string, unknown>): boolean {
  const done = new Set<unknown>();
  const open = new Set<unknown>();

  return visit(schema, 0);

  function visit(value: unknown, depth: number): boolean {
    if (typeof value !== "object" || value === null || done.has(value)) return false;
    if (open.has(value) || depth > REFERENCES_MAX) return true;
    open.add(value);
    const { $ref: reference } = value as { $ref?: unknown };
    const target = typeof reference === "string" ? resolve(schema, reference) : undefined;
    const isCircular =
      visit(target, depth + 1) || Object.values(value).some((inner) => visit(inner, depth + 1));
    open.delete(value);
    done.add(value);
    return isCircular;
  }
}

function resolve(schema: Record<string, unknown>, reference: string): unknown {
  if (!reference.startsWith("#")) return undefined;
  let value: unknown = schema;
  for (const part of reference.slice(1).split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
