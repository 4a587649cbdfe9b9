/** A batch outlives its server, however that ends. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { startServeProcess, type ServeProcess } from "../fixtures/serve-process.ts";
import { startServer, type Answer, type UpstreamServer } from "../fixtures/upstream/server.ts";

const IDS = ["a", "b", "c", "d"];

let data: string;
let upstream: UpstreamServer;
let server: ServeProcess;
/** Requests that the model does not answer. */
const held = new Set<string>();
/** What the model was asked, in order. */
const asked: string[] = [];

const answer: Answer = (response, { body }) => {
  const [message] = body.messages as { content: unknown }[];
  const text = /say (\w)/.exec(JSON.stringify(message?.content))?.[1] ?? "";
  asked.push(text);
  if (held.has(text)) return;
  const [model, role] = ["m", "assistant"];
  const usage = { input_tokens: 1, output_tokens: 1 };
  const content = [{ type: "text", text: `said ${text}` }];
  const whole = { id: "msg_1", type: "message", stop_reason: "end_turn", stop_sequence: null };
  response
    .writeHead(200, { "content-type": "application/json" })
    .end(JSON.stringify({ ...whole, role, model, content, usage }));
};

async function start(): Promise<void> {
  const cache = process.env.CURTA_CACHE;
  server = await startServeProcess({
    CURTA_DATA: data,
    CURTA_UPSTREAM_URL: upstream.url,
    CURTA_UPSTREAM_API: "anthropic",
    CURTA_UPSTREAM_RETRIES: "0",
    CURTA_BATCH_WORKERS: "1",
    ...(cache === undefined ? {} : { CURTA_CACHE: cache }),
  });
}

async function killAndStart(): Promise<void> {
  server.kill("SIGKILL");
  await server.ended;
  await start();
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "curta-batches-"));
  upstream = await startServer([answer]);
  await start();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
});

interface Batch {
  id: string;
  processing_status: string;
  request_counts: Record<string, number>;
}

async function call(method: string, path: string, json?: object): Promise<string> {
  const response = await fetch(`${server.url}/v1/messages/batches${path}`, {
    method,
    ...(json && { body: JSON.stringify(json), headers: { "content-type": "application/json" } }),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return text;
}

async function create(): Promise<string> {
  asked.length = 0;
  const requests = IDS.map((custom_id) => ({
    custom_id,
    params: {
      model: "m",
      max_tokens: 9,
      messages: [{ role: "user", content: `say ${custom_id}` }],
    },
  }));
  return (JSON.parse(await call("POST", "", { requests })) as Batch).id;
}

async function results(id: string): Promise<string[]> {
  const get = async () => JSON.parse(await call("GET", `/${id}`)) as Batch;
  await expect.poll(async () => (await get()).processing_status, { timeout: 20_000 }).toBe("ended");
  const lines = (await call("GET", `/${id}/results`)).trim().split("\n");
  return lines.map((line) => {
    const { custom_id, result } = JSON.parse(line) as {
      custom_id: string;
      result: { type: string; message?: { content: { text: string }[] } };
    };
    return [custom_id, result.type, result.message?.content[0]?.text].filter(Boolean).join(" ");
  });
}

async function reached(text: string): Promise<void> {
  await expect.poll(() => asked.at(-1), { timeout: 20_000 }).toBe(text);
}

test("kill -9 in the middle: what was done stays, what ran is run again, the rest follows", async () => {
  held.add("c");
  const id = await create();
  await reached("c");
  held.clear();
  await killAndStart();
  expect(await results(id)).toEqual(IDS.map((one) => `${one} succeeded said ${one}`));
  expect(asked).toEqual(["a", "b", "c", "c", "d"]);
});

test("a request in which three servers were killed has an error, and the rest follows", async () => {
  held.add("b");
  const id = await create();
  for (let kills = 1; kills <= 3; kills++) {
    await expect
      .poll(() => asked.filter((text) => text === "b").length, { timeout: 20_000 })
      .toBe(kills);
    await killAndStart();
  }
  expect(await results(id)).toEqual([
    "a succeeded said a",
    "b errored",
    "c succeeded said c",
    "d succeeded said d",
  ]);
  held.clear();
});

test("canceled, then killed: what ran is canceled with the rest", async () => {
  held.add("b");
  const id = await create();
  await reached("b");
  await call("POST", `/${id}/cancel`);
  await killAndStart();
  expect(await results(id)).toEqual([
    "a succeeded said a",
    "b canceled",
    "c canceled",
    "d canceled",
  ]);
  held.clear();
});
