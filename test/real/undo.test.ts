/** Undo means undo: variables and files go back to a named state; and several cells are tried from the same one. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Execution } from "../../src/http/execution.ts";
import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, send, type TestContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]), env: { CURTA_FILES_MB: "16" } });
});
afterAll(() => server.close());

interface Answered {
  status: number;
  body: Record<string, unknown> & { error?: { message: string } };
}

async function call(
  container: TestContainer,
  method: string,
  path: string,
  body?: object,
): Promise<Answered> {
  const answer = await send(
    server,
    method,
    `/v1/containers/${container.id}/${path}`,
    body && JSON.stringify(body),
  );
  return { status: answer.status, body: (await answer.json()) as Answered["body"] };
}

const mark = (container: TestContainer, name: string): Promise<Answered> =>
  call(container, "POST", "checkpoints", { name });
const back = (container: TestContainer, name: string): Promise<Answered> =>
  call(container, "POST", `checkpoints/${name}/restore`, {});

const STATE = "import os\nprint(x, sorted(os.listdir()), open('a.txt').read())";

describe("a checkpoint", () => {
  test("brings back variables and files, again and again", async () => {
    const container = await createContainer(server);
    await container.print(
      "x = [1]; open('a.txt', 'w').write('one'); os = __import__('os'); os.mkdir('d'); open('d/b', 'w').write('b')",
    );
    expect(await mark(container, "first")).toMatchObject({
      status: 200,
      body: { type: "checkpoint", name: "first" },
    });
    for (let round = 0; round < 3; round += 1) {
      await container.print(
        "x.append(2); open('a.txt', 'a').write(' more'); open('c.txt', 'w').write('c'); os.remove('d/b'); os.rmdir('d')",
      );
      expect(await container.print(STATE)).toBe("[1, 2] ['a.txt', 'c.txt'] one more\n");
      expect((await back(container, "first")).status).toBe(200);
      expect(await container.print(STATE)).toBe("[1] ['a.txt', 'd'] one\n");
      expect(await container.print("print(open('d/b').read())")).toBe("b\n");
    }
  });

  test("several, in any order", async () => {
    const container = await createContainer(server);
    for (const step of [1, 2, 3]) {
      await container.print(`x = ${step}; open('a.txt', 'w').write('${step}')`);
      expect((await mark(container, `step-${step}`)).status).toBe(200);
    }
    for (const step of [2, 3, 1, 3]) {
      expect((await back(container, `step-${step}`)).status).toBe(200);
      expect(await container.print(STATE)).toBe(`${step} ['a.txt'] ${step}\n`);
    }
    const listed = await call(container, "GET", "checkpoints");
    expect(listed.body.data).toMatchObject([
      { name: "step-1" },
      { name: "step-2" },
      { name: "step-3" },
    ]);
    expect((await call(container, "DELETE", "checkpoints/step-2")).status).toBe(200);
    expect(await back(container, "step-2")).toMatchObject({ status: 404 });
  });

  test("before the first cell, and under a name given anew", async () => {
    const container = await createContainer(server);
    expect((await mark(container, "empty")).status).toBe(200);
    await container.print("x = 1");
    expect((await mark(container, "other")).status).toBe(200);
    await container.print("x = 2");
    expect((await mark(container, "other")).status).toBe(200);
    await back(container, "empty");
    expect(await container.print("print('x' in globals())")).toBe("False\n");
    await back(container, "other");
    expect(await container.print("print(x)")).toBe("2\n");
  });

  test.each([
    ["a crash", "import ctypes; ctypes.string_at(0)"],
    ["want of memory", "x = bytearray(3 << 30)"],
    ["an exit", "import os; os._exit(3)"],
    [
      "a time-out that no interrupt ends",
      "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    ],
    ["a fresh interpreter", "import os, signal\nos.kill(-1, signal.SIGKILL)"],
  ])("outlives %s", async (_name, code) => {
    const container = await createContainer(server);
    await container.print("x = 'kept'; open('a.txt', 'w').write('a')");
    await mark(container, "safe");
    await container.execute(code, 1);
    await container.execute("x = 'other'; open('a.txt', 'w').write('b')");
    const answer = await back(container, "safe");
    // Code that kills all it can kills its checkpoints as well, and is told so.
    if (answer.status === 404) expect(code).toContain("os.kill(-1");
    else expect(await container.print(STATE)).toBe("kept ['a.txt'] a\n");
    expect(await container.print("print('on')")).toBe("on\n");
  });

  test("code that runs on is gone after it", async () => {
    const container = await createContainer(server);
    await container.print("import os, threading, time\nx = 0");
    await mark(container, "before");
    await container.print(
      "def write():\n    while True:\n        open('a.txt', 'a').write('x'); time.sleep(0.005)\nthreading.Thread(target=write, daemon=True).start()\nif os.fork() == 0:\n    write()",
    );
    await back(container, "before");
    expect(
      await container.print("time.sleep(0.2); print(os.listdir(), threading.active_count())"),
    ).toBe("[] 1\n");
  });

  test("links, modes and shut folders come back as they were", async () => {
    const container = await createContainer(server);
    const make =
      "mkdir s && echo 1 > s/f && ln -s /etc/passwd link && ln s/f hard && chmod 640 s/f && mkfifo p && chmod 0 s";
    await container.execute(make, 10, "bash");
    await mark(container, "m");
    await container.execute("chmod 755 s; rm -rf *", 10, "bash");
    expect((await back(container, "m")).status).toBe(200);
    const look = "stat -c '%n %a %F' *; chmod 755 s; cat s/f; readlink link; stat -c %a s/f";
    expect((await container.execute(look, 10, "bash")).stdout).toBe(
      "hard 640 regular file\nlink 777 symbolic link\ns 0 directory\n1\n/etc/passwd\n640\n",
    );
  });
});

describe("limits", () => {
  test("a workspace that does not fit twice", async () => {
    const container = await createContainer(server);
    await container.print("open('big', 'wb').write(b'x' * (10 << 20)); x = 1");
    expect(await mark(container, "big")).toMatchObject({
      status: 413,
      body: { error: { message: expect.stringContaining("does not fit a second time") } },
    });
    expect(await container.print("import os; print(x, os.path.getsize('big'))")).toBe(
      `1 ${10 << 20}\n`,
    );
    expect(await container.print("open('more', 'wb').write(b'x' * (4 << 20))")).toBe("");
  });

  test("files that did not change are kept once", async () => {
    const container = await createContainer(server);
    await container.print("open('big', 'wb').write(b'x' * (6 << 20))");
    for (const name of ["a", "b", "c", "d"]) expect((await mark(container, name)).status).toBe(200);
    await container.print("open('big', 'ab').write(b'y')");
    await back(container, "c");
    expect(await container.print("import os; print(os.path.getsize('big'))")).toBe(`${6 << 20}\n`);
  });

  test("the number of checkpoints, and what a name may be", async () => {
    const container = await createContainer(server);
    for (let count = 0; count < 8; count += 1)
      expect((await mark(container, `n${count}`)).status).toBe(200);
    expect(await mark(container, "one-more")).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining("8 checkpoints at most") } },
    });
    for (const name of ["", "../x", "a b", "x".repeat(65)])
      expect(await mark(container, name)).toMatchObject({
        status: 400,
        body: { error: { message: expect.stringContaining("name: ") } },
      });
  });

  test("user code sees neither the copies nor their folder", async () => {
    const container = await createContainer(server);
    await container.print("open('secret', 'w').write('x')");
    await mark(container, "m");
    await container.print("import os; os.remove('secret')");
    const look =
      "find / -name secret 2>/dev/null; ls /run | grep snap; ls -l /proc/*/fd 2>/dev/null | grep -c snapshots; mount | grep -c snapshots";
    expect((await container.execute(look, 20, "bash")).stdout).toBe("0\n0\n");
  });
});

describe("a branch", () => {
  const outcomesOf = ({ body }: Answered): Execution[] =>
    (body.outcomes as { execution: Execution }[]).map(({ execution }) => execution);

  test("tries each cell from the same state, and goes on from the one that is chosen", async () => {
    const container = await createContainer(server);
    await container.print("x = [0]; open('a.txt', 'w').write('0')");
    const cells = [
      { code: "x.append(1); open('a.txt', 'w').write('1'); print(x)" },
      { code: "print(x, open('a.txt').read()); 1 / 0" },
      { code: "cat a.txt; echo 3 > a.txt", language: "bash" },
      { code: "import os; x.append(4); os._exit(1)" },
    ];
    const answer = await call(container, "POST", "branch", { cells });
    expect(answer.status).toBe(200);
    const outcomes = outcomesOf(answer);
    expect(outcomes.map(({ status }) => status)).toEqual(["ok", "error", "ok", "killed"]);
    expect(outcomes.map(({ stdout }) => stdout)).toEqual(["[0, 1]\n", "[0] 0\n", "0", ""]);
    expect(await container.print(STATE)).toBe("[0] ['a.txt'] 0\n");
    const id = String(answer.body.id);
    expect(await call(container, "POST", `branch/${id}/keep`, { index: 9 })).toMatchObject({
      status: 400,
    });
    expect(await call(container, "POST", `branch/${id}/keep`, { index: 0 })).toMatchObject({
      status: 200,
    });
    expect(await container.print(STATE)).toBe("[0, 1] ['a.txt'] 1\n");
    expect(await call(container, "POST", `branch/${id}/keep`, { index: 0 })).toMatchObject({
      status: 404,
    });
  });

  test("keeps the first that ended well", async () => {
    const container = await createContainer(server);
    await container.print("x = 1");
    const cells = [{ code: "x = nonsense" }, { code: "x = 2" }, { code: "x = 3" }];
    const answer = await call(container, "POST", "branch", { cells, keep: "first_ok" });
    expect(answer.body).toMatchObject({ kept: 1 });
    expect(await container.print("print(x)")).toBe("2\n");
  });

  test.each([
    [{}, "cells"],
    [{ cells: [] }, "at least one"],
    [{ cells: Array.from({ length: 9 }, () => ({ code: "1" })) }, "8 cells at most"],
    [{ cells: [{ code: 1 }] }, "must be a string"],
    [{ cells: [{ code: "1" }], keep: "best" }, "first_ok"],
  ])("is refused for %j", async (body, words) => {
    const container = await createContainer(server);
    const answer = await call(container, "POST", "branch", body);
    expect([answer.status, answer.body.error?.message]).toEqual([
      400,
      expect.stringContaining(words),
    ]);
  });
});
