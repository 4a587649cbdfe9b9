/**
 * Thirty-two clients for a minute, and a kill -9 in the middle: what the clients were told, what the ledger
 * holds and what the report says agree to the token.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";

import { calls, says } from "../../src/providers/scripted.ts";
import { parseEvents, post, toBody } from "../fixtures/messages-client.ts";
import { speakMessages, startModelServer, type ModelServer } from "../fixtures/model-servers.ts";
import { startServeProcess, type ServeProcess } from "../fixtures/serve-process.ts";

const CLIENTS = 32;
const SECONDS = 60;

interface Told {
  id: string;
  container: string;
  usage: {
    input_tokens: number;
    output_tokens: number;
    curta: {
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
  executions: number;
  code_tokens: number;
  result_tokens: number;
  billed_input_tokens: number;
  billed_output_tokens: number;
  bytes_out: number;
}

let model: ModelServer;
let data: string;
let server: ServeProcess;

const start = (): Promise<ServeProcess> =>
  startServeProcess({
    CURTA_DATA: data,
    CURTA_UPSTREAM_URL: model.url,
    CURTA_UPSTREAM_API: "anthropic",
    CURTA_LOG: "silent",
  });

beforeAll(async () => {
  model = await startModelServer();
  model.play(
    speakMessages(({ words, lastOutput }) => {
      if (lastOutput !== null) return [says(`It says ${lastOutput}`)];
      return [calls("code_execution", { code: `print(${words} * 7, "€" * (${words} % 50))` })];
    }),
  );
  data = await mkdtemp(join(tmpdir(), "curta-ledger-"));
  server = await start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
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
        const one = await ask(server.url, client * 1000 + round, round % 2 === 0, container);
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
    expect(byId.get(id), id).toEqual({
      id,
      outcome: "whole",
      container,
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      executions: executions.length,
      code_tokens: total(executions, "code_tokens"),
      result_tokens: total(executions, "result_tokens"),
      billed_input_tokens,
      billed_output_tokens,
      bytes_out: total(executions, "bytes_out"),
    });
    expect(billed_input_tokens).toBe(usage.input_tokens + total(executions, "code_tokens"));
    expect(billed_output_tokens).toBe(usage.output_tokens + total(executions, "result_tokens"));
  }
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
    "executions",
    "bytes_out",
  ] as const) {
    expect(report.total[figure], figure).toBe(total(rows, figure));
    expect(total(report.data, figure), figure).toBe(total(rows, figure));
  }
});

async function ask(
  url: string,
  number: number,
  stream: boolean,
  container?: string,
): Promise<Told> {
  const body = toBody({ stream, container, messages: [{ role: "user", content: String(number) }] });
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
      "id, outcome, container, input_tokens, output_tokens, executions, code_tokens, result_tokens, billed_input_tokens, billed_output_tokens, bytes_out";
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
