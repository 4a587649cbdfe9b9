/**
 * The kit, whole, against Curta with the kit's own model, in the process and behind a connection; and
 * against Curta behind a proxy that spoils one thing, which the kit has to find.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Case } from "../../src/conformance/case.ts";
import { CASES, chooseCases } from "../../src/conformance/cases.ts";
import { createObedientModel } from "../../src/conformance/obedient-model.ts";
import { runCases, type CaseResult } from "../../src/conformance/run.ts";
import { Target } from "../../src/conformance/target.ts";
import { startSearchEngine, type SearchEngine } from "../fixtures/search-engine.ts";
import { startTextOnlyServer } from "../fixtures/text-only-server.ts";
import { startServer, type TestServer } from "../real/server.ts";

const PING_SECONDS = 1;
/** A case that hangs fails by itself. */
const CASE_SECONDS = 120;

let server: TestServer;
let engine: SearchEngine;
let env: Record<string, string>;

beforeAll(async () => {
  engine = await startSearchEngine();
  env = {
    ...engine.env,
    CURTA_PING_SECONDS: String(PING_SECONDS),
    CURTA_TIMEOUT_SECONDS: "5",
    CURTA_OUTPUT_MB: "2",
  };
  server = await startServer({ provider: createObedientModel(), env });
});

afterAll(async () => {
  await server?.close();
  await engine?.[Symbol.asyncDispose]();
});

function measure(
  url: string,
  cases: readonly Case[],
  isScripted = true,
): AsyncGenerator<CaseResult> {
  const { signal } = new AbortController();
  const target = new Target({ url, key: "any", model: "scripted", signal });
  return runCases(cases, {
    target,
    isScripted,
    pingSeconds: PING_SECONDS,
    caseSeconds: CASE_SECONDS,
    signal,
  });
}

describe.each(["a scripted model", "the same model behind a Messages API on loopback"])(
  "%s",
  (model) => {
    const outcomes = new Map<string, string>();

    beforeAll(async () => {
      const isBehind = model !== "a scripted model";
      const front = isBehind
        ? await startServer({
            env: { ...env, CURTA_UPSTREAM_URL: server.url, CURTA_UPSTREAM_API: "anthropic" },
          })
        : server;
      for await (const { name, outcome, reason } of measure(front.url, CASES))
        outcomes.set(name, reason === "" ? outcome : `${outcome}: ${reason}`);
      if (isBehind) await front.close();
    }, 600_000);

    test.each(CASES.map(({ name, title }) => [name, title]))("%s: %s", (name) => {
      expect(outcomes.get(name)).toBe("ok");
    });
  },
);

/** Passes requests on and changes the text of the answers. */
async function startProxy(spoil: (text: string, request: string) => string): Promise<{
  url: string;
  proxy: Server;
}> {
  const proxy = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const headers = { ...(request.headers as Record<string, string>) };
    for (const name of ["host", "connection", "content-length", "transfer-encoding"])
      delete headers[name];
    const answer = await fetch(`${server.url}${request.url}`, {
      method: request.method,
      headers,
      ...(body.length > 0 && { body }),
    });
    const text = spoil(await answer.text(), body.toString());
    const id = answer.headers.get("request-id") ?? "";
    response
      .writeHead(answer.status, {
        "content-type": answer.headers.get("content-type") ?? "text/plain",
        "request-id": id,
      })
      .end(text);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, proxy };
}

/** What gateways were seen to do, and the case that finds it. */
const FAULTS: [fault: string, found: string, spoil: (text: string, request: string) => string][] = [
  ["no event: lines", "7.6.6/event-lines", (text) => text.replaceAll(/^event: .*\n/gm, "")],
  ["no message_stop", "streams/plain", (text) => text.replace(/event: message_stop\n.*\n\n/, "")],
  [
    "the container only in message_start",
    "7.6.3/message-delta/20250522",
    (text) => text.replaceAll(/("message_delta","delta":\{[^{}]*?),"container":\{[^{}]*\}/g, "$1"),
  ],
  [
    "null citations",
    "messages/plain",
    (text) => text.replaceAll('"type":"text",', '"type":"text","citations":null,'),
  ],
  [
    "no usage in message_delta",
    "7.6.5/delta-usage",
    (text) => text.replaceAll(/("type":"message_delta".*),"usage":\{.*\}\}/g, "$1}"),
  ],
  ["an invented block", "20250522/runs", (text) => text.replaceAll("server_tool_use", "tool_run")],
  ["no pings", "7.6.6/ping", (text) => text.replaceAll(/event: ping\n.*\n\n/g, "")],
  [
    "a container that is dropped from requests",
    "7.6.7/string",
    (text, request) =>
      request.includes('"container":"') ? text.replaceAll('"stdout":"42', '"stdout":"') : text,
  ],
  [
    "a search of the code's without its caller",
    "web/from-code",
    (text) => text.replaceAll(/,"caller":\{"type":"code_execution_20260120"[^{}]*\}/g, ""),
  ],
  [
    "an error without its envelope",
    "errors/no-model",
    (text) => text.replace('"type":"error",', ""),
  ],
  [
    "the thread that is swallowed",
    "7.7.4/threads",
    (text) => text.replaceAll("thread_unsupported_request", "unknown"),
  ],
];

test.each(FAULTS)("the kit finds %s", async (_fault, found, spoil) => {
  const { url, proxy } = await startProxy(spoil);
  try {
    const ran = measure(url, chooseCases([found]));
    expect((await ran.next()).value).toMatchObject({ name: found, outcome: "fail" });
  } finally {
    proxy.close();
  }
});

describe.each([
  ["refuses the tool", true, "declared"],
  ["passes the tool over", false, "runs"],
])("a server that only talks and %s", (_, refusesTools, told) => {
  const results: CaseResult[] = [];

  beforeAll(async () => {
    await using plain = await startTextOnlyServer(refusesTools);
    // What is no request at all breaks this server, and has nothing to tell here.
    const asked = CASES.filter(({ group }) => group !== "errors");
    for await (const result of measure(plain.url, asked, false)) results.push(result);
  });

  test("each version is one failed case, and what builds on it is skipped", () => {
    for (const version of ["20250522", "20250825", "20260120", "20260521"]) {
      const group = results.filter((result) => result.group === `code ${version}`);
      const failed = group.filter(({ outcome }) => outcome === "fail").map(({ name }) => name);
      expect(failed).toEqual([`${version}/${told}`]);
      for (const { outcome, reason } of group)
        if (outcome === "skipped")
          expect(reason).toMatch(/does not take|called no tool|nothing can be said/);
    }
  });

  test.each([
    ["files", "files/upload"],
    ["batches", "batches/results"],
  ])("so are %s", (group, only) => {
    const failed = results.filter((result) => result.group === group && result.outcome === "fail");
    expect(failed.map(({ name }) => name)).toEqual([only]);
  });

  test("nothing is called a failure of the server that its model did not do", () => {
    const groups = new Set(["programmatic calls", "clients", "streams"]);
    const failed = results.filter(({ group, outcome }) => groups.has(group) && outcome === "fail");
    expect(failed.map(({ name }) => name)).toEqual([]);
  });

  test("a case that fails says what came, not how it was read", () => {
    for (const { name, reason } of results)
      expect(reason, name).not.toMatch(/Invalid input|cannot be read/);
  });
});
