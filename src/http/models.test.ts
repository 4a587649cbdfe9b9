import { expect, test } from "vitest";

import { GatewayError } from "../errors.ts";
import { createTestApp, silentProvider } from "../../test/support/test-app.ts";

const LISTED = [
  { id: "a", displayName: "Model A", createdAt: "2026-01-02T03:04:05Z" },
  { id: "vendor/b" },
  { id: "c" },
];
const choosing = { ...silentProvider, listModels: async () => LISTED };

interface Page {
  data: { id: string }[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

test("the models of the server behind, page by page in both directions", async () => {
  await using app = await createTestApp({ provider: choosing });
  const get = async (query: string): Promise<Page> =>
    (await (await app.send("GET", `/v1/models${query}`)).json()) as Page;
  const idsOf = ({ data }: Page): string[] => data.map(({ id }) => id);

  const first = await get("?limit=2");
  expect(idsOf(first)).toEqual(["a", "vendor/b"]);
  expect(first).toMatchObject({ first_id: "a", last_id: "vendor/b", has_more: true });
  const second = await get("?limit=2&after_id=vendor/b");
  expect(idsOf(second)).toEqual(["c"]);
  expect(second.has_more).toBe(false);
  const back = await get("?limit=1&before_id=c");
  expect(idsOf(back)).toEqual(["vendor/b"]);
  expect(back.has_more).toBe(true);
  expect(await get("?after_id=gone")).toEqual({
    data: [],
    first_id: null,
    last_id: null,
    has_more: false,
  });
  expect((await app.send("GET", "/v1/models?limit=0")).status).toBe(400);
  expect((await app.send("GET", "/v1/models?after_id=a&before_id=c")).status).toBe(400);
});

test("one model, also with a slash in its name; another is 404", async () => {
  await using app = await createTestApp({ provider: choosing });
  const one = await app.send("GET", "/v1/models/a");
  expect(await one.json()).toMatchObject({
    id: "a",
    type: "model",
    display_name: "Model A",
    created_at: "2026-01-02T03:04:05Z",
    capabilities: { code_execution: { supported: true }, image_input: { supported: false } },
  });
  for (const path of ["vendor/b", "vendor%2Fb"]) {
    const found = await app.send("GET", `/v1/models/${path}`);
    expect(await found.json()).toMatchObject({ id: "vendor/b", display_name: "vendor/b" });
  }
  const missing = await app.send("GET", "/v1/models/none");
  expect(missing.status).toBe(404);
  expect(await missing.json()).toMatchObject({
    error: { type: "not_found_error", message: "model: none" },
  });
});

test("a provider with a model of its own has that one, with what its server says of it", async () => {
  const limits = { maxInputTokens: 8192, maxTokens: 4096 };
  const listModels = async () => [...LISTED, { id: "own", ...limits }];
  await using app = await createTestApp({ provider: { ...choosing, model: "own", listModels } });
  expect(await (await app.send("GET", "/v1/models")).json()).toMatchObject({
    data: [{ id: "own", max_input_tokens: 8192, max_tokens: 4096 }],
    has_more: false,
  });
});

test.each([
  ["another list", async () => LISTED],
  ["no answer", () => Promise.reject(new GatewayError("upstream", "away"))],
])("nothing is known of it: %s", async (_, listModels) => {
  await using app = await createTestApp({ provider: { ...choosing, model: "own", listModels } });
  expect(await (await app.send("GET", "/v1/models/own")).json()).toMatchObject({
    id: "own",
    max_input_tokens: null,
    max_tokens: null,
  });
});
