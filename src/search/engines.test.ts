import { expect, test } from "vitest";

import {
  asBrave,
  asSearxng,
  asTavily,
  json,
  startLoopback,
  type Answer,
} from "../../test/fixtures/search-servers.ts";
import { loadConfig } from "../config.ts";
import { createSearchService, type SearchService } from "./select.ts";

const KEY = "key-of-the-test";
const HITS = [
  {
    url: "https://a.org/1",
    title: "<b>Apple</b> &amp; co",
    text: "It\u202e costs <strong>228.5</strong> &#36; \u0007now.<script>",
    date: "2026-11-24T10:00:00",
  },
  { url: "javascript:alert(1)", title: "no", text: "no" },
  { url: "https://sub.blocked.org/x", title: "Blocked", text: "no" },
  { url: "https://a.org/1", title: "twice", text: "no" },
  { url: "https://b.org/", title: "", text: "x".repeat(10_000), date: "3 days ago" },
];

const QUERY = { text: "apple price", allowedDomains: [], blockedDomains: [], location: null };
const signal = new AbortController().signal;

function service(env: Record<string, string>): SearchService {
  return createSearchService(loadConfig({ env: { CURTA_DATA: "/dev/null/none", ...env } }));
}

const ENGINES: [name: string, answer: Answer][] = [
  ["searxng", asSearxng(HITS)],
  ["brave", asBrave(HITS, KEY)],
  ["tavily", asTavily(HITS, KEY)],
];

test.each(ENGINES)(
  "%s: results are clean, bounded, and inside the domain lists",
  async (name, answer) => {
    await using server = await startLoopback(answer);
    const { search } = service({
      CURTA_SEARCH: name,
      CURTA_SEARCH_URL: server.url,
      CURTA_SEARCH_KEY: KEY,
    });
    const results = await search.run({ ...QUERY, blockedDomains: ["blocked.org"] }, signal);
    expect(results).toEqual([
      {
        url: "https://a.org/1",
        title: "Apple & co",
        text: "It costs 228.5 $ now.",
        pageAge: "November 24, 2026",
      },
      {
        url: "https://b.org/",
        title: "https://b.org/",
        text: expect.any(String),
        pageAge: "3 days ago",
      },
    ]);
    expect(results[1]?.text).toHaveLength(2000);
    const [asked] = server.asked;
    const sent = `${asked?.url.searchParams.get("q") ?? ""} ${JSON.stringify(asked?.body)}`;
    expect(sent).toContain("apple price");
    expect(sent).toContain("blocked.org");
    // The second time it is remembered; another scope is another search.
    await search.run({ ...QUERY, blockedDomains: ["blocked.org"] }, signal);
    expect(server.asked).toHaveLength(1);
    await search.run(QUERY, signal);
    expect(server.asked).toHaveLength(2);
  },
);

const nonsense: [name: string, answer: Answer, code: string][] = [
  ["over its quota", (_, response) => json(response, {}, 429), "too_many_requests"],
  ["a used-up plan", (_, response) => json(response, {}, 432), "too_many_requests"],
  ["a fault", (_, response) => json(response, {}, 500), "unavailable"],
  ["no access", (_, response) => json(response, {}, 403), "unavailable"],
  [
    "a redirect",
    (_, response) => void response.writeHead(302, { location: "/x" }).end(),
    "unavailable",
  ],
  ["a web page", (_, response) => void response.end("<html>Sign in</html>"), "unavailable"],
  ["other JSON", (_, response) => json(response, { results: "none" }), "unavailable"],
  ["a list of nothing", (_, response) => json(response, []), "unavailable"],
  ["no answer at all", () => {}, "unavailable"],
  ["a hang-up", (_, response) => void response.destroy(), "unavailable"],
  ["an answer without an end", (_, response) => pour(response), "unavailable"],
];

function pour(response: { write(chunk: string): boolean; destroyed: boolean }): void {
  const timer = setInterval(() => {
    if (response.destroyed) clearInterval(timer);
    else for (let n = 0; n < 20; n += 1) response.write(" ".repeat(65_536));
  }, 1);
}

test.each(nonsense)("an engine that answers with %s", async (_name, answer, code) => {
  await using server = await startLoopback(answer);
  const { search } = service({
    CURTA_SEARCH: "searxng",
    CURTA_SEARCH_URL: server.url,
    CURTA_SEARCH_SECONDS: "2",
  });
  await expect(search.run(QUERY, signal)).rejects.toMatchObject({ name: "SearchError", code });
});

test("an engine that is not there, and one that was never set up", async () => {
  const gone = service({ CURTA_SEARCH: "searxng", CURTA_SEARCH_URL: "http://127.0.0.1:9" });
  await expect(gone.search.run(QUERY, signal)).rejects.toMatchObject({ code: "unavailable" });
  await expect(service({}).search.run(QUERY, signal)).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("curta index DIR"),
  });
});

test("a query too long for us, and one too long for the engine", async () => {
  const { search } = service({ CURTA_SEARCH: "brave", CURTA_SEARCH_KEY: KEY });
  for (const text of ["word ".repeat(60), "x".repeat(2000)])
    await expect(search.run({ ...QUERY, text }, signal)).rejects.toMatchObject({
      code: "query_too_long",
    });
  await expect(search.run({ ...QUERY, text: " <b></b> " }, signal)).rejects.toMatchObject({
    code: "invalid_tool_input",
  });
});

test.each<[Record<string, string>, string]>([
  [{ CURTA_SEARCH: "google" }, 'The setting search (CURTA_SEARCH) cannot be "google"'],
  [{ CURTA_SEARCH: "searxng" }, "CURTA_SEARCH_URL has to name the SearXNG server"],
  [{ CURTA_SEARCH: "searxng", CURTA_SEARCH_URL: "localhost:8888" }, "has to begin with http://"],
  [{ CURTA_SEARCH: "brave" }, "CURTA_SEARCH_KEY has to hold a key"],
  [{ CURTA_SEARCH: "tavily" }, "CURTA_SEARCH_KEY has to hold a key"],
  [{ CURTA_SEARCH_URL: "http://localhost:1" }, "CURTA_SEARCH has to say whose it is"],
])("wrong settings are refused in one sentence: %j", (env, message) => {
  expect(() => service(env)).toThrow(
    expect.objectContaining({ message: expect.stringContaining(message) }),
  );
});
