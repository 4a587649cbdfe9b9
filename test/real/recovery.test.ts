/** What a session says and keeps after each way of ending a cell; and that no moment of interruption confuses it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, send, type Answer, type TestContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
});
afterAll(() => server.close());

async function prepared(): Promise<TestContainer> {
  const container = await createContainer(server);
  await container.print("kept = [1]");
  return container;
}

const endings: [
  string,
  string,
  number,
  Partial<Answer>,
  { line: number | null; notice: RegExp; kept: string },
][] = [
  [
    "a soft time-out keeps what the cell had changed",
    "kept.append(2)\nprint('before')\nwhile True: pass",
    1,
    { status: "timeout", stdout: "before\n" },
    { line: 3, notice: /variables are still there/, kept: "[1, 2]" },
  ],
  [
    "a hard time-out goes back",
    "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nkept.append(2)\nprint('before')\nwhile True: pass",
    1,
    { status: "timeout", stdout: "before\n" },
    { line: 5, notice: /back where it was before this call/, kept: "[1]" },
  ],
  [
    "a crash goes back",
    "kept.append(2)\nprint('before')\nimport ctypes\nctypes.string_at(0)",
    10,
    { status: "killed", stdout: "before\n", return_code: 139 },
    { line: 4, notice: /back where it was before this call/, kept: "[1]" },
  ],
  [
    "an abort goes back",
    "import os\nprint('before')\nos.abort()",
    10,
    { status: "killed", stdout: "before\n", return_code: 134 },
    { line: 3, notice: /back where it was before this call/, kept: "[1]" },
  ],
  [
    "os._exit goes back",
    "import os\nprint('before')\nos._exit(3)",
    10,
    { status: "killed", stdout: "before\n" },
    { line: null, notice: /back where it was before this call/, kept: "[1]" },
  ],
  [
    "out of memory goes back, and names the largest variables",
    "print('before')\nparts = [b'x' * (100 << 20) for _ in range(3)]\nimport numpy\nbig = numpy.ones(20 << 20)\nparts += [b'y' * (200 << 20) for _ in range(9)]",
    20,
    { status: "out_of_memory", stdout: "before\n" },
    { line: 5, notice: /back where it was before this call/, kept: "[1]" },
  ],
  [
    "endless recursion in C goes back or raises",
    "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __getattr__(self, name): return getattr(self, name)\nA().x",
    10,
    { status: "killed" },
    { line: 4, notice: /back where it was before this call/, kept: "[1]" },
  ],
];

describe("a cell's end", () => {
  test.each(endings)("%s", async (_name, code, timeout, expected, { line, notice, kept }) => {
    const container = await prepared();
    const answer = await container.execute(code, timeout);
    expect(answer).toMatchObject(expected);
    expect(answer.error).toMatchObject({ line });
    expect(answer.notice).toMatch(notice);
    expect(answer.seconds).toBeLessThan(timeout + 3);
    expect(await container.print("print(kept)")).toBe(`${kept}\n`);
  });

  test("killed for want of memory, the answer names the peak and what was large before", async () => {
    const container = await prepared();
    await container.print("import numpy\nlarge = numpy.ones(8 << 20)");
    // Shared memory is not limited for the process, so Python gets no MemoryError.
    const answer = await container.execute(
      "import mmap\nshared = mmap.mmap(-1, 3 << 30)\nfor at in range(0, 3 << 30, 1 << 20): shared[at:at + (1 << 20)] = bytes(range(256)) * 4096",
      20,
    );
    expect(answer).toMatchObject({ status: "out_of_memory", error: { line: 3 } });
    expect(answer.error!.traceback).toContain(
      "Running was line 3: for at in range(0, 3 << 30, 1 << 20)",
    );
    expect(answer.error!.traceback).toMatch(/Peak: 1\d\d\d MiB; the limit is 1024 MiB/);
    expect(answer.error!.traceback).toContain(
      "Largest variables before this call: large (ndarray (8388608,) float64, 64 MiB)",
    );
    expect(await container.print("print(kept, large.size)")).toBe("[1] 8388608\n");
  });

  test("a time-out shows the figures until then, and the shapes where the code was", async () => {
    const container = await prepared();
    const answer = await container.execute(
      "import numpy, pandas, matplotlib.pyplot as plt\nfrom collections import deque\nplt.plot([1, 2])\ndef work(table):\n    block = numpy.ones((3, 4))\n    queue = deque([1, 2])\n    while True: pass\nwork(pandas.DataFrame({'a': [1, 2]}))",
      2,
    );
    expect(answer).toMatchObject({ status: "timeout", error: { line: 7 } });
    expect(answer.outputs.some(({ data }) => "image/png" in data)).toBe(true);
    expect(answer.error!.traceback).toMatch(/line 8.+\n[^]+line 7/);
    for (const part of [
      "block in work() (ndarray (3, 4) float64)",
      "table in work() (DataFrame (2, 1))",
      "queue in work() (deque of 2)",
    ])
      expect(answer.error!.traceback).toContain(part);
    expect(answer.notice).toMatch(/variables are still there/);
  });

  test.each([
    [
      "Python that ignores interrupts",
      "signal.signal(signal.SIGINT, signal.SIG_IGN)",
      "while True: pass",
    ],
    [
      "Python that swallows them",
      "pass",
      "while True:\n        try: signal.pause()\n        except KeyboardInterrupt: pass",
    ],
    ["C code that does not look for them", "pass", "sum(range(10 ** 12))"],
  ])("a hard time-out shows the shapes where the code was: %s", async (_name, first, last) => {
    const container = await prepared();
    const answer = await container.execute(
      `import numpy, pandas, signal\n${first}\ndef work(table):\n    block = numpy.ones((3, 4))\n    ${last}\nwork(pandas.DataFrame({'a': [1, 2]}))`,
      1,
    );
    expect(answer).toMatchObject({ status: "timeout" });
    expect(answer.notice).toMatch(/back where it was/);
    expect(answer.error!.traceback).toMatch(/Stack, newest first:\n.+line [5-7] in work/);
    expect(answer.error!.traceback).toContain(
      "Variables where it was: table in work() (DataFrame (2, 1)); block in work() (ndarray (3, 4) float64)",
    );
    expect(answer.stderr).toBe("");
    expect(await container.print("print(kept)")).toBe("[1]\n");
  });

  test("out of memory in Python advises", async () => {
    const container = await prepared();
    const answer = await container.execute(
      "import numpy\nsmall = numpy.ones(10 << 20)\nbig = numpy.ones(3 << 27)",
    );
    expect(answer.error!.traceback).toContain("small (ndarray (10485760,) float64, 80 MiB)");
    expect(answer.error!.traceback).toContain("Running was line 3: big = numpy.ones(3 << 27)");
    expect(answer.error!.traceback).toMatch(/Peak: \d+ MiB; the limit is 1024 MiB/);
    expect(answer.error!.traceback).toContain("Work in blocks");
  });

  test("what happens to the first cell of all costs nothing either", async () => {
    for (const [code, line] of [
      ["import os\nos.abort()", 2],
      ["import signal\nx = [1]\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass", 4],
    ] as const) {
      const container = await createContainer(server);
      const answer = await container.execute(code, 1);
      expect(answer.notice).toMatch(/back where it was/);
      expect(answer.error?.line).toBe(line);
      if (line === 4) expect(answer.error?.traceback).toContain("it was: x (list of 1)");
      expect(await container.print("x = 1\nprint(x)")).toBe("1\n");
    }
  });
});

describe("between two cells", () => {
  const SOON =
    "import os, threading, time\ndef end():\n    while not os.path.exists('go'): time.sleep(0.005)\n";

  test("an interpreter that ends comes back, and the next answer says so", async () => {
    const container = await prepared();
    await container.print(`${SOON}    os._exit(1)\nthreading.Thread(target=end).start()`);
    await send(server, "PUT", `/v1/containers/${container.id}/files/go`, "x");
    // It may end between two of these cells or in one of them.
    const notices: (string | null)[] = [];
    for (let call = 0; call < 50 && !notices.some(Boolean); call += 1) {
      notices.push((await container.execute("import time\ntime.sleep(0.01)")).notice);
    }
    expect(notices.join()).toMatch(/brought back|back where it was/);
    expect(await container.print("print(kept)")).toBe("[1]\n");
  });

  test("one that takes its checkpoint along is started anew, and the next answer says so", async () => {
    const container = await prepared();
    await container.print(
      `${SOON}    for name in os.listdir('/proc'):\n        if name.isdigit() and int(name) not in (1, os.getpid()): os.kill(int(name), 9)\n    os._exit(1)\nthreading.Thread(target=end).start()`,
    );
    await send(server, "PUT", `/v1/containers/${container.id}/files/go`, "x");
    let notice: string | null = null;
    for (let call = 0; call < 50 && notice === null; call += 1)
      ({ notice } = await container.execute("1"));
    expect(notice).toMatch(/all variables (from before )?are gone/);
    expect(await container.print("print('kept' in dir())")).toBe("False\n");
  });
});

test("a client that leaves at any moment finds the session sound", async () => {
  const container = await prepared();
  const cells = [
    "for i in range(30000): print(i)",
    "from IPython.display import display\nfor i in range(30): display({'text/plain': 'x' * 300000}, raw=True)",
    "import time\ntime.sleep(1)",
    "import os\nfor i in range(20):\n    if os.fork() == 0: os._exit(0)\n    os.wait()",
    "x = [i ** 2 for i in range(10 ** 7)]",
    "import matplotlib.pyplot as plt\nfor i in range(5): plt.plot([1, 2]); plt.show()",
  ];
  for (let round = 0; round < 36; round += 1) {
    const leaving = new AbortController();
    // Spread evenly over the cells' lives, the same in every run.
    const timer = setTimeout(() => leaving.abort(), (round * 37) % 260);
    await fetch(`${server.url}/v1/containers/${container.id}/execute`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": "test" },
      body: JSON.stringify({ code: cells[round % cells.length], stream: round % 2 === 0 }),
      signal: leaving.signal,
    })
      .then((response) => response.text())
      .catch(() => {});
    clearTimeout(timer);
    const next = await container.execute(`print(${round}, kept)`, 5);
    expect(next).toMatchObject({ status: "ok", stdout: `${round} [1]\n` });
    expect(next.seconds).toBeLessThan(4);
  }
});

test("a checkpoint that is at work on its own memory when the session dies takes over all the same", async () => {
  const container = await createContainer(server);
  await container.print(
    "import os, time, numpy\nkept = [str(number) for number in range(100_000)]",
  );
  for (let round = 0; round < 30; round += 1) {
    await container.print(`kept.append(${round})`);
    const dies = `time.sleep(${0.085 + round * 0.001})\nos._exit(1)`;
    const { status, notice } = await container.execute(dies);
    expect([status, notice]).toEqual(["killed", expect.stringContaining("back where it was")]);
  }
  expect(await container.print("print(len(kept), kept[-1])")).toBe("100030 29\n");
});
