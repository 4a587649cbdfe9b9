import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { expect, test } from "vitest";

import { createTestIo } from "../../test/support/test-io.ts";
import { runCli } from "./program.ts";

/** A server that knows one path, answers errors right and everything else wrong. */
async function startOther(): Promise<AsyncDisposable & { url: string; keys: Set<string> }> {
  const keys = new Set<string>();
  const server = createServer((request, response) => {
    keys.add(String(request.headers["x-api-key"]));
    const isList = request.url === "/v1/models";
    const error = { type: "not_found_error", message: "Nothing here.\u001b[31m" };
    response
      .writeHead(isList ? 200 : 404, { "content-type": "application/json", "request-id": "req_1" })
      .end(JSON.stringify(isList ? { data: [{ id: "its-model" }] } : { type: "error", error }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1/`,
    keys,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("a line for each case, a table, and the exit code of what failed", async () => {
  await using other = await startOther();
  await using io = await createTestIo();
  const args = ["conformance", "--url", other.url, "--key", "sk-other"];
  expect(await runCli([...args, "--only", "errors/path", "--only", "7.6.1"], io)).toBe(1);
  expect([...other.keys]).toContain("sk-other");
  const lines = io.out().split("\n");
  expect(lines.filter((line) => line.startsWith("FAIL    7.6.1/"))).toHaveLength(5);
  expect(lines).toContain("ok      errors/path: an unknown path: 404 with an envelope");
  expect(io.out()).toMatch(/^headers +0 +5 +0$/m);
  expect(io.out()).toMatch(/^all +1 +5 +0$/m);
  // What a server says is shown, not obeyed.
  expect(io.out()).not.toContain("\u001b");
});

test("--json prints one report, and nothing failed is exit code 0", async () => {
  await using other = await startOther();
  await using io = await createTestIo();
  const args = ["conformance", "--url", other.url, "--json", "--only", "errors/path"];
  expect(await runCli(args, io)).toBe(0);
  expect(JSON.parse(io.out())).toMatchObject({
    url: other.url,
    model: "its-model",
    groups: [{ group: "errors", ok: 1, failed: 0, skipped: 0 }],
    cases: [{ name: "errors/path", outcome: "ok", reason: "" }],
  });
});

test("a server that lists no models: the model has to be named", async () => {
  const server = createServer((_, response) => response.writeHead(401).end("{}"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using io = await createTestIo();
  expect(await runCli(["conformance", "--url", url], io)).toBe(1);
  expect(io.err()).toBe(
    `curta: ${url} lists no models (status 401); name one with --model, and give --key if it wants a key\n`,
  );
  await new Promise((resolve) => server.close(resolve));
});

test.each([
  [[], "give --url"],
  [["--scripted", "--url", "http://127.0.0.1:9"], "give --url"],
  [["--url", "http://127.0.0.1:9", "--only", "nothing"], "--only: nothing is no case and no group"],
  [["--url", "http://127.0.0.1:9", "--only", "files", "--only", "x"], "--only: x is no case"],
  [["--url", "http://127.0.0.1:9"], "http://127.0.0.1:9 does not answer"],
  [["--url", "http://127.0.0.1:9", "--model", "m"], "http://127.0.0.1:9 does not answer"],
  [["--url", "not a url"], "is not a base URL"],
])("%j: one sentence that says what to do", async (args, sentence) => {
  await using io = await createTestIo();
  expect(await runCli(["conformance", ...args], io)).toBe(1);
  expect(io.err()).toMatch(/^curta: .*\n$/);
  expect(io.err()).toContain(sentence);
});
