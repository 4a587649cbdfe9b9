/** Pages that are as they were go back (python/kernel/twins.py), and nothing else does: what a session holds outlives it. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
});
afterAll(() => server.close());

const CHART = `import matplotlib.pyplot as plt
plt.bar(["a", "b", "c"], [3, 1, 2]); plt.title("Chart"); plt.show()`;

test.runIf(process.arch === "x64")("few are left after a chart", async () => {
  const container = await createContainer(server);
  await container.execute(CHART);
  // Some 1,400 when nothing has been given back, and some hundred that the simplest cell touches.
  const left = await container.print(
    "import kernel.twins\nprint(kernel.twins.give_back_twins() in range(1, 700))",
  );
  expect(left).toBe("True\n");
});

test("a checkpoint that has come to rest wakes with everything, libraries included", async () => {
  const container = await createContainer(server);
  await container.execute(CHART);
  await container.print(
    "import pandas\nframe = pandas.DataFrame({'n': range(1000)})\nwords = {str(n): n for n in range(999)}",
  );
  for (let round = 0; round < 3; round += 1) {
    // By the time it is needed, the checkpoint from before this cell has looked at its memory.
    const crash = await container.execute(
      "words.clear()\nimport os, time\ntime.sleep(0.3)\nos._exit(1)",
    );
    expect(crash).toMatchObject({ status: "killed" });
    expect(await container.print("print(frame.n.sum(), len(words), words['998'])")).toBe(
      "499500 999 998\n",
    );
    const { outputs } = await container.execute(CHART);
    expect(outputs).toHaveLength(1);
  }
});
