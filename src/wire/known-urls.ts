/**
 * The addresses that a fetch may open: those that stand in the conversation and that the model did not make
 * up. So a page cannot have the model send what it knows to an address of the page's choosing.
 *
 * Counted are the system prompt, the user's words, and results of tools other than code; the turn adds what
 * it finds itself. What code printed does not count: the model writes code.
 */
import type { ModelMessage, ModelRequest } from "../providers/provider.ts";
import { createKnownUrls, type KnownUrls } from "../search/known-urls.ts";

export function collectUrls({
  system,
  messages,
}: Pick<ModelRequest, "system" | "messages">): KnownUrls {
  const urls = createKnownUrls();
  for (const { text } of system) urls.addFrom(text);
  const codeUses = new Set(messages.flatMap(codeUsesOf));
  for (const { role, content } of messages) {
    if (role !== "user") continue;
    for (const block of content) {
      if (block.type === "text") urls.addFrom(block.text);
      if (block.type !== "tool_result" || codeUses.has(block.tool_use_id)) continue;
      if (typeof block.content === "string") urls.addFrom(block.content);
      else for (const part of block.content) if (part.type === "text") urls.addFrom(part.text);
    }
  }
  return urls;
}

function codeUsesOf({ content }: ModelMessage): string[] {
  return content.flatMap((block) =>
    block.type === "tool_use" && /(^|_)code_execution$/.test(block.name) ? block.id : [],
  );
}
