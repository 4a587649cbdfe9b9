/** A container that waits has taken the faults of a first chart (python/kernel/ahead.py), and gives back what it did not need. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
});
afterAll(() => server.close());

/** Until it has a container that has waited for long enough. */
const POLL = { timeout: 30_000, interval: 200 };
const OWN_MB = `def own():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
`;

describe.runIf(process.arch === "x64")("a container from the pool", () => {
  test("draws a first chart with a third of the faults", async () => {
    const draw = `import resource
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
import matplotlib.pyplot as plt
plt.bar(["a", "b"], [3, 1], label="bar"); plt.legend(); plt.show()
print(faults() - before)`;
    const count = async () => Number(await (await createContainer(server)).print(draw));
    await expect.poll(count, POLL).toBeLessThan(2000);
  });

  test("gives back after its first cell what that did not use, and does not count it as the cell's", async () => {
    let first = { megabytes: 0, peak: 0 };
    let second = 0;
    const look = async () => {
      const container = await createContainer(server);
      const { stdout, usage } = await container.execute(`${OWN_MB}print(own())`);
      first = { megabytes: Number(stdout), peak: usage.peak_memory_bytes / 2 ** 20 };
      second = Number(await container.print("print(own())"));
      return first.megabytes;
    };
    await expect.poll(look, POLL).toBeGreaterThan(12);
    expect(first.peak).toBeLessThan(2);
    expect(second).toBeLessThan(8);
  });
});
