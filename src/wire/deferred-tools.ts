/**
 * Tools with `defer_loading`: the model is shown them once they were found.
 *
 * A client with many tools searches among them itself and answers with `tool_reference` blocks. Until then its
 * deferred tools would only fill the model's window. One that the conversation has called already stays, for
 * its result may be all that is left of the search.
 */
import type { WireMessage, WireTool } from "./schema.ts";

export function withoutUnfound(
  tools: readonly WireTool[],
  messages: readonly WireMessage[],
): WireTool[] {
  if (!tools.some(isDeferred)) return [...tools];
  const found = foundIn(messages);
  return tools.filter((tool) => !isDeferred(tool) || found.has(tool.name));
}

/** Only tools that the client runs; there is no search among the server's few. */
function isDeferred({ type, input_schema, defer_loading }: WireTool): boolean {
  const isClients = type === undefined || type === null || type === "custom";
  return isClients && Boolean(input_schema) && defer_loading === true;
}

function foundIn(messages: readonly WireMessage[]): Set<string> {
  const found = new Set<string>();
  for (const { content } of messages) {
    if (typeof content === "string") continue;
    for (const block of content) {
      if (block.type === "tool_use") found.add(block.name);
      if (block.type !== "tool_result" || !Array.isArray(block.content)) continue;
      for (const part of block.content)
        if (part.type === "tool_reference") found.add(part.tool_name);
    }
  }
  return found;
}
