/** What all executions put out is bounded together, in the server's memory. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, type TestContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

const MIB = 1 << 20;
let server: TestServer;
let container: TestContainer;

beforeAll(async () => {
  server = await startServer({
    provider: new ScriptedProvider([]),
    env: { CURTA_OUTPUT_TOTAL_MB: "10" },
  });
  container = await createContainer(server);
});

afterAll(() => server.close());

const print = (mib: number) => `for _ in range(${mib}): print('x' * (1 << 20), end='')`;

test("a cell may hold a quarter of what is free, and its room is free again afterwards", async () => {
  const large = await container.execute(print(8));
  expect(large.truncated).toBe(true);
  expect(large.stdout.length / MIB).toBeGreaterThan(1);
  expect(large.stdout.length / MIB).toBeLessThan(2.1);
  const again = await container.execute(print(1));
  expect(again).toMatchObject({ truncated: false, stdout: "x".repeat(MIB) });
});

test("displays and shell commands take from the same room", async () => {
  const shown = await container.execute(
    "from IPython.display import display\nfor _ in range(8): display({'text/plain': 'x' * (1 << 20)}, raw=True)",
  );
  expect(shown.truncated).toBe(true);
  expect(shown.outputs.length).toBeLessThan(3);
  const command = await container.execute("head -c 8388608 /dev/zero | tr '\\0' x", 10, "bash");
  expect(command).toMatchObject({ status: "ok", truncated: true });
  expect(command.stdout.length / MIB).toBeLessThan(2.1);
});

test("beside greedy neighbours a modest one gets all of its own", async () => {
  const neighbours = await Promise.all(Array.from({ length: 6 }, () => createContainer(server)));
  const begun = neighbours.map((one) => one.execute(print(4)));
  const modest = await container.execute(
    "import time\nfor _ in range(20):\n    print('still here'); time.sleep(0.05)",
  );
  expect(modest).toMatchObject({ truncated: false, stdout: "still here\n".repeat(20) });
  for (const { truncated } of await Promise.all(begun)) expect(truncated).toBe(true);
});

test("large files of many containers come out whole, one after the other", async () => {
  const makers = await Promise.all(Array.from({ length: 8 }, () => createContainer(server)));
  const answers = await Promise.all(
    makers.map((one) =>
      one.execute(
        "import os\nopen(os.environ['OUTPUT_DIR'] + '/large.bin', 'wb').write(b'x' * (8 << 20))\nopen(os.environ['OUTPUT_DIR'] + '/small.txt', 'w').write('y')",
      ),
    ),
  );
  for (const { files, notice } of answers) {
    expect(notice).toBeNull();
    expect(files.map(({ filename, size_bytes: size }) => [filename, size])).toEqual([
      ["large.bin", 8 << 20],
      ["small.txt", 1],
    ]);
  }
});
