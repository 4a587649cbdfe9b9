/**
 * The web tools of a request: which versions there are, and what their parameters may say.
 *
 * From `…_20260209` on, the tools are meant for code and bring code execution with them: without
 * `allowed_callers` the model is told of them as functions of its code only. Before, they are the model's own.
 */
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import { findDomainProblem } from "../search/domains.ts";
import type { SearchQuery } from "../search/engine.ts";
import { readAllowedCallers, type AllowedCallers } from "./programmatic-calling.ts";
import type { WireTool } from "./schema.ts";
import {
  EVERY_SOURCE,
  UrlSourcesBody,
  requireDeclared,
  toUrlSources,
  type UrlSources,
} from "./url-sources.ts";
import { validate } from "./validation.ts";

/** Who may call the tool, and what of the calls that code makes the client is shown. */
interface Calling {
  callers: AllowedCallers;
  /** The blocks of such a call are left out once the code has ended. */
  isExcluded: boolean;
}

export interface WebSearchDeclaration extends Calling {
  maxUses: number | null;
  scope: Omit<SearchQuery, "text">;
}

export interface WebFetchDeclaration extends Calling {
  maxUses: number | null;
  scope: Pick<SearchQuery, "allowedDomains" | "blockedDomains">;
  maxContentTokens: number | null;
  urlSources: UrlSources;
}

export interface WebTools {
  search: WebSearchDeclaration | null;
  fetch: WebFetchDeclaration | null;
  /** A version that belongs beside code execution of a version that can call tools. */
  bringsCode: boolean;
}

const SEARCH_VERSIONS = ["20250305", "20260209", "20260318"];
const FETCH_VERSIONS = ["20250910", "20260209", "20260309", "20260318"];
const FIRST_WITH_CODE = "20260209";

/** Versions of code execution that cannot stand beside a web tool that brings code along. */
const OLD_CODE_EXECUTION = /^code_execution_(20250522|20250825)$/;

const domains = z.array(z.string().min(1).max(253)).max(100).nullish();

const Parameters = z.looseObject({
  max_uses: z.int().min(1).nullish(),
  allowed_domains: domains,
  blocked_domains: domains,
  user_location: z
    .looseObject({
      type: z.literal("approximate"),
      city: z.string().min(1).max(255).nullish(),
      region: z.string().min(1).max(255).nullish(),
      country: z.string().nullish(),
      timezone: z.string().min(1).max(255).nullish(),
    })
    .nullish(),
  response_inclusion: z.enum(["full", "excluded"]).nullish(),
  max_content_tokens: z.int().min(1).nullish(),
  use_cache: z.boolean().nullish(),
  url_sources: UrlSourcesBody.nullish(),
});

type Parameters = z.infer<typeof Parameters>;

/** The name of the web tool when the type is one, else null. Adds what it declares to `web`. */
export function addWebTool(
  tool: WireTool,
  path: string,
  web: WebTools,
  declared: ReadonlySet<string>,
): string | null {
  const [, kind, version] = /^(web_search|web_fetch)_(\d{8})$/.exec(tool.type ?? "") ?? [];
  if (kind === undefined || version === undefined) return null;
  const versions = kind === "web_search" ? SEARCH_VERSIONS : FETCH_VERSIONS;
  if (!versions.includes(version)) {
    const here = versions.map((known) => `'${kind}_${known}'`).join(", ");
    throw new GatewayError(
      "invalid_request",
      `${path}: The tool '${kind}_${version}' is not available on this server. Its versions here are ${here}.`,
    );
  }
  if (tool.name !== kind)
    throw new GatewayError("invalid_request", `${path}.name: Input should be '${kind}'`);
  const parameters = validateParameters(tool, path);
  const scope = toScope(parameters, path);
  const maxUses = parameters.max_uses ?? null;
  const isForCode = version >= FIRST_WITH_CODE;
  if (isForCode) web.bringsCode = true;
  const calling: Calling = {
    // What a strict schema rules out is the client's to answer; these tools check their input here.
    callers: readAllowedCallers(
      { ...tool, strict: false },
      path,
      isForCode ? ["code_execution_20260120"] : ["direct"],
    ),
    isExcluded: parameters.response_inclusion === "excluded",
  };
  if (kind === "web_search") {
    const location = toLocation(parameters, path);
    web.search = { maxUses, scope: { ...scope, location }, ...calling };
  } else {
    const maxContentTokens = parameters.max_content_tokens ?? null;
    const { url_sources } = parameters;
    if (url_sources) requireDeclared(url_sources, declared, path);
    const urlSources = url_sources ? toUrlSources(url_sources) : EVERY_SOURCE;
    web.fetch = { maxUses, scope, maxContentTokens, urlSources, ...calling };
  }
  return kind;
}

/** The declared web tools by name. */
export function webToolsOf({ search, fetch }: WebTools): ({ name: string } & Calling)[] {
  return [
    ...(search === null ? [] : [{ name: "web_search", ...search }]),
    ...(fetch === null ? [] : [{ name: "web_fetch", ...fetch }]),
  ];
}

/** Throws when an older code execution stands beside a web tool that needs a newer one. */
export function refuseOldCodeExecution(tools: readonly WireTool[], web: WebTools): void {
  if (!web.bringsCode) return;
  const index = tools.findIndex(({ type }) => OLD_CODE_EXECUTION.test(type ?? ""));
  if (index < 0) return;
  const newer = tools.find(({ type }) => /^web_(search|fetch)_2026/.test(type ?? ""))?.type ?? "";
  throw new GatewayError(
    "invalid_request",
    `tools.${index}: '${newer}' needs code_execution_20260120 or later in the same request, not '${tools[index]?.type ?? ""}'. Leave code execution out, and it comes along by itself; or use web_search_20250305 or web_fetch_20250910.`,
  );
}

function validateParameters(tool: WireTool, path: string): Parameters {
  const { max_uses } = tool as { max_uses?: unknown };
  if (typeof max_uses === "number" && max_uses < 1) {
    throw new GatewayError(
      "invalid_request",
      `${path}.max_uses: Input should be greater than or equal to 1. Leave max_uses out for no limit, or leave the tool out for no use.`,
    );
  }
  try {
    return validate(Parameters, tool);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new GatewayError("invalid_request", `${path}.${error.message}`, { cause: error });
  }
}

function toScope(parameters: Parameters, path: string): WebFetchDeclaration["scope"] {
  const allowedDomains = parameters.allowed_domains ?? [];
  const blockedDomains = parameters.blocked_domains ?? [];
  if (allowedDomains.length > 0 && blockedDomains.length > 0) {
    throw new GatewayError(
      "invalid_request",
      `${path}: allowed_domains and blocked_domains cannot be used together. Write allowed_domains for only these sites, or blocked_domains for all but these.`,
    );
  }
  for (const [name, list] of Object.entries({
    allowed_domains: allowedDomains,
    blocked_domains: blockedDomains,
  })) {
    for (const [index, entry] of list.entries()) {
      const problem = findDomainProblem(entry);
      if (problem !== null)
        throw new GatewayError(
          "invalid_request",
          `${path}.${name}.${index}: ${problem}, not ${JSON.stringify(entry)}.`,
        );
    }
  }
  return { allowedDomains, blockedDomains };
}

function toLocation(
  { user_location }: Parameters,
  path: string,
): WebSearchDeclaration["scope"]["location"] {
  if (!user_location) return null;
  const { city, region, country, timezone } = user_location;
  if (!city && !region && !country && !timezone) {
    throw new GatewayError(
      "invalid_request",
      `${path}.user_location: Write at least one of city, region, country and timezone.`,
    );
  }
  if (country && !/^[a-z]{2}$/i.test(country)) {
    throw new GatewayError(
      "invalid_request",
      `${path}.user_location.country: Write the country's code of two letters, such as "US".`,
    );
  }
  if (timezone && !isTimezone(timezone)) {
    throw new GatewayError(
      "invalid_request",
      `${path}.user_location.timezone: Write a name of the IANA time zones, such as "Europe/Paris".`,
    );
  }
  return {
    ...(city && { city }),
    ...(region && { region }),
    ...(country && { country }),
    ...(timezone && { timezone }),
  };
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    // RangeError: there is no such zone.
    return false;
  }
}
