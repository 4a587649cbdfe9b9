/** What a cell shows: order, figures, last values, and the habits of models. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { createContainer, type Answer, type TestContainer } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
let container: TestContainer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
  container = await createContainer(server);
});
afterAll(() => server.close());

const PLT = "import matplotlib.pyplot as plt\n";
const pngs = ({ outputs }: Answer) => outputs.filter((output) => "image/png" in output.data).length;
const lastValue = ({ outputs }: Answer) =>
  outputs.find(({ type }) => type === "execute_result")?.data["text/plain"];

test.each<[string, string, Partial<Answer>]>([
  [
    "prints of every kind in order",
    "import os, ctypes, sys\nprint('a')\nos.write(1, b'b\\n')\nctypes.CDLL(None).puts(b'c'); ctypes.CDLL(None).fflush(None)\nprint('d')\nprint('e', file=sys.stderr)",
    { stdout: "a\nb\nc\nd\n", stderr: "e\n" },
  ],
  ["a print without a newline", "print('x', end='')", { stdout: "x" }],
  [
    "a child's output",
    "import os\nif os.fork() == 0:\n    print('child'); os._exit(0)\nos.wait(); print('parent')",
    { stdout: "child\nparent\n" },
  ],
  ["bytes that are no UTF-8", "import os\nos.write(1, b'\\xff\\xfe')", { stdout: "\ufffd\ufffd" }],
  ["surrogates and null", "print('\\ud800', '\\0')", { stdout: "\\ud800 \0\n" }],
  ["nothing for None and a semicolon", "None\n5;", { outputs: [] }],
  ["exit without an error", "print('x')\nexit()", { status: "ok", stdout: "x\n", return_code: 0 }],
  ["sys.exit with a number", "import sys\nsys.exit(3)", { status: "error", return_code: 3 }],
  ["input()", "name = input('name? ')", { status: "error" }],
  ["!pip install", "!pip install requests", { status: "error" }],
  ["a warning", "import warnings\nwarnings.warn('careful')", { status: "ok" }],
])("%s", async (_name, code, expected) => {
  const fresh = await container.execute(code);
  expect(fresh).toMatchObject(expected);
});

test("the last expression, in its forms", async () => {
  expect(lastValue(await container.execute("x = 5\nx * 2"))).toBe("10");
  const table = await container.execute("import pandas as pd\npd.DataFrame({'a': [1]})");
  expect(table.outputs[0]!.data["text/html"]).toContain("<table");
  expect(table.outputs[0]!.data["text/plain"]).toContain("a");
  const styled = await container.execute("pd.DataFrame({'a': [1]}).style.highlight_max()");
  expect(styled.outputs[0]!.data["text/html"]).toContain("background-color");
  expect(lastValue(await container.execute("import asyncio\nawait asyncio.sleep(0, 'woke')"))).toBe(
    "'woke'",
  );
  expect(lastValue(await container.execute("async def f(): return 3\nasyncio.run(f())"))).toBe("3");
  expect(lastValue(await container.execute("await f() + asyncio.run(f())"))).toBe("6");
});

test.each([
  ["one left open", `${PLT}plt.plot([1, 2])`, 1],
  ["two left open", `${PLT}plt.figure(); plt.plot([1]); plt.figure(); plt.plot([2])`, 2],
  ["one shown", `${PLT}plt.plot([1, 2]); plt.show()`, 1],
  [
    "one saved and closed, which counts once",
    `${PLT}import os\nplt.plot([1, 2]); plt.savefig(os.environ['OUTPUT_DIR'] + '/a.png'); plt.close()`,
    1,
  ],
  [
    "one saved and left open, which counts once",
    `${PLT}import os\nplt.plot([1, 2]); plt.savefig(os.environ['OUTPUT_DIR'] + '/b.png')`,
    1,
  ],
  ["one with text only", `${PLT}plt.text(0.5, 0.5, 'hello')`, 1],
  ["one with a figure's text only", `${PLT}plt.figure().text(0.5, 0.5, 'hello')`, 1],
  ["an image shown", "from PIL import Image\nImage.new('RGB', (9, 9)).show()", 1],
  ["an image as the last value", "from PIL import Image\nImage.new('RGB', (9, 9))", 1],
  ["none when closed", `${PLT}plt.plot([1]); plt.close()`, 0],
])("figures: %s", async (_name, code, count) => {
  const answer = await container.execute(code, 20);
  expect(answer).toMatchObject({ status: "ok", error: null });
  expect(pngs(answer)).toBe(count);
  expect(pngs(await container.execute("1"))).toBe(0);
});

test("a figure keeps its place between prints", async () => {
  const response = await fetch(`${server.url}/v1/containers/${container.id}/execute`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": "test" },
    body: JSON.stringify({
      code: `${PLT}print('before')\nplt.plot([1]); plt.show()\nprint('after')`,
      stream: true,
    }),
  });
  const names = (await response.text()).match(/(?<=^event: )(?!ping)\w+/gm);
  expect(names).toEqual(["stdout", "output", "stdout", "done"]);
});

test("classes of cells are pickled, by pools too", async () => {
  const code = `import pickle, multiprocessing
class Point:
    def __init__(self, x): self.x = x
def double(point): return Point(point.x * 2)
with multiprocessing.Pool(2) as pool: print([p.x for p in pool.map(double, [Point(1), Point(2)])], pickle.loads(pickle.dumps(Point(3))).x)`;
  expect(await container.print(code)).toBe("[2, 4] 3\n");
});

test("a name that the user gives to print or open is not called behind its back", async () => {
  await container.print("calls = []\ndef print(*words): calls.append(words)");
  await container.execute("1");
  expect(lastValue(await container.execute("calls"))).toBe("[]");
  await container.execute("del print");
});

const LINES = 150_000;
const COUNT = `import sys\nfor number in range(${LINES}):\n    print(number)\n    if number % 50_000 == 0: print(number, file=sys.stderr); display(number)`;

test.each<[string, string, string]>([
  ["ends well", "", "ok"],
  [
    "ends with its process",
    "import os, signal; sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)",
    "killed",
  ],
])("a loop that prints much and %s: each line once, in order", async (_name, end, status) => {
  const { stdout, stderr, outputs, ...rest } = await container.execute(`${COUNT}\n${end}`);
  expect(rest.status).toBe(status);
  expect(stdout === Array.from({ length: LINES }, (_, line) => `${line}\n`).join("")).toBe(true);
  expect(stderr).toBe("0\n50000\n100000\n");
  expect(outputs.map(({ data }) => data["text/plain"])).toEqual(["0", "50000", "100000"]);
});

test("a printing loop that is stopped has printed each line once, in order", async () => {
  const code = "number = 0\nwhile True:\n    print(number); number += 1; sum(range(40))";
  const { status, stdout } = await container.execute(code, 1);
  expect(status).toBe("timeout");
  const lines = stdout.split("\n").slice(0, -1);
  expect(lines.length).toBeGreaterThan(1000);
  expect(lines.findIndex((line, index) => line !== String(index))).toBe(-1);
});

test("code that cuts its own output file keeps its session", async () => {
  const print = "print('x' * 99)\n        if line % 5000 == 0: os.ftruncate(1, 100_000)";
  const code = `import os\nfor _ in range(4):\n    for line in range(20_000):\n        ${print}`;
  expect((await container.execute(`kept = 5\n${code}`)).status).toBe("ok");
  expect(await container.execute("print(kept)")).toMatchObject({ stdout: "5\n", notice: null });
});

test("more output than the limit is cut, and said so", async () => {
  const answer = await container.execute("for _ in range(40): print('x' * (1 << 20))", 20);
  expect(answer.truncated).toBe(true);
  expect(answer.stdout.length).toBeLessThanOrEqual(16 << 20);
  expect((await container.execute("print('next')")).stdout).toBe("next\n");
});

test("twenty charts and more displays than the limit", async () => {
  const charts = await container.execute(`${PLT}for i in range(20): plt.plot([i]); plt.show()`, 30);
  expect(pngs(charts)).toBe(20);
  const many = await container.execute(
    "from IPython.display import display\nfor i in range(300): display(i)",
    20,
  );
  expect(many.truncated).toBe(true);
  expect(many.outputs.length).toBe(100);
  const large = await container.execute(
    "for i in range(20): display({'text/plain': 'x' * (8 << 20)}, raw=True)",
    30,
  );
  expect(large.truncated).toBe(true);
  expect(large.outputs.length).toBeLessThan(12);
});
