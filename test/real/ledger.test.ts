/**
 * Thirty-two clients for a minute, and a kill -9 in the middle: what the clients were told, what the ledger
 * holds and what the report says agree to the token. Every fourth client has code search the web, which makes
 * its executions free.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";

import { calls, says } from "../../src/providers/scripted.ts";
import { parseEvents, post, toBody } from "../fixtures/messages-client.ts";
import { speakMessages, startModelServer, type ModelServer } from "../fixtures/model-servers.ts";
import { asSearxng, startLoopback, type LoopbackServer } from "../fixtures/search-servers.ts";
import { startServeProcess, type ServeProcess } from "../fixtures/serve-process.ts";

const CLIENTS = 32;
const SECONDS = 60;

interface Told {
  id: string;
  container: string;
  usage: {
    input_tokens: number;
    output_tokens: number;
    server_tool_use: { web_search_requests: number };
    curta: {
      code_execution_is_free: boolean;
      executions: { code_tokens: number; result_tokens: number; bytes_out: number }[];
      billed_input_tokens: number;
      billed_output_tokens: number;
    };
  };
}

interface Row {
  id: string;
  outcome: string;
  container: string;
  input_tokens: number;
  output_tokens: number;
  web_search_requests: number;
  executions: number;
  code_tokens: number;
  result_tokens: number;
  billed_input_tokens: number;
  billed_output_tokens: number;
  bytes_out: number;
}

const SEARCH_EVERY = 4;
const WITH_SEARCH = {
  tools: [
    { type: "code_execution_20260120", name: "code_execution" },
    { type: "web_search_20260209", name: "web_search" },
  ],
};

let model: ModelServer;
let engine: LoopbackServer;
let data: string;
let server: ServeProcess;

const start = (): Promise<ServeProcess> =>
  startServeProcess({
    CURTA_DATA: data,
    CURTA_UPSTREAM_URL: model.url,
    CURTA_UPSTREAM_API: "anthropic",
    CURTA_SEARCH: "searxng",
    CURTA_SEARCH_URL: engine.url,
    CURTA_LOG: "silent",
  });

beforeAll(async () => {
  model = await startModelServer();
  engine = await startLoopback(asSearxng([{ url: "https://a.org/", title: "A", text: "Words." }]));
  model.play(
    speakMessages(({ words, lastOutput }) => {
      if (lastOutput !== null) return [says(`It says ${lastOutput}`)];
      const [number = "", what] = words.split(" ");
      const code =
        what === "search"
          ? `print(len(await web_search({"query": "${Number(number) % 7}"})))`
          : `print(${number} * 7, "€" * (${number} % 50))`;
      return [calls("code_execution", { code })];
    }),
  );
  data = await mkdtemp(join(tmpdir(), "curta-ledger-"));
  server = await start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
});

test(`${CLIENTS} clients for ${SECONDS} s and a kill -9: ledger, answers and report agree`, async () => {
  const told: Told[] = [];
  const problems: string[] = [];
  let killed = 0;
  const until = Date.now() + SECONDS * 1000;
  // Filled while the server is down, so that clients wait for it instead of asking in vain.
  let away: Promise<void> | null = null;

  async function beClient(client: number): Promise<void> {
    let container: string | undefined;
    for (let round = 0; Date.now() < until; round += 1) {
      if (away !== null) await away;
      const generation = server;
      try {
        const number = client * 1000 + round;
        const searches = client % SEARCH_EVERY === 0;
        const one = await ask(server.url, { number, searches, stream: round % 2 === 0, container });
        container = one.container;
        told.push(one);
      } catch (error) {
        // Only the one that was killed may fail a client.
        if (generation.pid === killed) container = undefined;
        else problems.push(String(error));
      }
    }
  }

  const clients = Array.from({ length: CLIENTS }, (_, client) => beClient(client));
  await new Promise((resolve) => setTimeout(resolve, (SECONDS * 1000) / 2));
  const back = Promise.withResolvers<void>();
  away = back.promise;
  killed = server.pid;
  const toldBefore = told.length;
  server.kill("SIGKILL");
  await server.ended;
  server = await start();
  away = null;
  back.resolve();
  await Promise.all(clients);

  expect(problems).toEqual([]);
  expect(toldBefore).toBeGreaterThan(CLIENTS);
  expect(told.length).toBeGreaterThan(toldBefore + CLIENTS);

  const rows = readLedger();
  const byId = new Map(rows.map((row) => [row.id, row]));
  expect(byId.size).toBe(rows.length);
  for (const { id, container, usage } of told) {
    const { executions, billed_input_tokens, billed_output_tokens } = usage.curta;
    const isFree = usage.curta.code_execution_is_free;
    expect(usage.server_tool_use.web_search_requests, id).toBe(isFree ? 1 : 0);
    expect(byId.get(id), id).toEqual({
      id,
      outcome: "whole",
      container,
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      web_search_requests: usage.server_tool_use.web_search_requests,
      executions: executions.length,
      code_tokens: total(executions, "code_tokens"),
      result_tokens: total(executions, "result_tokens"),
      billed_input_tokens,
      billed_output_tokens,
      bytes_out: total(executions, "bytes_out"),
    });
    const [code, results] = [total(executions, "code_tokens"), total(executions, "result_tokens")];
    expect(billed_input_tokens).toBe(usage.input_tokens + (isFree ? 0 : code));
    expect(billed_output_tokens).toBe(usage.output_tokens + (isFree ? 0 : results));
  }
  expect(told.filter(({ usage }) => usage.curta.code_execution_is_free).length).toBeGreaterThan(
    CLIENTS,
  );
  // What the ledger has beyond that was on its way when the server was killed.
  expect(rows.length - told.length).toBeLessThanOrEqual(CLIENTS);

  const answer = await fetch(`${server.url}/v1/usage?group_by=container`);
  const report = (await answer.json()) as { data: Row[]; total: Row & { messages: number } };
  expect(report.total.messages).toBe(rows.length);
  for (const figure of [
    "input_tokens",
    "output_tokens",
    "billed_input_tokens",
    "billed_output_tokens",
    "code_tokens",
    "result_tokens",
    "web_search_requests",
    "executions",
    "bytes_out",
  ] as const) {
    expect(report.total[figure], figure).toBe(total(rows, figure));
    expect(total(report.data, figure), figure).toBe(total(rows, figure));
  }
});

interface Asking {
  number: number;
  searches: boolean;
  stream: boolean;
  container: string | undefined;
}

async function ask(url: string, { number, searches, stream, container }: Asking): Promise<Told> {
  const content = searches ? `${number} search` : String(number);
  const messages = [{ role: "user", content }];
  const body = toBody({ stream, container, messages, ...(searches && WITH_SEARCH) });
  const response = await post(url, JSON.stringify(body));
  if (!stream) {
    const message = (await response.json()) as Omit<Told, "container"> & {
      container?: { id: string };
    };
    if (!response.ok) throw new Error(JSON.stringify(message));
    return { ...message, container: message.container?.id ?? "" };
  }
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  const events = parseEvents(text);
  const head = events.find(({ type }) => type === "message_start");
  const end = events.find(({ type }) => type === "message_delta");
  if (head === undefined || end === undefined || events.at(-1)?.type !== "message_stop")
    throw new Error(`The stream ended early: ${text.slice(-500)}`);
  const { id } = head.message as { id: string };
  const { container: used } = end.delta as { container?: { id: string } };
  return { id, container: used?.id ?? "", usage: end.usage as Told["usage"] };
}

function readLedger(): Row[] {
  const database = new DatabaseSync(join(data, "curta.sqlite"), { readOnly: true });
  try {
    const names =
      "id, outcome, container, input_tokens, output_tokens, web_search_requests, executions, code_tokens, result_tokens, billed_input_tokens, billed_output_tokens, bytes_out";
    return database
      .prepare(`SELECT ${names} FROM ledger`)
      .all()
      .map((row) => ({ ...row }) as unknown as Row);
  } finally {
    database.close();
  }
}

function total<Name extends string>(rows: readonly Record<Name, number>[], name: Name): number {
  return rows.reduce((sum, row) => sum + row[name], 0);
}
