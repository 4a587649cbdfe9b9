import { expect, test } from "vitest";

import { json, startServer, status } from "../../test/fixtures/upstream/server.ts";
import { createAnthropicProvider } from "./anthropic.ts";
import { createModelList } from "./model-list.ts";
import { createOpenAiProvider } from "./openai-compatible.ts";
import type { UpstreamOptions } from "./upstream.ts";

const { signal } = new AbortController();
const PATH = "/v1/models?limit=1000";

function optionsFor(url: string): UpstreamOptions {
  const log = { debug() {}, info() {}, warn() {} };
  return { url, key: "sk-up", model: "", timeoutSeconds: 5, retries: 0, log };
}

test("the list of a Messages API, its odd entries left out", async () => {
  await using server = await startServer({
    [PATH]: json({
      data: [
        { type: "model", id: "m-1", display_name: "M 1", created_at: "2026-01-02T03:04:05Z" },
        { id: "m-2", created_at: "yesterday" },
        { id: 3 },
        null,
      ],
    }),
  });
  const provider = createAnthropicProvider(optionsFor(server.url));
  expect(await provider.listModels?.(signal)).toEqual([
    { id: "m-1", displayName: "M 1", createdAt: "2026-01-02T03:04:05Z" },
    { id: "m-2" },
  ]);
  expect(server.asked[0]?.headers["x-api-key"]).toBe("sk-up");
  await provider.close();
});

test("the list of Chat Completions has seconds", async () => {
  await using server = await startServer({
    [PATH]: json({
      object: "list",
      data: [{ id: "qwen", object: "model", created: 1_700_000_000 }],
    }),
  });
  const provider = createOpenAiProvider(optionsFor(server.url));
  expect(await provider.listModels?.(signal)).toEqual([
    { id: "qwen", createdAt: "2023-11-14T22:13:20.000Z" },
  ]);
  await provider.close();
});

test("the list is kept for a while, a failure is not", async () => {
  const answers: unknown[] = [new Error("away"), { data: [{ id: "a" }] }, { data: [{ id: "b" }] }];
  const upstream = {
    async lookUp() {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  let now = 1;
  const list = createModelList(upstream, () => now);
  await expect(list(signal)).rejects.toThrow("away");
  for (const id of ["a", "a"]) expect(await list(signal)).toEqual([{ id }]);
  now += 60_000;
  expect(await list(signal)).toEqual([{ id: "b" }]);
});

test("a server that does not tell has an empty list", async () => {
  await using server = await startServer([status(404, "404 page not found")]);
  const provider = createOpenAiProvider(optionsFor(server.url));
  expect(await provider.listModels?.(signal)).toEqual([]);
  await provider.close();
});

test.each([
  ["a Messages API", { max_input_tokens: 200_000, max_tokens: 64_000 }, 200_000, 64_000],
  ["vLLM", { max_model_len: 32_768 }, 32_768, undefined],
  ["llama.cpp", { meta: { n_vocab: 151_936, n_ctx_train: 40_960 } }, 40_960, undefined],
  [
    "OpenRouter",
    { context_length: 131_072, top_provider: { max_completion_tokens: 8192 } },
    131_072,
    8192,
  ],
  ["Groq", { context_window: 131_072, max_completion_tokens: 32_768 }, 131_072, 32_768],
  ["LM Studio", { max_context_length: 8192, loaded_context_length: 4096 }, 4096, undefined],
  ["nonsense", { max_model_len: "many", max_tokens: -1, meta: 7 }, undefined, undefined],
])("limits as %s tells them", async (_, fields, maxInputTokens, maxTokens) => {
  const list = createModelList({ lookUp: async () => ({ data: [{ id: "m", ...fields }] }) });
  const [model] = await list(signal);
  expect([model?.maxInputTokens, model?.maxTokens]).toEqual([maxInputTokens, maxTokens]);
});
