import { expect, test } from "vitest";

import type { ModelMessage } from "../providers/provider.ts";
import { collectUrls } from "./known-urls.ts";
import { EVERY_SOURCE, toUrlSources } from "./url-sources.ts";

const use = (id: string, name: string): ModelMessage => ({
  role: "assistant",
  content: [
    { type: "text", text: "https://made-up.example/" },
    { type: "tool_use", id, name, input: {} },
  ],
});
const result = (id: string, text: string): ModelMessage => ({
  role: "user",
  content: [{ type: "tool_result", tool_use_id: id, content: [{ type: "text", text }] }],
});
const messages: ModelMessage[] = [
  { role: "user", content: [{ type: "text", text: "Look at https://user.example/a." }] },
  use("1", "web_search"),
  result("1", "https://search.example/"),
  use("2", "web_fetch"),
  result("2", "(https://page.example/)"),
  use("3", "lookup"),
  result("3", "https://lookup.example/"),
  use("4", "crm"),
  result("4", "https://crm.example/"),
  use("5", "code_execution"),
  result("5", "https://code.example/"),
];

const ALL = [
  "user.example/a",
  "search.example/",
  "page.example/",
  "lookup.example/",
  "crm.example/",
];
const ref = (name: string) => ({ type: "tool_reference" as const, name });

test.each<[string, Parameters<typeof toUrlSources>[0], string[]]>([
  ["everything but what model and code wrote", {}, ALL],
  ["nulls", { user_input: null, client_tool_results: null }, ALL],
  ["all, said", { user_input: { type: "all" }, server_tool_results: { type: "all" } }, ALL],
  ["not the user's", { user_input: { type: "none" } }, ALL.slice(1)],
  ["not the web's", { server_tool_results: { type: "none" } }, [ALL[0]!, ALL[3]!, ALL[4]!]],
  [
    "only a search's",
    { server_tool_results: { type: "only", tools: [ref("web_search")] } },
    [ALL[0]!, ALL[1]!, ALL[3]!, ALL[4]!],
  ],
  [
    "all clients' but one",
    { client_tool_results: { type: "except", tools: [ref("crm")] } },
    ALL.slice(0, 4),
  ],
])("addresses of %s", (_, body, expected) => {
  const system = [{ type: "text" as const, text: "See https://system.example/" }];
  const urls = collectUrls({ system, messages }, toUrlSources(body));
  const hosts = [...ALL, "code.example/", "made-up.example/"];
  expect(hosts.filter((host) => urls.has(`https://${host}`))).toEqual(expected);
  expect(urls.has("https://system.example/")).toBe(true);
});

test("without a word about it every source counts", () => {
  expect(EVERY_SOURCE.userInput && EVERY_SOURCE.clientTool("x")).toBe(true);
  expect(EVERY_SOURCE.serverTool("web_search")).toBe(true);
});
