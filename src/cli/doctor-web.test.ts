import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { asSearxng, startLoopback } from "../../test/fixtures/search-servers.ts";
import { loadConfig } from "../config.ts";
import { openIndexStore } from "../search/index-store.ts";
import { inspectWeb } from "./doctor-web.ts";

let data: string;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "curta-doctor-"));
});

afterEach(() => rm(data, { recursive: true, force: true }));

async function inspect(env: Record<string, string> = {}) {
  const config = loadConfig({ env: { CURTA_DATA: data, ...env } });
  return inspectWeb(config, new AbortController().signal);
}

test("nothing to search is missing and not required; private addresses are closed", async () => {
  expect(await inspect()).toMatchObject([
    { name: "web search", state: "missing", required: false, detail: "none" },
    { name: "web fetch", state: "enforced", detail: expect.stringContaining("private network") },
  ]);
});

test("documents are counted, and a fetch that may go into the own network is given up", async () => {
  const store = openIndexStore(data);
  const collection = store.openCollection("/documents");
  store.put(collection, { path: "a.txt", title: "a", modifiedMs: 0, sizeBytes: 1 }, "words");
  store.close();
  expect(await inspect({ CURTA_FETCH_PRIVATE: "yes" })).toMatchObject([
    { state: "present", detail: "1 documents of your own" },
    { state: "given up", detail: expect.stringContaining("CURTA_FETCH_PRIVATE") },
  ]);
});

test("SearXNG is asked once: it answers, or not in JSON", async () => {
  await using good = await startLoopback(asSearxng([]));
  await using closed = await startLoopback((_, response) => void response.writeHead(403).end());
  const ask = (url: string) => inspect({ CURTA_SEARCH: "searxng", CURTA_SEARCH_URL: url });
  expect(await ask(good.url)).toMatchObject([{ state: "present" }, {}]);
  expect(good.asked).toHaveLength(1);
  expect(await ask(closed.url)).toMatchObject([
    { state: "missing", required: false, remedy: expect.stringContaining("settings.yml") },
    {},
  ]);
});

test("settings that a server does not start with are missing and required", async () => {
  expect(await inspect({ CURTA_SEARCH: "brave" })).toMatchObject([
    { state: "missing", required: true, remedy: expect.stringContaining("CURTA_SEARCH_KEY") },
    {},
  ]);
  expect(await inspect({ CURTA_SEARCH: "brave", CURTA_SEARCH_KEY: "k" })).toMatchObject([
    { state: "present", detail: expect.stringContaining("not tried") },
    {},
  ]);
});
