/** A container that nobody uses gives up its checkpoint, and is as it was when somebody comes back. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer } from "./direct-client.ts";
import { processesOf } from "./processes.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  const provider = new ScriptedProvider([]);
  server = await startServer({ provider, env: { CURTA_PARK_SECONDS: "1" } });
});
afterAll(() => server.close());

const NAMESPACE = "import os\nprint(os.readlink('/proc/self/ns/pid'))";

test("an idle container keeps its keeper and one copy of its session", async () => {
  const container = await createContainer(server);
  const namespace = (await container.print(NAMESPACE)).trim();
  await container.print("kept = [1]");
  await expect.poll(() => processesOf(namespace).length, { timeout: 10_000 }).toBe(2);
  expect(await container.print("print(kept)")).toBe("[1]\n");
  await expect.poll(() => processesOf(namespace).length, { timeout: 10_000 }).toBe(2);
  // The first cell after that goes back like any other.
  const crash = await container.execute("kept.append(2)\nimport os\nos._exit(1)");
  expect(crash).toMatchObject({ status: "killed" });
  expect(await container.print("print(kept)")).toBe("[1]\n");
});

test("one with a thread at work keeps its checkpoint", async () => {
  const container = await createContainer(server);
  const namespace = (await container.print(NAMESPACE)).trim();
  const other = await createContainer(server);
  const elsewhere = (await other.print(NAMESPACE)).trim();
  await container.print(
    "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
  );
  await other.print("1");
  await expect.poll(() => processesOf(elsewhere).length, { timeout: 10_000 }).toBe(2);
  expect(processesOf(namespace).length).toBe(3);
});
