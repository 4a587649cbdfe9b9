import { expect, test } from "vitest";

import { pack } from "../search/opaque.ts";
import { parseMessagesRequest } from "./request.ts";

const SEARCH = { type: "web_search_20250305", name: "web_search" };
const FETCH = { type: "web_fetch_20250910", name: "web_fetch" };
const NEWER = { type: "web_search_20260209", name: "web_search" };

const parse = (tools: unknown[], messages: unknown[] = [{ role: "user", content: "hi" }]) =>
  parseMessagesRequest(
    { model: "m", max_tokens: 100, messages, tools },
    {
      betas: new Set(),
      limits: { attachmentBytes: 1000, workspaceBytes: 1000, resultCharacters: 24_000 },
    },
  );

test("every parameter is read", async () => {
  const { turn, web, rendering } = await parse([
    { type: "code_execution_20250522", name: "code_execution" },
    {
      ...SEARCH,
      max_uses: 3,
      allowed_domains: ["example.org", "例え.jp"],
      blocked_domains: [],
      user_location: {
        type: "approximate",
        city: "Paris",
        country: "FR",
        timezone: "Europe/Paris",
      },
      cache_control: { type: "ephemeral" },
    },
    {
      ...FETCH,
      max_content_tokens: 500,
      blocked_domains: ["bad.org"],
      citations: { enabled: true },
    },
  ]);
  expect(turn.serverTools).toEqual(["code_execution", "web_search", "web_fetch"]);
  expect(rendering.name).toBe("lesson");
  expect(web).toMatchObject({
    search: {
      maxUses: 3,
      scope: {
        allowedDomains: ["example.org", "例え.jp"],
        blockedDomains: [],
        location: { city: "Paris", country: "FR", timezone: "Europe/Paris" },
      },
    },
    fetch: {
      maxUses: null,
      scope: { allowedDomains: [], blockedDomains: ["bad.org"] },
      maxContentTokens: 500,
    },
    bringsCode: false,
  });
});

test("nulls are as good as nothing", async () => {
  const { web } = await parse([
    {
      ...SEARCH,
      max_uses: null,
      allowed_domains: null,
      blocked_domains: null,
      user_location: null,
    },
  ]);
  expect(web.search).toMatchObject({
    maxUses: null,
    scope: { allowedDomains: [], blockedDomains: [], location: null },
  });
});

test.each([NEWER, { ...NEWER, type: "web_search_20260318", response_inclusion: "excluded" }])(
  "$type brings code execution along",
  async (tool) => {
    const { turn, rendering } = await parse([tool]);
    expect(turn.serverTools[0]).toBe("web_search");
    expect(turn.serverTools).toContain("code_execution");
    expect(rendering.name).toBe("native");
  },
);

const CODE = { type: "code_execution_20260120", name: "code_execution" };
const FROM_CODE = ["code_execution_20260120"];

test.each<[string, object, object[], string[], string[]]>([
  ["an older search is the model's", SEARCH, [CODE], [], []],
  ["a newer one is the code's", NEWER, [], ["web_search"], ["web_search"]],
  [
    "null is as good as nothing",
    { ...NEWER, allowed_callers: null },
    [],
    ["web_search"],
    ["web_search"],
  ],
  ["only the model", { ...NEWER, allowed_callers: ["direct"] }, [], [], []],
  ["both", { ...NEWER, allowed_callers: ["direct", ...FROM_CODE] }, [], ["web_search"], []],
  [
    "code, of an older search",
    { ...SEARCH, allowed_callers: FROM_CODE },
    [CODE],
    ["web_search"],
    ["web_search"],
  ],
  ["strict changes nothing", { ...NEWER, strict: true }, [], ["web_search"], ["web_search"]],
])("who may call: %s", async (_, tool, more, functions, only) => {
  const { turn, caller } = await parse([tool, ...more]);
  expect(turn).toMatchObject({ serverFunctions: functions, onlyFunctions: only });
  expect(caller).toBe(functions.length > 0 ? "code_execution_20260120" : null);
});

test("response_inclusion says what is not shown", async () => {
  const { excluded } = await parse([
    { ...NEWER, type: "web_search_20260318", response_inclusion: "excluded" },
    { ...FETCH, type: "web_fetch_20260318", response_inclusion: "full" },
  ]);
  expect([...excluded]).toEqual(["web_search"]);
});

test.each<[string, unknown[], string]>([
  [
    "a caller that there is not",
    [{ ...NEWER, allowed_callers: ["direct", "bash"] }],
    "tools.0.allowed_callers.1: Input should be 'direct' or 'code_execution_20260120'",
  ],
  [
    "no caller at all",
    [{ ...SEARCH, allowed_callers: [] }],
    "tools.0.allowed_callers: Input should be 'direct' or 'code_execution_20260120'. Write one of them or both, or leave allowed_callers out",
  ],
  [
    "a source of addresses that is no tool of the request",
    [
      {
        ...FETCH,
        url_sources: {
          server_tool_results: {
            type: "only",
            tools: [{ type: "tool_reference", name: "search" }],
          },
        },
      },
    ],
    'tools.0.url_sources.server_tool_results: "search" is not among the tools of this request. Name tools that are, or write {"type": "all"} or {"type": "none"}.',
  ],
  [
    "only code, without code",
    [{ ...SEARCH, allowed_callers: FROM_CODE }],
    'tools: "web_search" may only be called by code, but no code execution tool that can call it was provided. Add {"type": "code_execution_20260120", "name": "code_execution"}.',
  ],
  [
    "a client's tool of the same name in code",
    [NEWER, { name: "web-search", input_schema: {}, allowed_callers: FROM_CODE }],
    'tools: "web-search" and "web_search" would be the same function in code; rename one of them.',
  ],
  [
    "both lists",
    [{ ...SEARCH, allowed_domains: ["a.org"], blocked_domains: ["b.org"] }],
    "tools.0: allowed_domains and blocked_domains cannot be used together. Write allowed_domains for only these sites, or blocked_domains for all but these.",
  ],
  [
    "a scheme",
    [{ ...SEARCH, allowed_domains: ["https://a.org/x"] }],
    'tools.0.allowed_domains.0: Write the domain without "https://" and without a path: "a.org", not "https://a.org/x".',
  ],
  [
    "a path",
    [{ ...FETCH, blocked_domains: ["a.org", "b.org/news"] }],
    'tools.0.blocked_domains.1: Write the domain without a path: "b.org", not "b.org/news".',
  ],
  [
    "a wildcard",
    [{ ...SEARCH, allowed_domains: ["*.a.org"] }],
    'tools.0.allowed_domains.0: Write the domain without "*": "a.org" includes its subdomains, not "*.a.org".',
  ],
  [
    "a port",
    [{ ...SEARCH, allowed_domains: ["a.org:443"] }],
    'tools.0.allowed_domains.0: Write the domain without a port: "a.org", not "a.org:443".',
  ],
  [
    "no domain at all",
    [{ ...SEARCH, allowed_domains: ["not a domain"] }],
    'tools.0.allowed_domains.0: Write a domain such as "example.com", not "not a domain".',
  ],
  [
    "max_uses of 0",
    [{ ...SEARCH, max_uses: 0 }],
    "tools.0.max_uses: Input should be greater than or equal to 1. Leave max_uses out for no limit, or leave the tool out for no use.",
  ],
  [
    "max_uses below 0",
    [{ ...FETCH, max_uses: -3 }],
    "tools.0.max_uses: Input should be greater than or equal to 1. Leave max_uses out for no limit, or leave the tool out for no use.",
  ],
  [
    "max_uses in words",
    [{ ...SEARCH, max_uses: "2" }],
    "tools.0.max_uses: Input should be a valid number",
  ],
  [
    "a place that is nowhere",
    [{ ...SEARCH, user_location: { type: "approximate" } }],
    "tools.0.user_location: Write at least one of city, region, country and timezone.",
  ],
  [
    "a country's name",
    [{ ...SEARCH, user_location: { type: "approximate", country: "France" } }],
    'tools.0.user_location.country: Write the country\'s code of two letters, such as "US".',
  ],
  [
    "a time zone that there is not",
    [{ ...SEARCH, user_location: { type: "approximate", timezone: "Mars/Base" } }],
    'tools.0.user_location.timezone: Write a name of the IANA time zones, such as "Europe/Paris".',
  ],
  ["another name", [{ ...SEARCH, name: "search" }], "tools.0.name: Input should be 'web_search'"],
  [
    "a version of the future",
    [{ ...SEARCH, type: "web_search_20990101" }],
    "tools.0: The tool 'web_search_20990101' is not available on this server. Its versions here are 'web_search_20250305', 'web_search_20260209', 'web_search_20260318'.",
  ],
  [
    "an older code execution beside a newer search",
    [NEWER, { type: "code_execution_20250522", name: "code_execution" }],
    "tools.1: 'web_search_20260209' needs code_execution_20260120 or later in the same request, not 'code_execution_20250522'. Leave code execution out, and it comes along by itself; or use web_search_20250305 or web_fetch_20250910.",
  ],
])("%s is refused", async (_name, tools, message) => {
  await expect(parse(tools)).rejects.toMatchObject({ code: "invalid_request", message });
});

test("results that come back are numbered in order, whatever became of their encrypted content", async () => {
  const first = {
    type: "web_search_result",
    url: "https://a.org/1",
    title: "",
    encrypted_content: "",
  };
  const second = {
    ...first,
    url: "https://a.org/2",
    title: "Two",
    encrypted_content: "changed",
    page_age: "1 day ago",
  };
  const { turn, sources } = await parse(
    [SEARCH],
    [
      { role: "user", content: "Search." },
      {
        role: "assistant",
        content: [
          { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "x" } },
          { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [first, second] },
          { type: "text", text: "Found." },
        ],
      },
      { role: "user", content: "And?" },
    ],
  );
  expect(sources.size).toBe(2);
  expect(JSON.stringify(turn.prompt.messages[2])).toContain(
    "[1] https://a.org/1\\nhttps://a.org/1\\n\\n[2] Two\\nhttps://a.org/2 (1 day ago)",
  );
});

test("cited text goes back to the model with the marks that it had set", async () => {
  const result = { type: "web_search_result", title: "", encrypted_content: "" };
  const cite = (url: string, encrypted_index = "") => ({
    type: "web_search_result_location",
    url,
    title: "",
    encrypted_index,
    cited_text: "",
  });
  const { turn } = await parse(
    [SEARCH],
    [
      { role: "user", content: "Search." },
      {
        role: "assistant",
        content: [
          { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "x" } },
          {
            type: "web_search_tool_result",
            tool_use_id: "srvtoolu_1",
            content: [
              { ...result, url: "https://a.org/1" },
              { ...result, url: "https://a.org/2" },
              { ...result, url: "https://a.org/1", encrypted_content: pack("another passage") },
            ],
          },
          {
            type: "text",
            text: "So it is.\n",
            citations: [cite("https://a.org/2"), cite("https://a.org/1")],
          },
          { type: "text", text: " And so.", citations: [cite("https://a.org/1", pack("3"))] },
          {
            type: "text",
            text: " Elsewhere.",
            citations: [cite("https://b.org/"), { type: "page_location" }],
          },
          { type: "text", text: " Plain.", citations: null },
        ],
      },
      { role: "user", content: "And?" },
    ],
  );
  const texts = turn.prompt.messages[3]?.content.map(
    (block) => block.type === "text" && block.text,
  );
  expect(texts).toEqual(["So it is. [2, 1]\n", " And so. [3]", " Elsewhere.", " Plain."]);
});
