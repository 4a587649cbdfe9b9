/** Parked sessions, which have no checkpoint, against code and commands that use that: the next call finds a sound container. */
import { setTimeout as delay } from "node:timers/promises";

import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import { createContainer, send, type TestContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";
import { PRELUDE } from "./cells.ts";

let server: TestServer;
let container: TestContainer;
beforeAll(async () => {
  const provider = new ScriptedProvider([]);
  server = await startServer({ provider, env: { CURTA_PARK_SECONDS: "1" } });
});
afterAll(() => server.close());

const SESSION = `import gc
session = next(thing for thing in gc.get_objects() if type(thing).__name__ == 'Session')`;

/** Longer than two looks of the server at what is idle. */
async function prepareParked(code = ""): Promise<void> {
  container = await createContainer(server);
  await container.print(`${PRELUDE}\n${SESSION}\n${code}`);
  await delay(2500);
}

const KEPT = "print(kept)";

test.each([
  ["raises", "def park(self): raise RuntimeError('no')\ntype(session).park = park"],
  ["does nothing", "type(session).park = lambda self: None"],
  [
    "says that it is parked and is not",
    "type(session).park = lambda self: self.tell_keeper(b'C0')",
  ],
  [
    "names a process that is none",
    "type(session).park = lambda self: self.tell_keeper(b'C4000000')",
  ],
  ["names the keeper", "type(session).park = lambda self: self.tell_keeper(b'C1')"],
])("a harness that %s when it is to park", async (_name, code) => {
  await prepareParked(code);
  expect(await container.print(KEPT)).toBe("kept\n");
  await container.execute("os.abort()");
  expect((await container.execute("print('on')")).stdout).toBe("on\n");
});

test("a command that stops a parked session", async () => {
  await prepareParked();
  await container.execute("kill -STOP -1", 5, "bash");
  expect(await container.print(KEPT)).toBe("kept\n");
});

test("a command that kills a parked session", async () => {
  await prepareParked();
  await container.execute("kill -9 -1", 5, "bash");
  const next = await container.execute("print('on')", 5);
  expect([next.status, next.stdout, next.notice]).toEqual([
    "ok",
    "on\n",
    expect.stringContaining("are gone"),
  ]);
});

test("a checkpoint that was named before it was parked", async () => {
  await prepareParked();
  const path = `/v1/containers/${container.id}/checkpoints`;
  expect((await send(server, "POST", path, '{"name":"a"}')).status).toBe(200);
  await delay(2500);
  await container.print("kept = 'other'");
  await delay(2500);
  expect((await send(server, "POST", `${path}/a/restore`, "{}")).status).toBe(200);
  expect(await container.print(KEPT)).toBe("kept\n");
  const crash = await container.execute("kept = 'lost'\nos.abort()");
  expect(crash.notice).toMatch(/back where it was/);
  expect(await container.print(KEPT)).toBe("kept\n");
});
