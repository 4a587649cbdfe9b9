/** Pages and search engines that mean harm, through a whole server: an error block each, and the turn goes on. */
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";

import { calls, says, type ScriptStep } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import { askMessages } from "../fixtures/messages-client.ts";
import {
  asSearxng,
  json,
  startLoopback,
  type Answer,
  type LoopbackServer,
} from "../fixtures/search-servers.ts";
import { startServer, type TestServer } from "./server.ts";

const MIB = 1024 * 1024;
const FETCH = { type: "web_fetch_20250910", name: "web_fetch" };
const SEARCH = { type: "web_search_20250305", name: "web_search" };
const FETCH_SECONDS = 2;

const director = createDirector();
let pages: LoopbackServer;
let engine: LoopbackServer;
/** May open pages of this machine, so that the test can serve them. */
let server: TestServer;
/** As anybody starts it. */
let closed: TestServer;
let answer: Answer;
/** Bytes that the last page has sent. */
let sent = 0;

beforeAll(async () => {
  pages = await startLoopback((asked, response) => PAGES[asked.url.pathname]?.(asked, response));
  engine = await startLoopback((asked, response) => answer(asked, response));
  const env = {
    CURTA_SEARCH: "searxng",
    CURTA_SEARCH_URL: engine.url,
    CURTA_SEARCH_SECONDS: "1",
    CURTA_FETCH_MB: "2",
    CURTA_FETCH_SECONDS: String(FETCH_SECONDS),
  };
  const { provider } = director;
  server = await startServer({ provider, env: { ...env, CURTA_FETCH_PRIVATE: "yes" } });
  closed = await startServer({ provider, env });
});

afterAll(async () => {
  await server?.close();
  await closed?.close();
  await pages?.[Symbol.asyncDispose]();
  await engine?.[Symbol.asyncDispose]();
});

function redirect(location: string): Answer {
  return (_, response) => void response.writeHead(302, { location }).end();
}

function pour(response: ServerResponse, chunk: string, everyMs: number): void {
  sent = 0;
  const timer = setInterval(() => {
    if (response.destroyed) clearInterval(timer);
    else if (response.write(chunk)) sent += chunk.length;
  }, everyMs);
}

const BOMB = gzipSync(Buffer.alloc(512 * MIB));

const PAGES: Record<string, Answer> = {
  "/endless": (_, response) => pour(response, "x".repeat(64 * 1024), 0),
  "/drip": (_, response) => pour(response, "x", 50),
  "/bomb": (_, response) =>
    void response
      .writeHead(200, { "content-type": "text/html", "content-encoding": "gzip" })
      .end(BOMB),
  "/metadata": redirect("http://169.254.169.254/latest/meta-data/"),
  "/file": redirect("file:///etc/passwd"),
  "/circle": redirect("/circle"),
  "/charset": (_, response) =>
    void response
      .writeHead(200, { "content-type": "text/plain; charset=utf-16be" })
      .end(Buffer.from("\ufeffK\u00f6ln", "utf16le")),
  "/latin": (_, response) =>
    void response
      .writeHead(200, { "content-type": "text/html; charset=klingon" })
      .end(Buffer.from('<meta charset="iso-8859-1"><p>K\xf6ln', "latin1")),
  "/secret": (_, response) => void response.end("secret"),
};

async function ask(to: TestServer, content: string, tools: object[], step: ScriptStep) {
  director.play([[step], [says("I go on.")]]);
  const { message, error } = await askMessages(to.url, {
    tools,
    messages: [{ role: "user", content }],
  });
  expect(error).toBeUndefined();
  expect(message.content.at(-1)).toMatchObject({ type: "text", text: "I go on." });
  expect(message.stop_reason).toBe("end_turn");
  return message.content as unknown as { type: string; content?: unknown }[];
}

async function open(to: TestServer, url: string): Promise<unknown> {
  const blocks = await ask(to, `Open ${url}`, [FETCH], calls("web_fetch", { url }));
  return blocks[1]?.content;
}

const failed = (error_code: string): object => ({
  type: "web_fetch_tool_result_error",
  error_code,
});

test.each([
  ["/endless", "content_too_large"],
  ["/bomb", "content_too_large"],
  ["/drip", "url_not_accessible"],
  ["/metadata", "url_not_allowed"],
  ["/file", "url_not_allowed"],
  ["/circle", "url_not_accessible"],
])("the page %s is %s", async (path, code) => {
  const before = process.memoryUsage().rss;
  const started = Date.now();
  expect(await open(server, `${pages.url}${path}`)).toEqual(failed(code));
  expect(Date.now() - started).toBeLessThan((FETCH_SECONDS + 8) * 1000);
  // The server runs in this process: it holds neither the whole bomb nor all that is poured.
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * MIB);
});

test("an endless page is hung up on", () => {
  expect(sent).toBeLessThan(64 * MIB);
});

test.each(["/charset", "/latin"])("the wrong charset of %s is seen through", async (path) => {
  expect(JSON.stringify(await open(server, `${pages.url}${path}`))).toContain('"data":"Köln"');
});

test.each(["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"])(
  "this machine under the name %s is not opened, and not even connected to",
  async (host) => {
    const before = pages.asked.length;
    const url = `http://${host}:${new URL(pages.url).port}/secret`;
    expect(await open(closed, url)).toEqual(failed("url_not_allowed"));
    expect(pages.asked.length).toBe(before);
  },
);

test("nor by code, nor when the page was found by a search", async () => {
  answer = asSearxng([{ url: `${pages.url}/secret`, title: "Found", text: "A page." }]);
  const before = pages.asked.length;
  const code = `import json
url = json.loads(await web_search("anything"))[0]["url"]
try:
    print(await web_fetch({"url": url}))
except Exception as error:
    print("refused:", error)`;
  const tools = [
    { type: "web_search_20260209", name: "web_search" },
    { type: "web_fetch_20260209", name: "web_fetch" },
  ];
  const blocks = await ask(closed, "Look.", tools, calls("code_execution", { code }));
  expect(JSON.stringify(blocks)).toContain("refused: url_not_allowed: ");
  expect(pages.asked.length).toBe(before);
});

test("url_sources keeps what a search has found from being opened", async () => {
  const url = `${pages.url}/secret`;
  answer = asSearxng([{ url, title: "Found", text: "A page." }]);
  const urlSources = { server_tool_results: { type: "none" } };
  for (const [url_sources, expected] of [
    [urlSources, failed("url_not_in_prior_context")],
    [null, { type: "web_fetch_result" }],
  ] as const) {
    director.play([
      [calls("web_search", { query: "a page" })],
      [calls("web_fetch", { url })],
      [says("So.")],
    ]);
    const { message } = await askMessages(server.url, {
      tools: [SEARCH, { ...FETCH, url_sources }],
      messages: [{ role: "user", content: "Look." }],
    });
    expect((message.content[3] as unknown as { content: unknown }).content).toMatchObject(expected);
  }
});

test.each<[string, Answer, string]>([
  ["is slow", () => {}, "unavailable"],
  ["hangs up", (_, response) => void response.destroy(), "unavailable"],
  ["answers with a web page", (_, response) => void response.end("<html>Hi</html>"), "unavailable"],
  ["answers other JSON", (_, response) => json(response, { results: 7 }), "unavailable"],
  ["does not end", (_, response) => pour(response, " ".repeat(64 * 1024), 0), "unavailable"],
  ["is over its quota", (_, response) => json(response, {}, 429), "too_many_requests"],
])("an engine that %s", async (name, how, code) => {
  answer = how;
  const query = `A query of its own: ${name}`;
  const blocks = await ask(server, "Search.", [SEARCH], calls("web_search", { query }));
  expect(blocks[1]?.content).toEqual({ type: "web_search_tool_result_error", error_code: code });
});

test.each([
  ["x".repeat(1500), "query_too_long"],
  ["", "invalid_tool_input"],
])("a query of the model's that is wrong", async (query, code) => {
  const blocks = await ask(server, "Search.", [SEARCH], calls("web_search", { query }));
  expect(blocks[1]?.content).toEqual({ type: "web_search_tool_result_error", error_code: code });
});
