import { setTimeout as sleep } from "node:timers/promises";

import { expect, test } from "vitest";

import { createTestApp, type TestApp } from "../../test/support/test-app.ts";
import type { MessagesHandler } from "./services.ts";

const PATH = "/v1/messages/batches";
const params = { model: "m", max_tokens: 5, messages: [] };

interface Batch {
  id: string;
  processing_status: string;
  results_url: string | null;
  request_counts: Record<string, number>;
}

async function create(app: TestApp, ...ids: string[]): Promise<Batch> {
  const requests = ids.map((custom_id) => ({ custom_id, params: { ...params, id: custom_id } }));
  const answer = await app.send("POST", PATH, {
    json: { requests },
    headers: { "anthropic-beta": "beta-1" },
  });
  return (await answer.json()) as Batch;
}

const get = async (app: TestApp, id: string): Promise<Batch> =>
  (await (await app.send("GET", `${PATH}/${id}`)).json()) as Batch;

async function ended(app: TestApp, id: string): Promise<void> {
  const status = async () => (await get(app, id)).processing_status;
  await expect.poll(status, { timeout: 5000 }).toBe("ended");
}

test("each request is sent as it would be alone, and its answer is its result", async () => {
  const seen: Record<string, unknown>[] = [];
  const messages: MessagesHandler = async (request) => {
    const body = (await request.json()) as Record<string, unknown>;
    seen.push({ ...body, beta: request.headers.get("anthropic-beta") });
    return body.id === "bad"
      ? Response.json({ type: "error" }, { status: 400 })
      : Response.json({ type: "message" });
  };
  await using app = await createTestApp({ messages });
  const { id, results_url } = await create(app, "good", "bad");
  expect(results_url).toBeNull();
  await ended(app, id);
  expect(seen).toContainEqual({ ...params, id: "good", stream: false, beta: "beta-1" });
  const results = await app.send("GET", `${PATH}/${id}/results`);
  expect(results.headers.get("content-type")).toBe("application/x-jsonl");
  expect((await results.text()).trim().split("\n")).toEqual([
    '{"custom_id":"good","result":{"type":"succeeded","message":{"type":"message"}}}',
    '{"custom_id":"bad","result":{"type":"errored","error":{"type":"error"}}}',
  ]);
  expect((await get(app, id)).results_url).toBe(`http://127.0.0.1:4242${PATH}/${id}/results`);
});

test("nothing of a batch runs while another request is under way", async () => {
  let ran = 0;
  const messages: MessagesHandler = async () => {
    ran += 1;
    return Response.json({});
  };
  await using app = await createTestApp({ messages });
  const end = app.inFlight.begin();
  const { id } = await create(app, "a");
  await sleep(200);
  expect(ran).toBe(0);
  expect(await get(app, id)).toMatchObject({
    processing_status: "in_progress",
    request_counts: { processing: 1, succeeded: 0 },
  });
  end();
  await ended(app, id);
  expect(ran).toBe(1);
});

test("an overloaded model is asked again", async () => {
  let asked = 0;
  const messages: MessagesHandler = async () => {
    asked += 1;
    if (asked > 2) return Response.json({});
    return Response.json({}, { status: asked === 1 ? 529 : 429, headers: { "retry-after": "0" } });
  };
  await using app = await createTestApp({ messages });
  const { id } = await create(app, "a");
  await ended(app, id);
  expect((await get(app, id)).request_counts.succeeded).toBe(1);
});

test("what runs when a batch is canceled, or when the server closes, is not lost", async () => {
  const given = Promise.withResolvers<Response>();
  let aborted = false;
  const messages: MessagesHandler = async (request) => {
    request.signal.addEventListener("abort", () => {
      aborted = true;
      given.resolve(Response.json({}, { status: 500 }));
    });
    return given.promise;
  };
  const app = await createTestApp({ messages, config: { batchWorkers: 1 } });
  const { id } = await create(app, "a", "b");
  await expect.poll(async () => (await get(app, id)).processing_status).toBe("in_progress");
  await sleep(100);
  const canceled = await app.send("POST", `${PATH}/${id}/cancel`);
  expect(await canceled.json()).toMatchObject({ processing_status: "canceling", id });
  expect((await app.send("DELETE", `${PATH}/${id}`)).status).toBe(400);
  expect((await app.send("GET", `${PATH}/${id}/results`)).status).toBe(400);
  await app[Symbol.asyncDispose]();
  expect(aborted).toBe(true);
});

test.each([
  [{}, "requests"],
  [{ requests: [] }, "requests"],
  [{ requests: [{ custom_id: "a b", params }] }, "custom_id"],
  [{ requests: [{ custom_id: "a", params: 7 }] }, "params"],
  [
    {
      requests: [
        { custom_id: "a", params },
        { custom_id: "a", params },
      ],
    },
    "unique",
  ],
])("%j is refused", async (json, word) => {
  await using app = await createTestApp();
  const answer = await app.send("POST", PATH, { json });
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain(word);
});

test("an unknown batch is 404 everywhere", async () => {
  await using app = await createTestApp();
  for (const [method, path] of [
    ["GET", ""],
    ["DELETE", ""],
    ["POST", "/cancel"],
    ["GET", "/results"],
  ] as const)
    expect((await app.send(method, `${PATH}/msgbatch_none${path}`)).status).toBe(404);
  expect((await app.send("GET", `${PATH}?limit=0`)).status).toBe(400);
});
