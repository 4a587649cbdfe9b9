/** What a session says without end, in a cell or between two: the server's memory stays, and its neighbours are served. */
import { setTimeout as delay } from "node:timers/promises";

import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import { createContainer, type TestContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";
import { PRELUDE } from "./cells.ts";

const MIB = 1 << 20;
let server: TestServer;
let container: TestContainer;
let neighbour: TestContainer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
  neighbour = await createContainer(server);
  await neighbour.print("1");
});
afterAll(() => server.close());

const SESSION = `import gc, json
session = next(thing for thing in gc.get_objects() if type(thing).__name__ == 'Session')
def frame(header, payload=b''):
    data = json.dumps(header).encode()
    return struct.pack('>II', len(data), len(payload)) + data + payload`;

async function prepare(): Promise<void> {
  container = await createContainer(server);
  await container.print(`${PRELUDE}\n${SESSION}`);
}

/** Bytes by which this process, which is the server, grows at most. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  await work().finally(() => clearInterval(timer));
  return most - before;
}

/** The slowest of some calls of another container, in ms. */
async function served(): Promise<number> {
  let slowest = 0;
  // The flood begins after 0.2 s.
  for (const until = performance.now() + 4000; performance.now() < until;) {
    const started = performance.now();
    expect(await neighbour.print("print(1)")).toBe("1\n");
    slowest = Math.max(slowest, performance.now() - started);
    // As fast as it can be asked, the neighbour alone would leave the server more garbage than the flood may.
    await delay(10);
  }
  return slowest;
}

test("calls whose answers nobody reads", async () => {
  await prepare();
  const flood = `word = frame({'t': 'calls', 'n': session.shell.execution_count, 'calls': [(n, 'x' * 200, 0) for n in range(4000)]})
for _ in range(300): session.channel.sendall(word)`;
  const grown = await growth(() => container.execute(flood, 10));
  expect(grown).toBeLessThan(128 * MIB);
  expect(await container.print("print('on')")).toBe("on\n");
});

test.each([
  ["small words", "frame({'t': 'stream', 's': 1, 'o': 0}) * 1000"],
  [
    "large words",
    "frame({'t': 'error', 'name': 'x' * 900000, 'message': '', 'traceback': '', 'line': 1})",
  ],
  [
    "pictures",
    "frame({'t': 'display', 'kind': 'display_data', 'parts': [('text/plain', 1 << 20)], 'metadata': {}}, bytes(1 << 20))",
  ],
])("%s between two cells end the session that says them", async (_name, word) => {
  await prepare();
  await container.print(
    `word = ${word}\ndef flood():\n    time.sleep(0.2)\n    while True: session.channel.sendall(word)\nthreading.Thread(target=flood, daemon=True).start()`,
  );
  const grown = await growth(async () => {
    // A hang's bound, not a measurement.
    expect(await served()).toBeLessThan(3000);
  });
  expect(grown).toBeLessThan(128 * MIB);
  const next = await container.execute("print('on')");
  expect([next.status, next.stdout, next.notice], next.error?.message).toEqual([
    "ok",
    "on\n",
    expect.stringContaining("are gone"),
  ]);
});

test("ten thousand displays in a cell, and the next one", async () => {
  await prepare();
  const answer = await container.execute(
    "from IPython.display import display\nfor n in range(10000): display(n)\nprint('end')",
    30,
  );
  expect([answer.status, answer.outputs.length, answer.truncated]).toEqual(["ok", 100, true]);
  expect(answer.stdout).toBe("end\n");
  expect(await container.print("print(kept)")).toBe("kept\n");
});
