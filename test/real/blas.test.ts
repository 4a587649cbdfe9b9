/** Two threads for a matrix product (python/kernel/blas.py): there in a cell that multiplies, in no copy, and in the way of nothing. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, send, type TestContainer } from "./direct-client.ts";
import { processesOf } from "./processes.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  const env = { CURTA_BLAS_THREADS: "2", CURTA_PARK_SECONDS: "1" };
  server = await startServer({ provider: new ScriptedProvider([]), env });
});
afterAll(() => server.close());

/** A product of large matrices by numpy's library and one by scipy's; the threads that there are then. */
const MULTIPLY = `import numpy, os, scipy.linalg.blas
one = numpy.arange(1_000_000.0).reshape(1000, 1000) % 7
def multiply():
    for product in (one @ one, scipy.linalg.blas.dgemm(1.0, one, one)):
        assert product[3, 5] == (one[3] * one[:, 5]).sum()
    return len(os.listdir("/proc/self/task"))
print(multiply())`;
const THREADS = "print(len(os.listdir('/proc/self/task')))";
const CRASH = "one[:] = 0\nos._exit(1)";

async function multiplying(): Promise<TestContainer> {
  const container = await createContainer(server);
  expect(await container.print(MULTIPLY)).toBe("3\n");
  return container;
}

test("threads are there in the cells that multiply, and between cells there are none", async () => {
  const container = await multiplying();
  expect(await container.print(THREADS)).toBe("1\n");
  expect(await container.print("print(multiply())")).toBe("3\n");
  expect(await container.print(THREADS)).toBe("1\n");
});

test("after a crash the checkpoint multiplies with two threads", async () => {
  const container = await multiplying();
  for (let round = 0; round < 2; round += 1) {
    expect(await container.execute(`multiply()\n${CRASH}`)).toMatchObject({ status: "killed" });
    expect(await container.print("print(multiply())")).toBe("3\n");
  }
});

test("a product that takes too long costs the cell, and no more", async () => {
  const container = await multiplying();
  const endless = await container.execute("while True: one @ one", 1);
  expect(endless.status).toBe("timeout");
  expect(await container.print("print(multiply())")).toBe("3\n");
  const long = await container.execute(
    "large = numpy.ones((6000, 6000))\nlarge @ large @ large",
    1,
  );
  expect(long.status).toBe("timeout");
  expect(await container.print("print(multiply())", 30)).toBe("3\n");
});

test("undo goes back to a state that multiplies", async () => {
  const container = await multiplying();
  const path = `/v1/containers/${container.id}/checkpoints`;
  expect((await send(server, "POST", path, '{"name":"a"}')).status).toBe(200);
  await container.print("one[:] = 0");
  for (let round = 0; round < 2; round += 1) {
    expect((await send(server, "POST", `${path}/a/restore`, "{}")).status).toBe(200);
    expect(await container.print("print(multiply(), one[0, 1])")).toBe("3 1.0\n");
  }
});

test("the cells of a branch multiply with two threads each", async () => {
  const container = await multiplying();
  const path = `/v1/containers/${container.id}/branch`;
  const cells = [
    { code: "print(multiply())" },
    { code: CRASH },
    { code: "one += 7; print(multiply())" },
  ];
  const answer = await send(server, "POST", path, JSON.stringify({ cells }));
  const { id, outcomes } = (await answer.json()) as {
    id: string;
    outcomes: { execution: { stdout: string } }[];
  };
  expect(outcomes.map(({ execution }) => execution.stdout)).toEqual(["3\n", "", "3\n"]);
  expect((await send(server, "POST", `${path}/${id}/keep`, '{"index":2}')).status).toBe(200);
  expect(await container.print("print(multiply(), one[0, 0])")).toBe("3 7.0\n");
});

test("a parked container has one process with one thread, and multiplies when it is woken", async () => {
  const container = await multiplying();
  const namespace = (await container.print("print(os.readlink('/proc/self/ns/pid'))")).trim();
  expect(await container.print("print(multiply())")).toBe("3\n");
  await expect.poll(() => processesOf(namespace).length, { timeout: 10_000 }).toBe(2);
  expect(await container.print("print(multiply())")).toBe("3\n");
  expect(await container.execute(CRASH)).toMatchObject({ status: "killed" });
  expect(await container.print("print(multiply())")).toBe("3\n");
});

test("children that code forks multiply, too", async () => {
  const container = await multiplying();
  const fork = `ends = []
for _ in range(3):
    process = os.fork()
    if process == 0:
        os._exit(multiply())
    ends.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
    ends.append(multiply())
print(ends)`;
  expect(await container.print(fork)).toBe("[3, 3, 3, 3, 3, 3]\n");
});

test("code with threads of its own multiplies in them, and its session forks meanwhile", async () => {
  const container = await multiplying();
  const start = `import threading
stop = threading.Event()
counts = [0, 0]
def work(number):
    while not stop.is_set():
        one @ one
        counts[number] += 1
threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
for thread in threads: thread.start()`;
  await container.print(start);
  for (let round = 0; round < 5; round += 1) {
    // Each of these cells ends with a fork while the threads compute.
    await container.print("before = list(counts)\nwhile min(counts) <= max(before): pass", 30);
  }
  await container.print("stop.set()\nfor thread in threads: thread.join()");
  expect(await container.print("print(multiply())")).toBe("3\n");
});

test("python3 in a shell has them as well", async () => {
  const container = await createContainer(server);
  for (const python of ["python3", "/usr/bin/python3"]) {
    const command = `cat > m.py <<'END'\n${MULTIPLY}\nEND\n${python} m.py`;
    expect(await container.execute(command, 30, "bash")).toMatchObject({ stdout: "3\n" });
  }
});
