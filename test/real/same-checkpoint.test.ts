/** Cells that change nothing keep the checkpoint from before them; whatever could change something gets a new one. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, type TestContainer } from "./direct-client.ts";
import { processesOf } from "./processes.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
});
afterAll(() => server.close());

const NAMESPACE = "import os\nprint(os.readlink('/proc/self/ns/pid'))";
const CRASH = "kept.append('lost')\nimport os\nos._exit(1)";

test("a cell that prints leaves the processes as they were", async () => {
  const container = await createContainer(server);
  const namespace = (await container.print(NAMESPACE)).trim();
  await container.print("kept = 1");
  const before = await settled(namespace);
  expect(await container.print("print(kept, 'and', f'{kept + 1}')")).toBe("1 and 2\n");
  expect(processesOf(namespace)).toEqual(before);
  await container.print("kept = 2");
  await expect.poll(() => processesOf(namespace), { timeout: 10_000 }).not.toEqual(before);
});

test("after it the session goes back to what it was, and says so", async () => {
  const container = await createContainer(server);
  await container.print("kept = ['a']\nshown = str(kept)");
  for (let round = 0; round < 3; round += 1) {
    await container.print("print(shown)");
    const crash = await container.execute(CRASH);
    expect(crash.notice).toMatch(/^The session is back where it was before this call/);
    expect(await container.print("print(kept, shown)")).toBe("['a'] ['a']\n");
  }
});

test("an interpreter that ends after it has lost nothing", async () => {
  const container = await createContainer(server);
  const namespace = (await container.print(NAMESPACE)).trim();
  await container.print("kept = 'a'");
  await container.print("import signal\nkept = 'b'\nsignal.setitimer(signal.ITIMER_REAL, 1)");
  expect(await container.print("print(kept)")).toBe("b\n");
  const before = await settled(namespace);
  // It ends between two cells: one that ran would be the one that it ended in.
  await expect.poll(() => processesOf(namespace), { timeout: 10_000 }).not.toEqual(before);
  const { notice } = await container.execute("print(kept)");
  expect(notice).toMatch(/brought back with its variables/);
  expect(await container.print("print(kept)")).toBe("b\n");
});

const CHANGING: Record<string, [prepare: string, cell: string]> = {
  "a method of the user's": ["loud = Loud()", "print(loud)"],
  "one within a list": ["louds = [Loud()]", "print(louds)"],
  "an heir of a plain type": ["text = Text('x')", "print(text)"],
  "a format of the user's": ["loud = Loud()", "print(f'{loud:>3}')"],
  "a file of the user's": ["sink = Sink()", "print(1, file=sink)"],
  "a print of the user's": ["def print(*_): kept.append(1)", "print(1)"],
  "Python's own print replaced": [
    "import builtins\nprinted = builtins.print\nbuiltins.print = lambda *_: kept.append(1)",
    "print(1)",
  ],
  "a hook of the user's": [
    "get_ipython().events.register('post_execute', lambda: kept.append(1))\nkept.clear()",
    "print(1)",
  ],
  "a name that is bound": ["", "print((kept := [1]))"],
};

const TYPES = `kept = []
class Loud:
    def __repr__(self): kept.append(1); return 'loud'
    def __format__(self, how): kept.append(1); return 'loud'
class Text(str):
    def __str__(self): kept.append(1); return 'loud'
class Sink:
    def write(self, text): kept.append(1)`;

test.for(Object.entries(CHANGING))("%s is not lost", async ([, [prepare, cell]]) => {
  const container = await createContainer(server);
  await container.print(TYPES);
  await container.print(prepare);
  await container.print("kept[:] = [0]");
  await container.print(cell);
  const crash = await container.execute(CRASH);
  expect(crash.status).toBe("killed");
  expect(await shown(container)).not.toBe("[0]");
});

async function shown(container: TestContainer): Promise<string> {
  const { outputs, stdout } = await container.execute("kept");
  return stdout + (outputs[0]?.data["text/plain"] ?? "");
}

/** The keeper, the session and its one checkpoint, when the one before that is gone. */
async function settled(namespace: string): Promise<string[]> {
  let last: string[] = [];
  const look = () => {
    const now = processesOf(namespace);
    const same = now.length === 3 && now.join() === last.join();
    last = now;
    return same;
  };
  await expect.poll(look, { timeout: 10_000, interval: 100 }).toBe(true);
  return last;
}
