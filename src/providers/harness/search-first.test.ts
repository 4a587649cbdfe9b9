import { expect, test } from "vitest";

import { createSources, toSearchText } from "../../search/sources.ts";
import type { ModelRequest } from "../provider.ts";
import { toExchanges } from "./conversation.ts";
import { findFoundData, toQuery, wantsSearch } from "./search-first.ts";

test.each([
  [
    "Search for the stock prices of the top 5 tech companies today then create a chart comparing them",
    "the stock prices of the top 5 tech companies today",
  ],
  ["Please look up the weather in Paris.", "the weather in Paris"],
  ["Find the population of Ghana and calculate its density.", "the population of Ghana"],
  ["Search the web for salt and pepper prices", "salt and pepper prices"],
  ["What is the latest version of Node? Answer in one word.", "What is the latest version of Node"],
  ["Search", "Search"],
])("%s", (request, query) => {
  expect(toQuery(request)).toBe(query);
});

const ask = (text: string, more: Partial<ModelRequest> = {}): ModelRequest => ({
  model: "m",
  system: [],
  messages: [{ role: "user", content: [{ type: "text", text }] }],
  tools: [{ name: "web_search", description: "", input_schema: {} }],
  maxTokens: 100,
  stopSequences: [],
  attachments: [],
  ...more,
});

test.each<[string, Partial<ModelRequest>, boolean]>([
  ["Search for prices", {}, true],
  ["What are the prices today?", {}, true],
  ["What is 2 + 2?", {}, false],
  ["Search for prices", { tools: [] }, false],
  ["Search for prices", { toolChoice: { type: "none" } }, false],
  ["What is 2 + 2?", { toolChoice: { type: "tool", name: "web_search" } }, true],
])("%s %j: %s", (text, more, expected) => {
  const request = ask(text, more);
  expect(wantsSearch(request, toExchanges(request).at(-1)!)).toBe(expected);
});

const results = (...texts: string[]) => [
  {
    id: "1",
    query: "q",
    isError: false,
    text: toSearchText(
      texts.map((text, index) => ({
        url: `https://a.org/${index}`,
        title: `T${index}`,
        text,
        pageAge: null,
      })),
      createSources(),
    ),
  },
];

test("a table that was found is data, with money as numbers, and knows where it is from", () => {
  const table = "| Company | Price |\n| --- | --- |\n| Apple | $1,228.50 |\n| Nvidia | $139.90 |";
  const found = findFoundData(results("Only words here.", `Prices of today.\n\n${table}`));
  expect(found?.source).toMatchObject({ number: 2, title: "T1", url: "https://a.org/1" });
  expect(found?.data).toMatchObject({
    kind: "table",
    table: {
      rows: [
        ["Apple", "1228.50"],
        ["Nvidia", "139.90"],
      ],
      columns: [{}, { kind: "number" }],
    },
  });
});

test("without a table it is the words of the first result; without results it is nothing", () => {
  expect(findFoundData(results("Some words."))?.data).toEqual({
    kind: "text",
    source: "Some words.",
  });
  expect(findFoundData(results())).toBeNull();
});
