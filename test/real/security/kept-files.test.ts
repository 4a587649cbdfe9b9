/** What of a workspace reaches the disk and comes back, against code that wants other files there, or all of the room. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import type { Execution } from "../../../src/http/execution.ts";
import { startServeProcess, type ServeProcess } from "../../fixtures/serve-process.ts";
import { createContainer, send, type TestContainer } from "../direct-client.ts";

let data: string;
let server: ServeProcess;
const MIB = 1 << 20;

async function start(): Promise<void> {
  const cache = process.env.CURTA_CACHE;
  server = await startServeProcess({
    CURTA_DATA: data,
    CURTA_FILES_MB: "32",
    CURTA_KEPT_FILES_MB: "100",
    CURTA_UPSTREAM_URL: "http://127.0.0.1:9",
    CURTA_UPSTREAM_API: "anthropic",
    ...(cache === undefined ? {} : { CURTA_CACHE: cache }),
  });
}
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "curta-kept-"));
  await start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
});

async function restart(): Promise<void> {
  server.kill("SIGTERM");
  await server.ended;
  await start();
}

async function execute({ id }: TestContainer, code: string): Promise<Execution> {
  const path = `/v1/containers/${id}/execute`;
  return (await (
    await send(server as never, "POST", path, JSON.stringify({ code }))
  ).json()) as Execution;
}

const open = (): Promise<TestContainer> => createContainer(server as never);

function keptFiles({ id }: TestContainer): string[] {
  try {
    return readdirSync(join(data, "kept", id)).map((name) => join(data, "kept", id, name));
  } catch {
    return [];
  }
}
const bytesOf = (container: TestContainer): number =>
  keptFiles(container).reduce((sum, path) => sum + statSync(path).size, 0);

test.each([
  [
    "files of holes",
    "for n in range(40):\n    with open(f'hole{n:02}', 'wb') as file: file.truncate(12 << 20)",
  ],
  [
    "many names of one file",
    "import os\nopen('one', 'wb').write(os.urandom(8 << 20))\nfor n in range(60): os.link('one', f'name{n:02}')",
  ],
])("%s do not take the room of other containers", async (_name, code) => {
  const greedy = await open();
  await execute(greedy, "open('a', 'w').write('first')");
  await execute(greedy, code);
  await expect.poll(() => bytesOf(greedy), { timeout: 20_000 }).toBeGreaterThan(20 * MIB);
  const modest = await open();
  await execute(modest, "open('mine', 'wb').write(b'x' * (10 << 20))");
  await expect.poll(() => bytesOf(modest), { timeout: 20_000 }).toBe(10 * MIB);
  expect(bytesOf(greedy)).toBeLessThanOrEqual(32 * MIB);
  await greedy.delete();
  await modest.delete();
});

test("no link, pipe or device is kept, and no file that swaps with one leads out", async () => {
  const container = await open();
  await execute(
    container,
    `import os, threading, time
os.symlink('/etc/passwd', 'link'); os.symlink('/proc/1/environ', 'keeper'); os.mkfifo('pipe'); os.symlink('/', 'root')
os.mkdir('real'); open('real/passwd', 'w').write('mine'); os.symlink('/etc', 'outside')
def swap():
    while True:
        try:
            os.rename('real', 'kept'); os.rename('outside', 'real'); os.utime('kept/passwd'); os.rename('real', 'outside'); os.rename('kept', 'real')
        except OSError: pass
threading.Thread(target=swap, daemon=True).start()`,
  );
  const seen = new Set<string>();
  for (let round = 0; round < 6; round += 1) {
    await execute(container, "import time; time.sleep(0.6)");
    for (const path of keptFiles(container)) seen.add(readFileSync(path, "utf8"));
  }
  expect([...seen].filter((text) => text !== "mine")).toEqual([]);
  await container.delete();
});

test("names of every kind come back, and what cannot is said", async () => {
  const container = await open();
  const make = `import os
names = ['-rf', ' ', '__proto__', 'constructor', 'ünï', 'x' * 255, '..x', 'a\\\\b', "q'\\"; DROP TABLE containers; --", '\\u202egnp.exe', '%2e%2e%2f', 'COM1', '.hidden']
for name in names: open(name, 'w').write(name)
deep = '/'.join('d' * 20 for _ in range(20)); os.makedirs(deep); open(deep + '/f', 'w').write('deep')
open(b'\\xff', 'w').write('no text'); open('line\\nbreak', 'w').write('no name')
open('shut', 'w').write('shut'); os.chmod('shut', 0)
print(len(names))`;
  const count = Number((await execute(container, make)).stdout);
  await expect
    .poll(() => keptFiles(container).length, { timeout: 20_000 })
    .toBeGreaterThan(count - 1);
  await restart();
  const answer = await execute(
    container,
    "import os\ngood = [name for name in os.listdir() if os.path.isfile(name) and open(name).read() == name]\nprint(len(good), [open(p + '/f').read() for p, _, files in os.walk('.') if 'f' in files])",
  );
  // The one whose letters run backwards is no printable text.
  expect(answer.stdout).toBe(`${count - 1} ['deep']\n`);
  expect(answer.notice).toContain("could not be kept");
});

test("thousands of files are kept while other calls are answered", async () => {
  const crowd = await open();
  const other = await open();
  await execute(crowd, "for n in range(9000): open(f'{n}', 'w').write(str(n))");
  let slowest = 0;
  while (keptFiles(crowd).length < 9000) {
    const started = performance.now();
    expect((await execute(other, "print(1)")).stdout).toBe("1\n");
    slowest = Math.max(slowest, performance.now() - started);
  }
  // A hang's bound, not a measurement.
  expect(slowest).toBeLessThan(3000);
  await execute(crowd, "import os\nfor n in range(9000): os.remove(f'{n}')");
  await expect.poll(() => keptFiles(crowd).length, { timeout: 30_000 }).toBe(0);
});

test("a container that is deleted while its files are kept leaves none", async () => {
  for (let round = 0; round < 4; round += 1) {
    const container = await open();
    await execute(container, "for n in range(2000): open(f'{n}', 'w').write(str(n))");
    await expect.poll(() => keptFiles(container).length, { timeout: 20_000 }).toBeGreaterThan(0);
    await container.delete();
    await expect.poll(() => keptFiles(container).length, { timeout: 20_000 }).toBe(0);
  }
  expect(server.stderr()).not.toContain('"level":"error"');
});
