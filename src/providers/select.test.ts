import { afterEach, expect, test } from "vitest";

import { json, startServer, status } from "../../test/fixtures/upstream/server.ts";
import type { Answer, UpstreamServer } from "../../test/fixtures/upstream/server.ts";
import { loadConfig } from "../config.ts";
import type { Provider } from "./provider.ts";
import { createProvider } from "./select.ts";

let server: UpstreamServer | null = null;
let lines: string[] = [];

afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = null;
  lines = [];
});

/** Ollama with these models; capabilities by name. */
async function serveOllama(
  models: object[],
  capabilities: Record<string, string[] | undefined>,
): Promise<void> {
  const show: Answer = (response, asked) =>
    json({ capabilities: capabilities[String(asked.body.model)] })(response, asked);
  server = await startServer({ "/api/tags": json({ models }), "/api/show": show });
}

async function select(
  env: Record<string, string>,
  ollamaUrl = server?.url ?? "http://127.0.0.1:1",
): Promise<Provider> {
  const note = (_: object, message: string): number => lines.push(message);
  const config = loadConfig({ env: { CURTA_DATA: "/nonexistent", ...env } });
  const provider = await createProvider(
    config,
    { modelFile: null, ollamaUrl },
    { debug: note, info: note, warn: note },
  );
  await provider.close();
  return provider;
}

test.each([
  [
    { CURTA_UPSTREAM_URL: "http://host", CURTA_MODEL: "m" },
    { kind: "openai", model: "m" },
  ],
  [
    { CURTA_UPSTREAM_URL: "http://host", CURTA_UPSTREAM_API: "anthropic", CURTA_UPSTREAM_KEY: "k" },
    { kind: "anthropic", model: null },
  ],
])("a configured server: %j", async (env, expected) => {
  await serveOllama([{ name: "there" }], {});
  expect(await select(env)).toMatchObject(expected);
  expect(server?.asked).toEqual([]);
});

test.each([
  [
    "the first that calls tools",
    [{ name: "embed" }, { name: "chat" }, { name: "tools" }],
    {},
    "tools",
  ],
  ["else the first that chats", [{ name: "embed" }, { name: "chat" }], {}, "chat"],
  ["one of an old Ollama that does not tell", [{ name: "old" }], {}, "old"],
  [
    "none that Ollama only forwards",
    [{ name: "cloud", remote_host: "https://ollama.com" }, { name: "tools" }],
    {},
    "tools",
  ],
  [
    "the configured one",
    [{ name: "tools" }, { name: "chat:latest" }],
    { CURTA_MODEL: "chat" },
    "chat:latest",
  ],
])("a running Ollama: %s", async (_, models, env, expected) => {
  await serveOllama(models, {
    embed: ["embedding"],
    chat: ["completion"],
    tools: ["completion", "tools"],
    cloud: ["completion", "tools"],
  });
  expect(await select(env)).toMatchObject({ kind: "openai", model: expected });
  expect(lines[0]).toContain(`The model is ${expected} of the running Ollama`);
});

test("ANTHROPIC_BASE_URL is not looked at", async () => {
  await expect(select({ ANTHROPIC_BASE_URL: "http://127.0.0.1:4242" })).rejects.toThrow(
    /There is no model/,
  );
});

test.each([
  [
    "a key without an address",
    { CURTA_UPSTREAM_KEY: "k" },
    /CURTA_UPSTREAM_KEY is set but CURTA_UPSTREAM_URL is not/,
  ],
  ["a model and nothing to ask for it", { CURTA_MODEL: "m" }, /CURTA_MODEL is "m", but/],
  ["nothing at all", {}, /There is no model/],
  ["no address", { CURTA_UPSTREAM_URL: "host:1" }, /must begin with http/],
])("%s is told in a sentence", async (_, env, message) => {
  await expect(select(env)).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringMatching(message),
  });
});

test("a model that the running Ollama does not have", async () => {
  await serveOllama([{ name: "there" }], {});
  await expect(select({ CURTA_MODEL: "gone" })).rejects.toThrow(/`ollama pull gone` gets it/);
});

test.each([
  ["has no models", json({ models: [] })],
  ["is something else", status(200, "<html>")],
  ["hangs", (): void => undefined],
])("what listens at Ollama's address %s", async (_, answer) => {
  server = await startServer([answer]);
  const begun = performance.now();
  await expect(select({})).rejects.toThrow(/There is no model/);
  expect(performance.now() - begun).toBeLessThan(2_000);
});
