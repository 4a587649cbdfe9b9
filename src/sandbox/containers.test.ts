/** Containers over a pool of stand-ins, with a clock that the test moves. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, expect, test } from "vitest";

import { loadConfig } from "../config.ts";
import { openDatabase } from "../store/database.ts";
import { openJournal } from "../store/journal.ts";
import { openKeptContainers } from "../store/kept-containers.ts";
import { createContainers } from "./containers.ts";
import type { KeptStores } from "./keeping.ts";
import type { Sandbox } from "./pool.ts";
import type { Containers, ExecuteOptions, ExecutionEvent, FunctionAnswer } from "./sandbox.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const CODE: ExecuteOptions = { code: "", language: "python", timeoutMs: 1000, live: false };
const { signal } = new AbortController();

const DONE: ExecutionEvent = {
  type: "done",
  status: "ok",
  error: null,
  return_code: 0,
  usage: { wall_ms: 1, cpu_ms: 1, peak_memory_bytes: 1 },
  truncated: false,
  notice: null,
};

let containers: Containers | undefined;
afterEach(() => containers?.close());

/** Code that asks once when it has functions, and notes how it ended. */
function setup(kept: KeptStores | null = null) {
  const ended: string[] = [];
  const clock = { now: 0 };
  const session = {
    ready: Promise.resolve(),
    alive: true,
    cells: { last: 0, base: 0, standing: 0 },
    async *run({ functions }: { functions?: unknown }): AsyncGenerator<ExecutionEvent, void> {
      let end = "stopped";
      const number = (session.cells.last += 1);
      session.cells.base = session.cells.standing;
      try {
        const asked = Promise.withResolvers<FunctionAnswer>();
        if (functions !== undefined) {
          yield { type: "calls", calls: [{ name: "ask", input: {}, answer: asked.resolve }] };
          yield { type: "stdout", text: (await asked.promise).text };
        }
        end = "done";
        yield DONE;
      } finally {
        ended.push(end);
        session.cells.standing = number;
      }
    },
    park() {},
    close() {
      session.alive = false;
    },
  };
  const pool = {
    take: async () => ({ keeper: {}, session }) as unknown as Sandbox,
    ready: 1,
    close: async () => {},
  };
  const config = loadConfig({ env: {}, flags: { data: "/nonexistent" } });
  const made = createContainers(pool as never, config, {} as never, kept, () => clock.now);
  containers = made;
  return { containers: made, clock, ended };
}

const functions = [{ name: "ask", functionName: "ask", doc: "", parameters: [] }];

test("idle for an hour, a container is gone, and its id says what to do", async () => {
  const { containers, clock } = setup();
  const { id } = await containers.create();
  clock.now += 59 * MINUTE;
  expect((await containers.get(id)).expiresAt).toEqual(new Date(119 * MINUTE));
  clock.now += 61 * MINUTE;
  await expect(containers.get(id)).rejects.toThrow(
    `Container not found: \`${id}\` has expired or never was. Leave \`container\` out to get a new one, or make one with POST /v1/containers.`,
  );
});

test("thirty days old, it is gone however much it was used", async () => {
  const { containers, clock } = setup();
  const { id } = await containers.create();
  for (clock.now = 0; clock.now <= 30 * DAY; clock.now += 30 * MINUTE) await containers.get(id);
  await expect(containers.get(id)).rejects.toThrow(/has expired/);
});

test("code that waits for an answer goes on with it", async () => {
  const { containers, ended } = setup();
  const container = await containers.create();
  const events: string[] = [];
  for await (const event of container.execute({ ...CODE, functions }, signal)) {
    events.push(event.type === "stdout" ? event.text : event.type);
    if (event.type === "calls")
      for (const call of event.calls) call.answer({ outcome: "result", text: "yes" });
  }
  expect(events).toEqual(["calls", "yes", "done"]);
  expect(ended).toEqual(["done"]);
});

test("code that waits makes way for the next call", async () => {
  const { containers, ended } = setup();
  const container = await containers.create();
  const first = container.execute({ ...CODE, functions }, signal)[Symbol.asyncIterator]();
  expect((await first.next()).value).toMatchObject({ type: "calls" });
  const second: string[] = [];
  for await (const event of container.execute(CODE, signal)) second.push(event.type);
  expect(second).toEqual(["done"]);
  expect(ended).toEqual(["stopped", "done"]);
  expect(await first.next()).toEqual({ done: true, value: undefined });
});

test("and does not keep its container alive", async () => {
  const { containers, clock } = setup();
  const container = await containers.create();
  const waiting = container.execute({ ...CODE, functions }, signal)[Symbol.asyncIterator]();
  await waiting.next();
  clock.now += 61 * MINUTE;
  await expect(containers.get(container.id)).rejects.toThrow(/has expired/);
});

test("code that has called somebody outside is in the journal by its place alone, also when it made way", async () => {
  const folder = mkdtempSync(join(tmpdir(), "curta-containers-"));
  const database = openDatabase(folder);
  const journal = openJournal(database, { cells: 9, bytes: 1000, totalBytes: 1000 });
  const { containers } = setup({
    containers: await openKeptContainers(database, folder, 1000),
    journal,
  });
  const container = await containers.create();
  for await (const event of container.execute({ ...CODE, code: "one", functions }, signal))
    if (event.type === "calls")
      for (const call of event.calls) call.answer({ outcome: "result", text: "yes" });
  const waiting = container.execute({ ...CODE, code: "two", functions }, signal);
  await waiting[Symbol.asyncIterator]().next();
  for await (const event of container.execute({ ...CODE, code: "three" }, signal)) void event;
  await containers.close();
  expect(journal.chain(container.id).map(({ code, missing }) => [code, missing])).toEqual([
    ["", "calls"],
    ["", "calls"],
    ["three", null],
  ]);
  database.close();
  rmSync(folder, { recursive: true });
});
