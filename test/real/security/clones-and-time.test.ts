/** Checklist 51 to 55: clones differ, clocks run, neighbours are out of reach, failed cells leave nothing. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import { createContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
});
afterAll(() => server.close());

const RANDOM = `
import os, random, secrets, tempfile, uuid, ssl
import numpy, sympy.core.random as symbolic
print([random.random(), numpy.random.rand(), numpy.random.default_rng().random(), secrets.token_hex(8), uuid.uuid4().hex,
       uuid.uuid1().hex, symbolic.random(), os.urandom(8).hex(), ssl.RAND_bytes(8).hex(), next(tempfile._get_candidate_names())])`;

describe("51 random numbers", () => {
  test("differ between two containers, source by source", async () => {
    const [one, other] = [await createContainer(server), await createContainer(server)];
    const [first, second] = [await one.print(RANDOM), await other.print(RANDOM)].map((text) =>
      text.trim().slice(1, -1).split(", "),
    );
    expect(first).toHaveLength(10);
    expect(first!.filter((value, index) => value === second![index])).toEqual([]);
  });

  test("go on where they were after a crash, seeds included, and differ in children", async () => {
    const container = await createContainer(server);
    await container.print(
      "import random\nrandom.seed(5); first = random.random(); state = random.getstate()",
    );
    await container.execute("import os\nos.abort()");
    expect(await container.print("print(random.getstate() == state)")).toBe("True\n");
    const children =
      "import os\nfor _ in range(2):\n  child = os.fork()\n  if child == 0:\n    print(random.random()); os._exit(0)\n  os.waitpid(child, 0)";
    expect(new Set((await container.print(children)).trim().split("\n")).size).toBe(2);
  });
});

test("52 a lock held by a thread when the checkpoint was made does not stop what takes over", async () => {
  const container = await createContainer(server);
  await container.print(`import threading, time, os, logging
lock = threading.Lock()
def hold():
    while True:
        with lock: time.sleep(0.001)
        logging.getLogger('x').setLevel(10)
threads = [threading.Thread(target=hold, daemon=True) for _ in range(3)]
for thread in threads: thread.start()
kept = 1`);
  expect((await container.execute("os.abort()")).status).toBe("killed");
  expect(await container.print("print(kept, threading.active_count())")).toBe("1 1\n");
});

test("53 the clocks run, and agree with the host's", async () => {
  const container = await createContainer(server);
  const before = Date.now() / 1000;
  const code =
    "import time\nstart = time.monotonic(), time.perf_counter(), time.time()\ntime.sleep(0.2)\nprint(time.monotonic() - start[0], time.perf_counter() - start[1], time.time() - start[2], start[2])";
  const [monotonic, counter, wall, at] = (await container.print(code))
    .trim()
    .split(" ")
    .map(Number);
  for (const passed of [monotonic, counter, wall]) {
    expect(passed).toBeGreaterThan(0.19);
    expect(passed).toBeLessThan(2);
  }
  expect(Math.abs(at! - before)).toBeLessThan(5);
});

describe("54 a session cannot signal, see or slow down another one", () => {
  test("a signal to its own process group stays inside", async () => {
    const [hostile, neighbour] = [await createContainer(server), await createContainer(server)];
    await neighbour.print("kept = 41");
    const answer = await hostile.execute("import os, signal\nos.kill(0, signal.SIGKILL)");
    expect(answer.status).toBe("killed");
    expect(await neighbour.print("print(kept + 1)")).toBe("42\n");
    expect(await hostile.print("print('alive')")).toBe("alive\n");
  });

  test("a lower priority for its process group stays inside", async () => {
    const [hostile, neighbour] = [await createContainer(server), await createContainer(server)];
    await hostile.execute(
      "import os\nos.setpriority(os.PRIO_PGRP, 0, 5)\nos.setpriority(os.PRIO_USER, 0, 5)",
    );
    expect(await neighbour.print("import os\nprint(os.getpriority(os.PRIO_PROCESS, 0))")).toBe(
      "0\n",
    );
  });

  test("files, shared memory and local sockets are its own (40)", async () => {
    const [one, other] = [await createContainer(server), await createContainer(server)];
    await one.print(`import os, socket
for folder in ('/tmp', '/dev/shm', '/workspace', '/home/user', '/outputs'): open(folder + '/poison.py', 'w').write('x')
listening = socket.socket(socket.AF_UNIX); listening.bind(chr(0) + 'poison'); listening.listen()`);
    const code = `import os, socket
print([folder for folder in ('/tmp', '/dev/shm', '/workspace', '/home/user', '/outputs') if os.path.exists(folder + '/poison.py')])
try: socket.socket(socket.AF_UNIX).connect(chr(0) + 'poison')
except OSError as error: print(error.strerror)`;
    expect(await other.print(code)).toBe("[]\nConnection refused\n");
  });

  test("its processes and names show nowhere else", async () => {
    const [one, other] = [await createContainer(server), await createContainer(server)];
    await one.print("import ctypes\nctypes.CDLL(None).prctl(15, b'my-secret-name')");
    const code =
      "import os\nprint([name for name in os.listdir('/proc') if name.isdigit() and 'secret' in open(f'/proc/{name}/comm').read()])";
    expect(await other.print(code)).toBe("[]\n");
  });
});

describe("55 what a failed cell did to memory is undone when the answer says so", () => {
  test.each([
    ["a crash", "import os\nos.abort()", 10, "killed"],
    ["too much memory", "import numpy\nnumpy.ones(3 << 27)", 10, "out_of_memory"],
    [
      "a hard time-out",
      "import signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass",
      1,
      "timeout",
    ],
  ])("after %s", async (_name, code, timeout, status) => {
    const container = await createContainer(server);
    await container.print("values = [1]");
    const answer = await container.execute(
      `values.append(2)\nnew = 1\nopen('left', 'w').close()\n${code}`,
      timeout,
    );
    expect(answer.status).toBe(status);
    expect(answer.notice).toContain("back where it was before this call");
    const after = "import os\nprint(values, 'new' in dir(), os.path.exists('left'))";
    expect(await container.print(after)).toBe("[1] False True\n");
  });
});
