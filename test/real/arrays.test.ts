/** The memory of numpy's large arrays (python/kernel/arrays.py): warm when it is used again, and sound in every copy. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  const provider = new ScriptedProvider([]);
  server = await startServer({ provider, env: { CURTA_PARK_SECONDS: "3600" } });
});
afterAll(() => server.close());

/** Faults of a cell that fills five arrays of 8 MB. */
const FILL = `import numpy, resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for number in range(5):
    big = numpy.full(1_000_000, number, dtype=float)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)`;

const REUSE = `import numpy
place = None
for number in range(3):
    big = numpy.full(1_000_000, 7.0)
    reused = big.ctypes.data == place
    place = big.ctypes.data
    del big
print(reused, not numpy.zeros(1_000_000).any())`;

test.runIf(process.arch === "x64")(
  "freed memory is used again, also by the next cell",
  async () => {
    const container = await createContainer(server);
    expect(await container.print(REUSE)).toBe("True True\n");
    await container.print(FILL);
    // Old pages and the interpreter's own: an array that is mapped anew has 400 beside its huge pages.
    const faults = Number(await container.print(FILL));
    expect(faults).toBeLessThan(1000);
  },
);

test("what arrays hold outlives a crash, wherever their memory comes from", async () => {
  const container = await createContainer(server);
  await container.print(
    "import numpy\ndef fill(): return [numpy.full(400_000, n) for n in range(6)]\narrays = fill()",
  );
  for (let round = 0; round < 3; round += 1) {
    // Half of them are freed and come back from blocks that were kept.
    await container.print("arrays[::2] = [None] * 3\narrays[::2] = fill()[::2]");
    const crash = await container.execute(
      "for array in arrays: array[:] = -1\narrays.clear()\nmore = fill()\nimport os\nos._exit(1)",
    );
    expect(crash).toMatchObject({ status: "killed" });
    expect(
      await container.print("print([bool((a == n).all()) for n, a in enumerate(arrays)])"),
    ).toBe(`[${Array(6).fill("True").join(", ")}]\n`);
  }
});

test("zeros are zeros in memory that held something else", async () => {
  const container = await createContainer(server);
  const zeros = `import numpy
for size in (800_000, 1_000_000, 2_000_000, 2_097_152, 3_000_000, 9_000_000):
    for _ in range(3):
        full = numpy.ones(size, numpy.int8)
        del full
        assert not numpy.zeros(size, numpy.int8).any(), size
print("zeros")`;
  for (let round = 0; round < 3; round += 1) {
    expect(await container.print(zeros)).toBe("zeros\n");
  }
});

test("a child that code forks has the arrays, and memory of its own", async () => {
  const container = await createContainer(server);
  const child = `import numpy, os
one = numpy.full(500_000, 3)
del one
one, other = numpy.full(500_000, 1), numpy.full(500_000, 2)
process = os.fork()
if process == 0:
    more = [numpy.full(500_000, n) for n in range(20)]
    os._exit(0 if (one == 1).all() and (other == 2).all() and all((a == n).all() for n, a in enumerate(more)) else 1)
one[:] = 5
print(os.waitpid(process, 0)[1], bool((other == 2).all()))`;
  expect(await container.print(child)).toBe("0 True\n");
});

test("arrays that change their size keep what is in them", async () => {
  const container = await createContainer(server);
  const resize = `import numpy
array = numpy.arange(200_000.0)
for size in (100_000, 300_000, 1_000_000, 1_040_000, 150_000, 10, 400_000):
    kept = min(len(array), size)
    before = array[:kept].copy()
    array.resize(size, refcheck=False)
    assert (array[:kept] == before).all() and not array[kept:].any(), size
print("sound")`;
  expect(await container.print(resize)).toBe("sound\n");
});

test("memory that is kept counts when it is used, and goes when nobody comes", async () => {
  const container = await createContainer(server);
  const fill = "import numpy\nbig = numpy.full(5_000_000, 1.0)\ndel big";
  await container.print("1");
  const first = await container.execute(fill);
  const second = await container.execute(fill);
  const idle = await container.execute("1");
  for (const { usage } of [first, second]) {
    expect(usage.peak_memory_bytes).toBeGreaterThan(38e6);
    expect(usage.peak_memory_bytes).toBeLessThan(60e6);
  }
  expect(idle.usage.peak_memory_bytes).toBeLessThan(10e6);
  const own =
    "print([int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('RssAnon')][0])";
  await container.print(fill);
  // Each look comes later than memory is kept for.
  const look = async () => Number(await container.print(own));
  await expect.poll(look, { interval: 1500, timeout: 20_000 }).toBeLessThan(25_000);
});

test("an array finds room where memory is kept for others", async () => {
  const container = await createContainer(server);
  const fill = `import numpy
small = [numpy.ones(1_000_000) for _ in range(8)]
del small
large = [numpy.ones(12_000_000) for _ in range(10)]
print(len(large))`;
  expect(await container.print(fill)).toBe("10\n");
});

/** Faults of a groupby, whose table has a thousand places in as many pages of its 32 MB. */
const GROUP = `import numpy, pandas, resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
random = numpy.random.default_rng(1)
frame = pandas.DataFrame({"key": random.integers(0, 1000, 1_000_000), "value": random.random(1_000_000)})
result = frame.groupby("key")["value"].mean()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)`;

test.runIf(process.arch === "x64")("pandas' tables are warm, too", async () => {
  const container = await createContainer(server);
  await container.print(GROUP);
  await container.print(GROUP);
  // Mapped anew each time they have 2200 more. What is left is the interpreter's own, shared with the checkpoint.
  expect(Number(await container.print(GROUP))).toBeLessThan(2000);
});

test("pandas' tables grow, in several threads at once, and are sound", async () => {
  const container = await createContainer(server);
  const grow = `import numpy, pandas
from concurrent.futures import ThreadPoolExecutor
def check(seed):
    values = numpy.random.default_rng(seed).integers(0, 400_000, 500_000)
    codes, found = pandas.factorize(values)
    texts = pandas.Series(values[:100_000]).astype(str)
    return bool((found[codes] == values).all()) and texts.nunique() == len(set(values[:100_000].tolist()))
with ThreadPoolExecutor(4) as pool:
    print(all(pool.map(check, range(12))))
kept = pandas.Index(numpy.arange(300_000) * 7 + 1)
print(kept.get_loc(7 * 1234 + 1), kept.is_unique)`;
  expect(await container.print(grow)).toBe("True\n1234 True\n");
  const crash = await container.execute(
    "pandas.factorize(numpy.arange(1_000_000))\ndel kept\npandas.Index(numpy.arange(300_000)).get_loc(5)\n" +
      "import os\nos._exit(1)",
  );
  expect(crash).toMatchObject({ status: "killed" });
  expect(await container.print("print(kept.get_loc(7 * 299_999 + 1), check(99))")).toBe(
    "299999 True\n",
  );
});

test("a child that was forked while threads filled tables fills its own", async () => {
  const container = await createContainer(server);
  const fork = `import numpy, os, pandas, threading
values = numpy.arange(400_000)
stop = threading.Event()
def fill():
    while not stop.is_set(): pandas.factorize(values)
threads = [threading.Thread(target=fill) for _ in range(2)]
for thread in threads: thread.start()
ends = []
for _ in range(10):
    process = os.fork()
    if process == 0:
        codes, found = pandas.factorize(values[::-1])
        os._exit(0 if (found[codes] == values[::-1]).all() else 1)
    ends.append(os.waitpid(process, 0)[1])
stop.set()
for thread in threads: thread.join()
print(set(ends))`;
  expect(await container.print(fork)).toBe("{0}\n");
});

test.runIf(process.arch === "x64")(
  "what BLAS copies matrices into is no checkpoint's, and goes when nobody comes",
  async () => {
    const container = await createContainer(server);
    const multiply = `import numpy, resource
one = numpy.ones((1000, 1000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
two = one @ one
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, bool((two == 1000).all()))`;
    expect(await container.print(multiply)).toMatch(/ True$/m);
    // Of its own pages the library touches nine hundred.
    for (let round = 0; round < 3; round += 1) {
      const [faults, isRight] = (await container.print(multiply)).trim().split(" ");
      expect(Number(faults)).toBeLessThan(450);
      expect(isRight).toBe("True");
    }
    expect(await container.execute("one @ one\nimport os\nos._exit(1)")).toMatchObject({
      status: "killed",
    });
    expect(await container.print(multiply)).toMatch(/ True$/m);
    const look = `found = 0
with open("/proc/self/smaps") as maps:
    for line in maps:
        name, *values = line.split()
        if name == "Rss:": size = int(values[0])
        if name == "VmFlags:" and "wf" in values: found += size
print(found)`;
    await container.print("del one, two");
    // Each look comes later than anything is kept for.
    await expect
      .poll(async () => Number(await container.print(look)), { interval: 1500, timeout: 20_000 })
      .toBe(0);
  },
);
