/** `url_sources` of web fetch: whose addresses it may open. What is left out contributes everything. */
import { z } from "zod";

import { GatewayError } from "../errors.ts";

const all = z.looseObject({ type: z.literal("all") });
const none = z.looseObject({ type: z.literal("none") });
const tools = z
  .array(z.looseObject({ type: z.literal("tool_reference"), name: z.string() }))
  .max(512);
const only = z.looseObject({ type: z.literal("only"), tools });
const except = z.looseObject({ type: z.literal("except"), tools });
const filter = z.discriminatedUnion("type", [all, none, only, except]).nullish();

export const UrlSourcesBody = z.looseObject({
  user_input: z.discriminatedUnion("type", [all, none]).nullish(),
  client_tool_results: filter,
  server_tool_results: filter,
});

type Filter = z.infer<typeof filter>;

export interface UrlSources {
  userInput: boolean;
  /** Whether results of that tool of the client's count. */
  clientTool(name: string): boolean;
  /** Of web search or web fetch; no other tool of the server's ever counts. */
  serverTool(name: string): boolean;
}

export const EVERY_SOURCE: UrlSources = {
  userInput: true,
  clientTool: () => true,
  serverTool: () => true,
};

export function toUrlSources(body: z.infer<typeof UrlSourcesBody>): UrlSources {
  return {
    userInput: body.user_input?.type !== "none",
    clientTool: (name) => passes(body.client_tool_results, name),
    serverTool: (name) => passes(body.server_tool_results, name),
  };
}

/** Throws when a filter names a tool that the request does not declare: a filter with a slip would let through. */
export function requireDeclared(
  body: z.infer<typeof UrlSourcesBody>,
  declared: ReadonlySet<string>,
  path: string,
): void {
  for (const key of ["client_tool_results", "server_tool_results"] as const) {
    const given = body[key];
    if (given?.type !== "only" && given?.type !== "except") continue;
    const unknown = given.tools.find(({ name }) => !declared.has(name));
    if (unknown === undefined) continue;
    throw new GatewayError(
      "invalid_request",
      `${path}.url_sources.${key}: "${unknown.name}" is not among the tools of this request. Name tools that are, or write {"type": "all"} or {"type": "none"}.`,
    );
  }
}

function passes(given: Filter, name: string): boolean {
  switch (given?.type) {
    case undefined:
    case "all":
      return true;
    case "none":
      return false;
    case "only":
      return given.tools.some((tool) => tool.name === name);
    case "except":
      return !given.tools.some((tool) => tool.name === name);
  }
}
