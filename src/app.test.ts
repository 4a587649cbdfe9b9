import { expect, test } from "vitest";

import { noWeb } from "../test/support/no-web.ts";
import { MemoryContainers } from "../test/support/memory-containers.ts";
import { createTestApp } from "../test/support/test-app.ts";
import type { SendOptions } from "../test/support/test-app.ts";
import { withoutModel } from "./cli/without-model.ts";
import { loadConfig } from "./config.ts";
import { createMessagesHandler } from "./http/messages.ts";
import { createLog } from "./telemetry/log.ts";

const INVALID = "invalid_request_error";

test("a container is made, found, listed and deleted", async () => {
  await using app = await createTestApp();
  const made = await (await app.send("POST", "/v1/containers", { json: {} })).json();
  expect(made).toEqual({
    type: "container",
    id: "container_1",
    created_at: "1970-01-01T00:00:00.000Z",
    expires_at: "1970-01-01T01:00:00.000Z",
  });
  expect(await (await app.send("GET", "/v1/containers/container_1")).json()).toEqual(made);
  expect(await (await app.send("GET", "/v1/containers")).json()).toMatchObject({
    data: [made],
    has_more: false,
  });
  expect(await (await app.send("DELETE", "/v1/containers/container_1")).json()).toEqual({
    id: "container_1",
    type: "container_deleted",
  });
  const gone = await app.send("GET", "/v1/containers/container_1");
  expect([gone.status, await gone.json()]).toMatchObject([
    404,
    { type: "error", error: { type: "not_found_error" } },
  ]);
});

test("a container is made without a body too", async () => {
  await using app = await createTestApp();
  expect((await app.send("POST", "/v1/containers")).status).toBe(200);
});

test("an execution answers with output, displays and stored files", async () => {
  await using app = await createTestApp();
  await app.send("POST", "/v1/containers");
  const code = "print one\nwarn two\nshow three\nfile table.csv\nprint four";
  const answer = await app.send("POST", "/v1/containers/container_1/execute", {
    json: { code, timeout: 1.5 },
  });
  const execution = (await answer.json()) as { files: { id: string }[] };
  expect(execution).toMatchObject({
    type: "execution",
    id: expect.stringMatching(/^exec_01[1-9A-Za-z]{22}$/),
    status: "ok",
    stdout: "one\nfour\n",
    stderr: "two\n",
    return_code: 0,
    outputs: [{ type: "display_data", data: { "text/plain": "three" }, metadata: {} }],
    error: null,
    files: [
      {
        type: "file",
        id: expect.stringMatching(/^file_/),
        filename: "table.csv",
        mime_type: "text/csv",
        size_bytes: 4,
      },
    ],
    usage: { wall_ms: 1, cpu_ms: 1, peak_memory_bytes: 1 },
    notice: null,
  });
  expect(app.containers.executed).toEqual([
    { code, language: "python", timeoutMs: 1500, live: false },
  ]);
  const content = await app.send("GET", `/v1/files/${execution.files[0]?.id}/content`);
  expect(await content.text()).toBe("a,b\n");
});

test("a stream has the same parts in order, and done carries the whole execution", async () => {
  await using app = await createTestApp();
  await app.send("POST", "/v1/containers");
  const json = { code: "print one\nshow two\nfile t.csv\nwarn three", stream: true };
  const answer = await app.send("POST", "/v1/containers/container_1/execute", { json });
  expect(answer.headers.get("content-type")).toContain("text/event-stream");
  const events = parseEvents(await answer.text());
  expect(events.map(({ event }) => event)).toEqual(["stdout", "output", "file", "stderr", "done"]);
  expect(events[0]?.data).toEqual({ type: "stdout", text: "one\n" });
  expect(events.at(-1)?.data).toMatchObject({
    type: "execution",
    stdout: "one\n",
    stderr: "three\n",
    files: [events[2]?.data],
  });
});

test("an error in mid-stream is an event with the envelope, its detail in the log only", async () => {
  await using app = await createTestApp();
  await app.send("POST", "/v1/containers");
  const json = { code: "print one\nthrow here", stream: true };
  const answer = await app.send("POST", "/v1/containers/container_1/execute", { json });
  const text = await answer.text();
  const last = parseEvents(text).at(-1);
  expect(last).toMatchObject({
    event: "error",
    data: {
      type: "error",
      error: { type: "api_error" },
      request_id: answer.headers.get("request-id"),
    },
  });
  expect(text).not.toContain("secret detail");
  expect(app.logged.join("")).toContain("secret detail");
});

test("a reader that cancels the stream stops the code, the container stays", async () => {
  await using app = await createTestApp();
  await app.send("POST", "/v1/containers");
  const stopped = new Promise((resolve) => app.containers.events.once("stopped", resolve));
  const json = { code: "print one\nwait", stream: true };
  const answer = await app.send("POST", "/v1/containers/container_1/execute", { json });
  const reader = answer.body!.getReader();
  await reader.read();
  await reader.cancel();
  await stopped;
  expect((await app.send("GET", "/v1/containers/container_1")).status).toBe(200);
});

const EXECUTE = "/v1/containers/container_1/execute";
test.each<[string, SendOptions, string]>([
  ["broken JSON", { body: "{", headers: { "content-type": "application/json" } }, "not valid JSON"],
  [
    "a form",
    { body: "code=1", headers: { "content-type": "application/x-www-form-urlencoded" } },
    "content-type: application/json",
  ],
  [
    "text/plain",
    { body: "{}", headers: { "content-type": "text/plain" } },
    "content-type: application/json",
  ],
  ["no code", { json: {} }, "code: required"],
  ["code that is no string", { json: { code: 1 } }, "code: must be a string"],
  ["code too large", { json: { code: "é".repeat(513) } }, "code: is larger than 1 KiB"],
  [
    "an unknown language",
    { json: { code: "", language: "ruby" } },
    'language: must be "python" or "bash"',
  ],
  [
    "a timeout under 1",
    { json: { code: "", timeout: 0.5 } },
    "timeout: must be a number of seconds from 1 to 30",
  ],
  ["a timeout over the limit", { json: { code: "", timeout: 30.1 } }, "timeout: must be"],
  ["a timeout that is no number", { json: { code: "", timeout: "5" } }, "timeout: must be"],
  ["a misspelt field", { json: { code: "", time_out: 5 } }, "time_out"],
  ["an array", { json: [] }, "expected object"],
])("execute refuses %s", async (_name, options, message) => {
  await using app = await createTestApp({ config: { codeKb: 1 } });
  await app.send("POST", "/v1/containers");
  const answer = await app.send("POST", EXECUTE, options);
  const body = (await answer.json()) as { error: { message: string } };
  expect([answer.status, body]).toMatchObject([400, { type: "error", error: { type: INVALID } }]);
  expect(body.error.message).toContain(message);
  expect(app.containers.executed).toEqual([]);
});

test.each([
  ["with its length", (bytes: Uint8Array<ArrayBuffer>): BodyInit => bytes],
  ["in chunks", (bytes: Uint8Array<ArrayBuffer>): BodyInit => new Blob([bytes]).stream()],
])("a body over the limit sent %s is refused", async (_name, toBody) => {
  await using app = await createTestApp({ config: { requestMb: 1, uploadMb: 1 } });
  await app.send("POST", "/v1/containers");
  const tooMuch = new Uint8Array(1024 * 1024 + 1);
  for (const [method, path] of [
    ["POST", EXECUTE],
    ["PUT", "/v1/containers/container_1/files/big.bin"],
  ] as const) {
    const request = new Request(`http://localhost${path}`, {
      method,
      body: toBody(tooMuch),
      headers: { "content-type": "application/json" },
      duplex: "half",
    } as RequestInit);
    const answer = await app.app.fetch(request);
    expect([path, answer.status, await answer.json()]).toMatchObject([
      path,
      413,
      { error: { type: "request_too_large" } },
    ]);
  }
});

test("workspace files go in, are listed and come out under the names they had", async () => {
  await using app = await createTestApp();
  await app.send("POST", "/v1/containers");
  const names = ["data.csv", "sub/folder/x.txt", "été 100%.txt", "%41.txt", "名前.csv"];
  for (const name of names) {
    const path = `/v1/containers/container_1/files/${name.split("/").map(encodeURIComponent).join("/")}`;
    const put = await app.send("PUT", path, { body: name });
    expect(await put.json()).toEqual({
      type: "workspace_file",
      path: name,
      size_bytes: Buffer.byteLength(name),
    });
    const got = await app.send("GET", path);
    expect([await got.text(), got.headers.get("content-security-policy")]).toEqual([
      name,
      "sandbox; default-src 'none'",
    ]);
  }
  const list = (await (await app.send("GET", "/v1/containers/container_1/files")).json()) as {
    data: { path: string }[];
  };
  expect(list.data.map(({ path }) => path)).toEqual(names);
});

test("a path out of the workspace reaches no file", async () => {
  await using app = await createTestApp();
  await app.send("POST", "/v1/containers");
  const encoded = await app.send("PUT", "/v1/containers/container_1/files/..%2F..%2Fetc%2Fpasswd", {
    body: "x",
  });
  expect(encoded.status).toBe(400);
  const dotted = await app.send("PUT", "/v1/containers/container_1/files/../../../etc/passwd", {
    body: "x",
  });
  expect(dotted.status).toBe(404);
});

test("unknown paths and methods answer with the envelope", async () => {
  await using app = await createTestApp();
  const unknown = await app.send("GET", "/v1/nothing");
  expect([unknown.status, await unknown.json()]).toMatchObject([
    404,
    { error: { type: "not_found_error" } },
  ]);
  const method = await app.send("DELETE", "/v1/containers/container_1/execute");
  expect([method.status, method.headers.get("allow"), await method.json()]).toMatchObject([
    405,
    "POST",
    { error: { type: INVALID } },
  ]);
  expect((await app.send("POST", "/healthz")).headers.get("allow")).toBe("GET, HEAD");
});

test.each([
  ["/v1/v1/messages", /adds \/v1 itself/],
  ["//v1/messages", /slash at the end/],
  ["/messages", /put \/v1 at the end/],
  ["/v1/chat/completions", /POST \/v1\/messages/],
  ["/v1/complete", /GET \/ says/],
])("a client with another base URL than it should have is told: %s", async (path, says) => {
  await using app = await createTestApp();
  const answer = await app.send("POST", path, { json: {} });
  const { error } = (await answer.json()) as { error: { message: string } };
  expect([answer.status, error.message]).toEqual([404, expect.stringMatching(says)]);
});

test("every answer has a request id of its own, and the log has it too", async () => {
  await using app = await createTestApp();
  const ids = new Set<string>();
  for (const path of ["/", "/healthz", "/v1/files", "/nothing", "/v1/files/file_x"]) {
    const answer = await app.send("GET", path);
    const id = answer.headers.get("request-id") ?? "";
    expect(id).toMatch(/^req_01[1-9A-Za-z]{22}$/);
    expect(app.logged.join("")).toContain(id);
    ids.add(id);
  }
  expect(ids.size).toBe(5);
});

test("the log has no second line for a message, and one for a message that was not let in", async () => {
  await using app = await createTestApp({ config: { apiKeys: "sk-1" } });
  const headers = { "x-api-key": "sk-1" };
  await app.send("POST", "/v1/messages", { json: {}, headers });
  expect(app.logged.filter((line) => line.includes('"level":"info"'))).toEqual([]);
  await app.send("POST", "/v1/messages", { json: {} });
  expect(app.logged.join("")).toContain('"status":401');
});

test("an error's envelope has the request id of its header", async () => {
  await using app = await createTestApp();
  const answer = await app.send("GET", "/nothing");
  expect(await answer.json()).toMatchObject({ request_id: answer.headers.get("request-id") });
});

test("clients are kept from repeating what fails again", async () => {
  await using app = await createTestApp();
  await app.send("POST", "/v1/containers");
  const fault = await app.send("POST", "/v1/containers/container_1/execute", {
    json: { code: "throw here" },
  });
  expect([fault.status, fault.headers.get("x-should-retry")]).toEqual([500, "false"]);
  app.inFlight.drain();
  const stopping = await app.send("GET", "/v1/files");
  expect([stopping.status, stopping.headers.get("x-should-retry")]).toEqual([529, null]);
  expect(stopping.headers.get("retry-after")).toBe("5");
});

test("the Messages API gets the request and its id", async () => {
  await using app = await createTestApp();
  const answer = await app.send("POST", "/v1/messages?beta=true", { json: { model: "m" } });
  const requestId = answer.headers.get("request-id");
  expect(await answer.json()).toEqual({ requestId, received: { model: "m" } });
});

test.each([
  ["a form", "application/x-www-form-urlencoded", 400],
  ["text/plain", "text/plain", 400],
  ["JSON over the limit", "application/json", 413],
])("the Messages API refuses %s", async (_name, type, status) => {
  const config = loadConfig({ env: {}, flags: { data: "/dev/null", requestMb: 1 } });
  const messages = createMessagesHandler({
    config,
    log: createLog({ log: "silent" }),
    provider: withoutModel,
    containers: new MemoryContainers(),
    ledger: { append: () => {} },
    web: noWeb,
    clock: { now: Date.now },
  });
  await using app = await createTestApp({ messages });
  const answer = await app.send("POST", "/v1/messages", {
    body: `{"x":"${"y".repeat(1024 * 1024)}"}`,
    headers: { "content-type": type },
  });
  const id = answer.headers.get("request-id");
  expect([answer.status, await answer.json()]).toMatchObject([status, { request_id: id }]);
});

test("health tells the state, and before a shutdown says so and turns work away", async () => {
  await using app = await createTestApp();
  expect(await (await app.send("GET", "/healthz")).json()).toMatchObject({
    name: "curta",
    status: "ok",
    version: "0.0.0",
    model: { provider: "scripted", name: null },
    sandbox: { state: "ready", containers: 0, max_containers: 256 },
  });
  app.inFlight.drain();
  expect((await app.send("GET", "/healthz")).status).toBe(503);
  const refused = await app.send("GET", "/v1/containers");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([529, "5"]);
});

test("the landing page names the next step with the address it was asked at", async () => {
  await using app = await createTestApp();
  expect(await (await app.send("GET", "/")).text()).toContain(
    "curl -s http://127.0.0.1:4242/v1/messages",
  );
});

test("the landing page names every group of paths, and a key where one is needed", async () => {
  await using app = await createTestApp();
  const open = await (await app.send("GET", "/")).text();
  for (const path of ["messages/batches", "messages/count_tokens", "models", "files", "usage"])
    expect(open).toContain(`/v1/${path}`);
  expect(open).toContain("x-api-key: any");
  await using locked = await createTestApp({ config: { apiKeys: "one" } });
  const closed = await (await locked.send("GET", "/")).text();
  expect(closed.match(/-H 'x-api-key: YOUR_KEY'/g)).toHaveLength(2);
});

test.each<[string, Record<string, string>, number]>([
  ["no key", {}, 401],
  ["a wrong key", { "x-api-key": "three" }, 401],
  ["part of a key", { "x-api-key": "on" }, 401],
  ["a key as x-api-key", { "x-api-key": "one" }, 200],
  ["another as Bearer", { authorization: "Bearer two" }, 200],
  [
    "a wrong x-api-key beside a right Bearer",
    { "x-api-key": "three", authorization: "Bearer two" },
    200,
  ],
  ["Basic", { authorization: "Basic one" }, 401],
  ["both keys in one", { "x-api-key": "one,two" }, 401],
])("with keys configured, %s", async (_name, headers, status) => {
  await using app = await createTestApp({ config: { apiKeys: "one, two" } });
  const answer = await app.send("GET", "/v1/containers", {
    headers: { ...headers, host: "curta.example" },
  });
  const { error } = (await answer.json()) as { error?: { type: string } };
  expect([answer.status, error?.type]).toEqual([
    status,
    status === 401 ? "authentication_error" : undefined,
  ]);
});

test("health without a key tells nothing but that it works", async () => {
  await using app = await createTestApp({ config: { apiKeys: "one" } });
  expect(await (await app.send("GET", "/healthz")).json()).toEqual({ name: "curta", status: "ok" });
  const known = await app.send("GET", "/healthz", { headers: { "x-api-key": "one" } });
  expect(await known.json()).toHaveProperty("version");
});

test("no key and no body of a request is in the log", async () => {
  await using app = await createTestApp({ config: { apiKeys: "sk-hidden" } });
  for (const key of ["sk-hidden", "sk-guess"]) {
    await app.send("POST", "/v1/messages", {
      json: { text: "private words" },
      headers: { "x-api-key": key },
    });
  }
  expect(app.logged.length).toBeGreaterThan(1);
  expect(app.logged.join("")).not.toMatch(/sk-|private words/);
});

test.each([
  ["localhost:4242", 200],
  ["127.0.0.1:4242", 200],
  ["127.9.9.9", 200],
  ["[::1]:4242", 200],
  ["LOCALHOST.", 200],
  ["evil.example:4242", 403],
  ["localhost.evil.example", 403],
  ["127.0.0.1.evil.example", 403],
  ["192.168.1.5:4242", 403],
  ["0.0.0.0:4242", 403],
])("without keys the host %s answers %i", async (host, status) => {
  await using app = await createTestApp();
  expect((await app.send("GET", "/v1/containers", { headers: { host } })).status).toBe(status);
});

const HERE = { host: "127.0.0.1:4242" };
test.each<[string, Record<string, string>, number]>([
  ["the server's own page", { ...HERE, origin: "http://127.0.0.1:4242" }, 200],
  ["its own page behind TLS", { ...HERE, origin: "https://127.0.0.1:4242" }, 200],
  ["another port of this machine", { ...HERE, origin: "http://127.0.0.1:3000" }, 403],
  ["another name of this machine", { ...HERE, origin: "http://localhost:4242" }, 403],
  ["another site", { ...HERE, origin: "https://evil.example" }, 403],
  ["a sandboxed page", { ...HERE, origin: "null" }, 403],
  ["an image of another site", { ...HERE, "sec-fetch-site": "cross-site" }, 403],
  ["an image of another port", { ...HERE, "sec-fetch-site": "same-site" }, 403],
  [
    "another site with any key, when none is configured",
    { ...HERE, origin: "https://evil.example", "x-api-key": "k" },
    403,
  ],
])("a request of %s", async (_name, headers, status) => {
  await using app = await createTestApp();
  expect((await app.send("GET", "/v1/containers", { headers })).status).toBe(status);
});

test("a page of another origin with a key may use the server and read its answers", async () => {
  await using app = await createTestApp({ config: { apiKeys: "one" } });
  const origin = "https://page.example";
  const preflight = await app.send("OPTIONS", "/v1/messages", {
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "x-api-key",
    },
  });
  expect([preflight.status, preflight.headers.get("access-control-allow-headers")]).toEqual([
    204,
    "x-api-key",
  ]);
  const with_ = await app.send("GET", "/v1/containers", {
    headers: { origin, "x-api-key": "one" },
  });
  expect([with_.status, with_.headers.get("access-control-allow-origin")]).toEqual([200, origin]);
  const without = await app.send("GET", "/v1/containers", { headers: { origin } });
  expect([without.status, without.headers.get("access-control-allow-origin")]).toEqual([403, null]);
});

test("without keys a preflight of another origin is refused", async () => {
  await using app = await createTestApp();
  const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
  expect((await app.send("OPTIONS", "/v1/messages", { headers })).status).toBe(403);
});

function parseEvents(text: string): { event: string; data: Record<string, unknown> }[] {
  return text
    .trim()
    .split("\n\n")
    .map((block) => {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(block)!;
      return { event: event!, data: JSON.parse(data!) as Record<string, unknown> };
    });
}
