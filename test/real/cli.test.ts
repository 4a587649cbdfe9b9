/** The commands as real processes, before a scripted model's server: what a user sees, and the exit codes. */
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

import { calls, says, thinks } from "../../src/providers/scripted.ts";
import { openBatchStore } from "../../src/store/batches.ts";
import { openDatabase } from "../../src/store/database.ts";
import { speakMessages, startModelServer, type ModelServer } from "../fixtures/model-servers.ts";
import { runProgram, type ProgramResult } from "../fixtures/program.ts";
import { MAIN, startServeProcess, type ServeProcess } from "../fixtures/serve-process.ts";
import { status } from "../fixtures/upstream/server.ts";
import { isPng } from "./requests.ts";

const PROGRAM = `import os
import pandas as pd
import matplotlib.pyplot as plt
df = pd.read_csv("sales.csv")
print("total", df.units.sum())
df.plot.bar(x="region", y="units")
plt.show()
df.to_csv(os.path.join(os.environ["OUTPUT_DIR"], "table.csv"))`;

let model: ModelServer;
let server: ServeProcess;
/** Where the command is run; new for each test. */
let folder: string;

beforeAll(async () => {
  model = await startModelServer();
  server = await startServeProcess({
    CURTA_UPSTREAM_URL: model.url,
    CURTA_UPSTREAM_API: "anthropic",
  });
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await model?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "curta-cli-"));
  await writeFile(join(folder, "sales.csv"), "region,units\nNorth,19\nSouth,23\n");
  model.play(
    speakMessages(({ lastOutput }) =>
      lastOutput === null
        ? [
            thinks("I will add the units."),
            says("Let me look."),
            calls("code_execution", { code: PROGRAM }, { chunk: 30 }),
          ]
        : [says("42 units were sold.")],
    ),
  );
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** Uses the server that listens, unless another port is given. */
function curta(args: string[], env: Record<string, string> = {}): Promise<ProgramResult> {
  return runProgram(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: { CURTA_PORT: server.port, CURTA_DATA: join(folder, "data"), ...env },
  });
}

async function expectPng(name: string): Promise<void> {
  expect(isPng(await readFile(join(folder, name)))).toBe(true);
}

test("serve says where it listens and what to paste, and the pasted line works", async () => {
  expect(server.stdout()).toContain(`Curta listens on ${server.url} (model:`);
  const line = server
    .stdout()
    .slice(server.stdout().indexOf("curl "), server.stdout().lastIndexOf("}'") + 2);
  const pasted = await runProgram("bash", ["-c", line]);
  const answer = JSON.parse(pasted.stdout) as { content: { type: string }[] };
  expect(answer.content.at(-1)).toEqual({ type: "text", text: "42 units were sold." });
});

test("ask streams thought, code, output and answer, and saves the chart and the file", async () => {
  const { code, stdout, stderr } = await curta(["ask", "How many?", "--attach", "sales.csv"]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const program = PROGRAM.split("\n").map((line) => `  ${line}`);
  expect(stdout.split("\n")).toEqual([
    "I will add the units.",
    "",
    "Let me look.",
    "",
    ...program,
    "",
    "total 42",
    "Saved figure-1.png",
    "Saved table.csv",
    "",
    "42 units were sold.",
    "",
  ]);
  await expectPng("figure-1.png");
  expect(await readFile(join(folder, "table.csv"), "utf8")).toContain("South,23");
  expect(JSON.stringify(model.asked.at(-1)?.body.messages)).toContain("sales.csv");
});

test("ask --json prints one message with what was saved, and nothing is ever overwritten", async () => {
  await writeFile(join(folder, "figure-1.png"), "mine");
  const { code, stdout } = await curta(["ask", "How many?", "--attach", "sales.csv", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    type: "message",
    stop_reason: "end_turn",
    saved: ["figure-1-2.png", "table.csv"],
  });
  expect(await readFile(join(folder, "figure-1.png"), "utf8")).toBe("mine");
  await expectPng("figure-1-2.png");
});

test("ask starts a sandbox of its own when no server listens", async () => {
  const env = { CURTA_UPSTREAM_URL: model.url, CURTA_UPSTREAM_API: "anthropic", CURTA_PORT: "1" };
  const { code, stdout, stderr } = await curta(["ask", "How many?", "--attach", "sales.csv"], env);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toContain("total 42\nSaved figure-1.png");
});

test("run shows output as it comes, saves charts and files, and gives the program's exit code", async () => {
  await writeFile(join(folder, "p.py"), `${PROGRAM}\nint(df.units.max())\n`);
  const good = await curta(["run", "p.py", "--attach", "sales.csv"]);
  expect(good).toEqual({
    code: 0,
    stdout: "total 42\n23\n",
    stderr: "Saved chart-1.png\nSaved table.csv\n",
  });
  await expectPng("chart-1.png");
});

test.each([
  {
    name: "an error",
    program: "def f(x):\n    return 1 / x\nprint('before')\nf(0)\n",
    code: 1,
    stderr:
      /^Traceback .*\n {2}File "p\.py", line 4, in <module>[^]*ZeroDivisionError: division by zero\n$/,
  },
  {
    name: "its own exit code",
    program: "import sys\nprint('before')\nsys.exit(3)",
    code: 3,
    stderr: /^$/,
  },
  {
    name: "its own last words",
    program: "print('before')\nraise SystemExit('no data')",
    code: 1,
    stderr: /^no data\n$/,
  },
  {
    name: "a syntax error",
    program: "print('before'\n",
    code: 1,
    stderr: /File "p\.py", line 1[^]*SyntaxError/,
  },
  {
    name: "the time limit",
    program: "import time\nprint('before')\ntime.sleep(20)",
    args: ["--timeout-seconds", "1"],
    code: 124,
    stderr:
      /^curta: The program was stopped at its time limit; --timeout-seconds gives it more\.\n$/,
  },
])("run: a program that ends with $name", async ({ program, args = [], code, stderr }) => {
  await writeFile(join(folder, "p.py"), program);
  const result = await curta(["run", "p.py", ...args]);
  expect(result.stderr).toMatch(stderr);
  expect(result.code).toBe(code);
  expect(result.stdout).toBe(program.includes("'before')") ? "before\n" : "");
});

test.each([
  { args: ["run", "nowhere.py"], code: 1, says: /^curta: nowhere\.py does not exist\.\n$/ },
  { args: ["run"], code: 1, says: /^curta: missing required argument 'file'\n/ },
  {
    args: ["ask", "x", "--attach", "gone.csv"],
    code: 1,
    says: /^curta: gone\.csv does not exist\.\n$/,
  },
  { args: ["dance"], code: 1, says: /^curta: unknown command 'dance'\n/ },
  {
    args: ["config", "--port", "many"],
    code: 1,
    says: /^curta: The setting port \(CURTA_PORT\) cannot be/,
  },
])("a command line that cannot be: $args", async ({ args, code, says: words }) => {
  const result = await curta(args);
  expect(result.stderr).toMatch(words);
  expect(result).toMatchObject({ code, stdout: "" });
});

test("serve says at once that its data folder or its port is taken", async () => {
  const env = { CURTA_UPSTREAM_URL: model.url, CURTA_CACHE: join(folder, "no-set-up") };
  const same = await curta(["serve"], { ...env, CURTA_DATA: server.data });
  expect(same.stderr).toMatch(
    /^curta: Curta is running with the data folder .* already \(process \d+\); stop it, .*\n$/,
  );
  const other = await curta(["serve"], env);
  expect(other.stderr).toMatch(/^curta: Something else listens on 127\.0\.0\.1:\d+; .*\n$/);
  expect([same.code, other.code]).toEqual([1, 1]);
});

test("a command without a server leaves the data folder's batches to the next server", async () => {
  const data = join(folder, "data");
  const database = openDatabase(data);
  const params = JSON.stringify({
    model: "m",
    max_tokens: 10,
    messages: [{ role: "user", content: "Hello" }],
  });
  const batches = openBatchStore(database, Date.now, 10);
  const batch = batches.create([{ customId: "one", params }], "");
  await writeFile(join(folder, "p.py"), "print(1)");
  const result = await curta(["run", "p.py"], { CURTA_PORT: "1" });
  expect(result).toMatchObject({ code: 0, stdout: "1\n" });
  expect(batches.get(batch.id).endedAt).toBe(null);
  expect(batches.pending(10).length).toBe(1);
  database.close();
});

test("a model's server that fails is one sentence", async () => {
  model.play(
    status(401, '{"error":{"message":"bad key"}}', { "content-type": "application/json" }),
  );
  const { code, stdout, stderr } = await curta(["ask", "Hello?"]);
  expect(code).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toMatch(
    /^curta: The model's server did not accept our key \(401\); check CURTA_UPSTREAM_KEY\.\n$/,
  );
});

test.each([
  [
    { CURTA_SEARCH: "searxng" },
    /^curta: CURTA_SEARCH is searxng, so CURTA_SEARCH_URL has to name [^\n]*\n$/,
  ],
  [
    { CURTA_SEARCH: "google" },
    /^curta: The setting search \(CURTA_SEARCH\) cannot be "google"[^\n]*\n$/,
  ],
])("serve does not start with %j and says why in one sentence", async (env, sentence) => {
  const { code, stdout, stderr } = await curta(["serve"], {
    CURTA_PORT: "0",
    CURTA_UPSTREAM_URL: model.url,
    CURTA_UPSTREAM_API: "anthropic",
    ...env,
  });
  expect(code).not.toBe(0);
  expect(stderr).toMatch(sentence);
  expect(stdout).not.toContain("listens");
});

test("doctor lists each protection, enforced or how to get it", async () => {
  const shown = await curta(["doctor"], { CURTA_UPSTREAM_URL: model.url });
  for (const name of ["seccomp", "no-network", "no-programs", "limits"])
    expect(shown.stdout).toMatch(new RegExp(`^${name} +enforced`, "m"));
  expect(shown.stdout).toMatch(/^python +present +Python 3\.1\d/m);
  expect(shown.stdout).toMatch(/^web fetch +enforced/m);
  expect(shown.stdout).toMatch(/^web search +missing +none$/m);
  expect(shown.stdout).toMatch(/^port +present +Curta is running on/m);
  expect(shown.code).toBe(0);
  const json = await curta(["doctor", "--json"], { CURTA_UPSTREAM_URL: model.url });
  const findings = JSON.parse(json.stdout) as { state: string; required: boolean }[];
  expect(findings.length).toBeGreaterThan(10);
  expect(findings.filter(({ state, required }) => required && state === "missing")).toEqual([]);
});

test("config tells where each value comes from and keeps secrets", async () => {
  const args = ["config", "--memory-mb", "512"];
  const { code, stdout } = await curta(args, { CURTA_API_KEYS: "sk-very-secret" });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^CURTA_MEMORY_MB +512 +1024 +flag/m);
  expect(stdout).toMatch(new RegExp(`^CURTA_PORT +${server.port} +4242 +variable`, "m"));
  expect(stdout).toMatch(/^CURTA_API_KEYS +\(set\)/m);
  expect(stdout).not.toContain("very-secret");
  expect(await readdir(folder)).toEqual(["sales.csv"]);
});
