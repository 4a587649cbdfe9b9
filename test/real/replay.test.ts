/** An interpreter that had to be started anew is rebuilt from the journal of its cells, where somebody asks for it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";

import { killSandbox, startServeProcess, type ServeProcess } from "../fixtures/serve-process.ts";
import { createContainer, send, type TestContainer } from "./direct-client.ts";

let data: string;
let server: ServeProcess;

async function start(env: Record<string, string> = {}): Promise<void> {
  const cache = process.env.CURTA_CACHE;
  server = await startServeProcess({
    CURTA_DATA: data,
    // Nobody is asked: the direct API needs no model.
    CURTA_UPSTREAM_URL: "http://127.0.0.1:9",
    CURTA_UPSTREAM_API: "anthropic",
    CURTA_REPLAY_SECONDS: "3",
    ...(cache === undefined ? {} : { CURTA_CACHE: cache }),
    ...env,
  });
}

async function restart(env: Record<string, string> = {}): Promise<void> {
  server.kill("SIGKILL");
  await server.ended;
  await start(env);
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "curta-replay-"));
  await start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
});

interface Answer {
  status: string;
  stdout: string;
  notice: string | null;
  error: { name: string } | null;
}

async function call(id: string, path: string, body: object): Promise<unknown> {
  const url = `/v1/containers/${id}/${path}`;
  return await (await send(server as never, "POST", url, JSON.stringify(body))).json();
}

const execute = (id: string, code: string, replay?: boolean): Promise<Answer> =>
  call(id, "execute", replay === undefined ? { code } : { code, replay }) as Promise<Answer>;

function select(query: string, { id }: TestContainer): string[] {
  const database = new DatabaseSync(join(data, "curta.sqlite"), { readOnly: true });
  try {
    return database
      .prepare(query)
      .all(id)
      .map((row) => Object.values(row).join(" "));
  } finally {
    database.close();
  }
}

const journal = (container: TestContainer): string[] =>
  select("SELECT code FROM container_cells WHERE container = ? ORDER BY position", container);

/** Until these files are on disk, each with its size. */
async function kept(container: TestContainer, files: string[]): Promise<void> {
  await expect
    .poll(
      () =>
        select(
          "SELECT path || ' ' || substr(stamp, 1, instr(stamp, ' ') - 1) FROM container_files WHERE container = ?",
          container,
        ).concat(
          select("SELECT 'unfinished' FROM containers WHERE id = ? AND incomplete", container),
        ),
      { timeout: 10_000 },
    )
    .toEqual(files);
}

async function written(container: TestContainer, cells: number): Promise<void> {
  await expect.poll(() => journal(container), { timeout: 10_000 }).toHaveLength(cells);
}

test("after kill -9 a call that asks for it finds the variables, and the files as they were", async () => {
  const container = await createContainer(server as never);
  await send(server as never, "PUT", `/v1/containers/${container.id}/files/data.csv`, "a,b\n1,2\n");
  await container.print("import pandas as pd\ndf = pd.read_csv('data.csv')\nprint('seen')");
  await container.print(
    "def f(n): return n * k\nk = 21\nopen('log.txt', 'a').write('x')\nopen('tmp', 'w').write('')",
  );
  await container.execute("made = [1]\n1 / 0");
  await container.execute("rm tmp; echo more >> data.csv", 10, "bash");
  await written(container, 3);
  await kept(container, ["data.csv 13", "log.txt 1"]);
  await restart();
  const look =
    "import os\nprint(f(2), made, len(df), open('log.txt').read(), sorted(os.listdir()), open('data.csv').read().count('more'))";
  const answer = await execute(container.id, look, true);
  expect(answer).toMatchObject({
    status: "ok",
    // Of the two lines that data.csv has now, read again.
    stdout: "42 [1] 2 x ['data.csv', 'log.txt'] 1\n",
  });
  expect(answer.notice).toMatch(
    /^The interpreter was started anew and 3 calls were run again, in order: .* are there again/,
  );
  expect(answer.notice).not.toMatch(/Failed/);
  expect((await execute(container.id, "print(f(1))", true)).notice).toBeNull();
  // And once more, from a journal that a rebuilt interpreter has gone on with.
  await execute(container.id, "k = 1");
  await written(container, 6);
  await restart();
  const again = await execute(container.id, "print(f(5))", true);
  expect(again.stdout).toBe("5\n");
  expect(again.notice).toMatch(/6 calls were run again/);
});

test("without asking it is told, and the journal begins anew with the next cell", async () => {
  const container = await createContainer(server as never);
  await container.print("x = 1");
  await written(container, 1);
  await restart();
  // Files and shell commands leave the interpreter fresh.
  await send(server as never, "GET", `/v1/containers/${container.id}/files`);
  const answer = await execute(container.id, "y = 2\nprint('x' in dir())");
  expect(answer.stdout).toBe("False\n");
  expect(answer.notice).toMatch(/all variables, imports and functions are gone/);
  const late = await execute(container.id, "print('x' in dir(), y)", true);
  expect(late).toMatchObject({ stdout: "False 2\n", notice: null });
  await written(container, 2);
  expect(journal(container)[0]).toMatch(/^y = 2/);
});

test("the shell leaves an interpreter that can still be rebuilt", async () => {
  const container = await createContainer(server as never);
  await container.print("x = 1");
  await written(container, 1);
  await restart();
  await call(container.id, "execute", { code: "true", language: "bash" });
  const answer = await execute(container.id, "print(x)", true);
  expect(answer).toMatchObject({ stdout: "1\n" });
  expect(answer.notice).toMatch(/1 call was run again/);
});

test("undo is reflected, and so is the branch that was kept", async () => {
  const container = await createContainer(server as never);
  await container.print("x = [1]");
  await call(container.id, "checkpoints", { name: "one" });
  await container.print("x.append(2)");
  await call(container.id, "checkpoints/one/restore", {});
  await container.print("x.append(3)");
  await call(container.id, "branch", {
    cells: [{ code: "x.append(4)\n1 / 0" }, { code: "x.append(5)" }],
    keep: "first_ok",
  });
  await container.print("x.append(6)");
  await written(container, 6);
  await restart();
  const answer = await execute(container.id, "print(x)", true);
  expect(answer.stdout).toBe("[1, 3, 5, 6]\n");
  expect(answer.notice).toMatch(/4 calls were run again/);
});

test("going back to the beginning leaves nothing to run again", async () => {
  const container = await createContainer(server as never);
  await call(container.id, "checkpoints", { name: "empty" });
  await container.print("x = 1");
  await call(container.id, "checkpoints/empty/restore", {});
  await container.print("y = 1");
  await written(container, 2);
  await restart();
  const answer = await execute(container.id, "print('x' in dir(), y)", true);
  expect(answer.stdout).toBe("False 1\n");
  expect(answer.notice).toMatch(/1 call was run again/);
});

test("cells that fail, were stopped or take too long are told by number; what crashed is not run again", async () => {
  const container = await createContainer(server as never);
  await container.print("import os, time\nopen('once', 'w').write('')");
  await container.print("os.remove('once')\nz = 1");
  await container.execute("a = 1\ntime.sleep(60)", 1);
  await container.execute("os._exit(3)");
  await container.print("b = 2");
  await written(container, 4);
  await restart();
  const answer = await execute(container.id, "print('a' in dir(), b, z)", true);
  expect(answer).toMatchObject({ stdout: "False 2 1\n" });
  expect(answer.notice).toMatch(/3 calls were run again/);
  expect(answer.notice).toMatch(/because they were stopped before their end: call 3\./);

  const failing = await createContainer(server as never);
  await failing.print("raw = open('later', 'w').close()");
  await failing.print("text = open('later').read()\nos = __import__('os'); os.remove('later')");
  await failing.print("n = 5");
  await failing.print("assert not os.path.exists('gone')");
  await send(server as never, "PUT", `/v1/containers/${failing.id}/files/gone`, "x");
  await written(failing, 4);
  await kept(failing, ["gone 1"]);
  await restart();
  const told = await execute(failing.id, "print(n)", true);
  expect(told.stdout).toBe("5\n");
  expect(told.notice).toMatch(/4 calls were run again/);
  expect(told.notice).toMatch(/Failed this time: call 4 \(AssertionError: \)\./);
});

test("the server can do it by itself, within a bound of time", async () => {
  const container = await createContainer(server as never);
  await container.print("import time\nx = 1");
  await container.print("time.sleep(1.5)\ny = 1");
  await container.print("time.sleep(5)\nz = 1");
  await container.print("w = 1");
  await written(container, 4);
  await restart({ CURTA_REPLAY: "yes" });
  const started = performance.now();
  // A named state is one of the rebuilt interpreter.
  await call(container.id, "checkpoints", { name: "rebuilt" });
  expect(performance.now() - started).toBeLessThan(15_000);
  const answer = await execute(container.id, "print(x, y, *(n in dir() for n in 'zw'))");
  expect(answer.stdout).toBe("1 1 False False\n");
  expect(answer.notice).toMatch(/2 calls were run again/);
  expect(answer.notice).toMatch(
    /The 3 s for this were over at call 3 of 4: that one and those after it are not rebuilt/,
  );
  await restart({ CURTA_REPLAY: "yes" });
  const declined = await execute(container.id, "print('x' in dir())", false);
  expect(declined.stdout).toBe("False\n");
  expect(declined.notice).toMatch(/all variables/);
});

test("the code is gone with its container", async () => {
  const container = await createContainer(server as never);
  await container.print("x = 1");
  await written(container, 1);
  await container.delete();
  expect(journal(container)).toEqual([]);
});

test("variables that are lost within a sandbox, and those of a sandbox that died, are rebuilt as well", async () => {
  const container = await createContainer(server as never);
  await container.print("x = 7");
  const lost = await container.execute(
    "import os, signal\nfor pid in sorted(int(p) for p in os.listdir('/proc') if p.isdigit() and p != '1'):\n    if pid != os.getpid(): os.kill(pid, signal.SIGKILL)\nos._exit(1)",
  );
  expect(lost.notice).toMatch(/all variables are gone/);
  const rebuilt = await execute(container.id, "print(x)", true);
  expect(rebuilt).toMatchObject({ stdout: "7\n" });
  expect(rebuilt.notice).toMatch(/1 call was run again/);

  await written(container, 2);
  await killSandbox(server);
  let answer = await execute(container.id, "print(x)", true);
  // It was sent into the sandbox that was just ending.
  if (answer.status === "killed") answer = await execute(container.id, "print(x)", true);
  expect(answer).toMatchObject({ status: "ok", stdout: "7\n" });
  expect(answer.notice).toMatch(/2 calls were run again/);
});

test("killed in the middle of a call, or of running the calls again, nothing is half there", async () => {
  const container = await createContainer(server as never);
  await container.print("open('log', 'a').write('x')\nx = 1");
  await container.print("import time\ntime.sleep(1)\nopen('log', 'a').write('y')");
  await written(container, 2);
  await kept(container, ["log 2"]);
  const code = "x = 2\nopen('begun', 'w').close()\ntime.sleep(60)";
  const cut = execute(container.id, code).catch(() => null);
  const files = `/v1/containers/${container.id}/files`;
  await expect
    .poll(async () => await (await send(server as never, "GET", files)).text())
    .toContain("begun");
  await restart();
  await cut;
  // Wherever it is by then: the files and the journal are those from before.
  const again = execute(container.id, "print(x)", true).catch(() => null);
  await Promise.race([again, new Promise((resolve) => setTimeout(resolve, 700))]);
  await restart();
  await again;
  const answer = await execute(container.id, "print(x, open('log').read())", true);
  expect(answer.stdout).toBe("1 xy\n");
  expect(answer.notice).toMatch(/2 calls were run again/);
});
