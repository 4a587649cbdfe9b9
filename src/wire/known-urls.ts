/**
 * The addresses that a fetch may open: those that stand in the conversation and that the model did not make
 * up. So a page cannot have the model send what it knows to an address of the page's choosing.
 *
 * Counted are the system prompt, the user's words, and results of tools other than code, less what the request's
 * `url_sources` leave out; the turn adds what it finds itself. What code printed does not count: the model
 * writes code.
 */
import type { ModelMessage, ModelRequest } from "../providers/provider.ts";
import { createKnownUrls, type KnownUrls } from "../search/known-urls.ts";
import { EVERY_SOURCE, type UrlSources } from "./url-sources.ts";

const CODE = /(^|_)code_execution$/;
const WEB = /^web_(search|fetch)$/;

export function collectUrls(
  { system, messages }: Pick<ModelRequest, "system" | "messages">,
  from: UrlSources = EVERY_SOURCE,
): KnownUrls {
  const urls = createKnownUrls();
  for (const { text } of system) urls.addFrom(text);
  const names = new Map(messages.flatMap(namesOf));
  for (const { role, content } of messages) {
    if (role !== "user") continue;
    for (const block of content) {
      if (block.type === "text" && from.userInput) urls.addFrom(block.text);
      if (block.type !== "tool_result" || !counts(names.get(block.tool_use_id) ?? "", from))
        continue;
      if (typeof block.content === "string") urls.addFrom(block.content);
      else for (const part of block.content) if (part.type === "text") urls.addFrom(part.text);
    }
  }
  return urls;
}

function counts(name: string, from: UrlSources): boolean {
  if (CODE.test(name)) return false;
  return WEB.test(name) ? from.serverTool(name) : from.clientTool(name);
}

function namesOf({ content }: ModelMessage): [id: string, name: string][] {
  return content.flatMap((block) =>
    block.type === "tool_use" ? [[block.id, block.name] as [string, string]] : [],
  );
}
