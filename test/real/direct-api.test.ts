/** The direct API whole: state, failures, streaming, queueing, clients that go away. */
import { setTimeout as delay } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, send, type TestContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
let container: TestContainer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
  container = await createContainer(server);
});
afterAll(() => server.close());

const stream = (id: string, code: string, timeout = 10, signal?: AbortSignal) =>
  fetch(`${server.url}/v1/containers/${id}/execute`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": "test" },
    body: JSON.stringify({ code, timeout, stream: true }),
    ...(signal === undefined ? {} : { signal }),
  });

interface SentEvent {
  event: string;
  data: { id?: string; [name: string]: unknown };
}

async function* read(response: Response): AsyncGenerator<SentEvent> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [event, data] = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      yield { event: event!.slice(7), data: JSON.parse(data!.slice(6)) as SentEvent["data"] };
    }
  }
}

describe("a container", () => {
  test("is made, shown, listed and deleted", async () => {
    const made = await createContainer(server);
    const shown = await (await send(server, "GET", `/v1/containers/${made.id}`)).json();
    expect(shown).toMatchObject({ type: "container", id: made.id });
    expect(Date.parse(shown.expires_at)).toBeGreaterThan(Date.parse(shown.created_at));
    const listed = await (await send(server, "GET", "/v1/containers")).json();
    expect(listed.data.map((one: { id: string }) => one.id)).toContain(made.id);
    const deleted = await send(server, "DELETE", `/v1/containers/${made.id}`);
    expect(await deleted.json()).toEqual({ id: made.id, type: "container_deleted" });
    expect((await send(server, "GET", `/v1/containers/${made.id}`)).status).toBe(404);
  });

  test("keeps its state across calls, and over an error", async () => {
    await container.print("total = 40");
    const failed = await container.execute("total += 1\n1/0");
    expect(failed).toMatchObject({
      status: "error",
      return_code: 1,
      error: { name: "ZeroDivisionError", line: 2 },
      notice: null,
    });
    expect(failed.error!.traceback).toContain('File "<cell');
    expect(failed.error!.traceback).not.toContain("/kernel/");
    expect(await container.print("print(total + 1)")).toBe("42\n");
  });

  test("a traceback has the lines of functions of earlier cells", async () => {
    await container.print("def divide():\n    return 1 / 0  # here");
    // Long enough for the session to get ready for the next cell.
    await delay(300);
    const { error } = await container.execute("divide()");
    expect(error!.traceback).toContain("return 1 / 0  # here");
  });

  test("an endless loop answers within its limit and a second, with what it had printed and its state", async () => {
    await container.print("kept = 7");
    const answer = await container.execute("print('before')\nwhile True: pass", 2);
    expect(answer).toMatchObject({ status: "timeout", stdout: "before\n", error: { line: 2 } });
    expect(answer.seconds).toBeLessThan(3);
    expect(await container.print("print(kept)")).toBe("7\n");
  });

  test("a segmentation fault costs nothing but the cell", async () => {
    await container.print("kept = 8");
    const answer = await container.execute("import ctypes\nprint('x')\nctypes.string_at(0)");
    expect(answer).toMatchObject({ status: "killed", stdout: "x\n", return_code: 139 });
    expect(answer.error!.message).toContain("segmentation fault");
    expect(await container.print("print(kept)")).toBe("8\n");
  });

  test("3 GB say out of memory, and the session lives", async () => {
    await container.print("kept = 9");
    const answer = await container.execute("import numpy\nbig = numpy.ones(3 << 27)", 20);
    expect(answer).toMatchObject({ status: "out_of_memory", error: { name: "MemoryError" } });
    expect(await container.print("print(kept, 'big' in dir())")).toBe("9 False\n");
  });

  test("answers calls in order, one at a time", async () => {
    await container.print("order = []");
    const calls = [1, 2, 3].map((number) =>
      container.print(
        `import time\norder.append(${number}); time.sleep(0.1); order.append(${number})`,
      ),
    );
    await Promise.all(calls);
    expect(await container.print("print(order)")).toBe("[1, 1, 2, 2, 3, 3]\n");
  });

  test("two containers run side by side", async () => {
    const other = await createContainer(server);
    const slow = container.execute("import time\ntime.sleep(3)");
    const quick = await other.execute("print('quick')");
    expect(quick.seconds).toBeLessThan(2.5);
    expect((await slow).status).toBe("ok");
  });

  test.each([
    ["no code", {}, "code"],
    ["a timeout above the bound", { code: "1", timeout: 1e6 }, "timeout"],
    ["an unknown language", { code: "1", language: "perl" }, "language"],
    ["an unknown field", { code: "1", shell: true }, "shell"],
  ])("%s is a 400 that says so", async (_name, body, word) => {
    const path = `/v1/containers/${container.id}/execute`;
    const response = await send(server, "POST", path, JSON.stringify(body));
    expect(response.status).toBe(400);
    expect(JSON.stringify(await response.json())).toContain(word);
  });
});

describe("50 ids", () => {
  test.each([
    "container_0",
    "container_01AAAAAAAAAAAAAAAAAAAAAAAAAA",
    "..",
    "%2e%2e%2f",
    "x".repeat(5000),
  ])("%.40s is nobody's", async (id) => {
    const path = `/v1/containers/${id}/execute`;
    const response = await send(server, "POST", path, '{"code":"1"}');
    expect([400, 404]).toContain(response.status);
  });

  test("cannot be guessed", async () => {
    const ids = await Promise.all([createContainer(server), createContainer(server)]);
    expect(ids[0].id.slice(12)).not.toBe(ids[1].id.slice(12));
    expect(ids[0].id.length).toBeGreaterThanOrEqual(35);
  });
});

describe("a stream", () => {
  test("carries every event as it happens, and all of it again in done", async () => {
    const code = [
      "import sys, os, time",
      "print('one', flush=True)",
      "time.sleep(0.4)",
      "print('two', file=sys.stderr)",
      "from IPython.display import display",
      "display({'text/plain': 'three'}, raw=True)",
      "open(os.environ['OUTPUT_DIR'] + '/four.txt', 'w').write('4')",
      "5",
    ].join("\n");
    const events: (SentEvent & { at: number })[] = [];
    for await (const event of read(await stream(container.id, code))) {
      if (event.event !== "ping") events.push({ ...event, at: performance.now() });
    }
    expect(events.map(({ event }) => event)).toEqual([
      "stdout",
      "stderr",
      "output",
      "output",
      "file",
      "done",
    ]);
    expect(events[5]!.at - events[0]!.at).toBeGreaterThan(200);
    expect(events[5]!.data).toMatchObject({
      status: "ok",
      stdout: "one\n",
      stderr: "two\n",
      outputs: [
        { type: "display_data", data: { "text/plain": "three" } },
        { type: "execute_result", data: { "text/plain": "5" } },
      ],
      files: [{ filename: "four.txt", size_bytes: 1, mime_type: "text/plain" }],
    });
    const file = events[4]!.data.id;
    expect(await (await send(server, "GET", `/v1/files/${file}/content`)).text()).toBe("4");
  });

  test.each([
    ["that prints without end", "while True: print('x' * 100)"],
    ["that is silent", "import time\nwhile True: time.sleep(0.01)"],
    [
      "that ignores interrupts",
      "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
    ],
    ["that shows without end", "from IPython.display import display\nwhile True: display(1)"],
  ])("left by its client stops a cell %s, and the container lives", async (_name, code) => {
    const own = await createContainer(server);
    await own.print("kept = 3");
    const leaving = new AbortController();
    const response = await stream(
      own.id,
      `print('started', flush=True)\n${code}`,
      30,
      leaving.signal,
    );
    await read(response).next();
    leaving.abort();
    const next = await own.execute("print(kept)");
    expect(next).toMatchObject({ status: "ok", stdout: "3\n" });
    expect(next.seconds).toBeLessThan(4);
  });
});

test("a client that leaves without streaming stops its cell, and the container lives", async () => {
  const own = await createContainer(server);
  await own.print("kept = 4");
  const leaving = new AbortController();
  const call = fetch(`${server.url}/v1/containers/${own.id}/execute`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": "test" },
    body: JSON.stringify({ code: "open('started', 'w').close()\nwhile True: pass", timeout: 30 }),
    signal: leaving.signal,
  });
  const gone = call.then(
    () => false,
    () => true,
  );
  const path = `/v1/containers/${own.id}/files/started`;
  await expect.poll(async () => (await send(server, "GET", path)).status).toBe(200);
  leaving.abort();
  expect(await gone).toBe(true);
  const next = await own.execute("print(kept)");
  expect(next).toMatchObject({ status: "ok", stdout: "4\n" });
  expect(next.seconds).toBeLessThan(4);
});
