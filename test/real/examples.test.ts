/** The programs in `examples/` run as they stand, against a real server with a scripted model. */
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, expect, test } from "vitest";

import { loadConfig } from "../../src/config.ts";
import type { ModelRequest } from "../../src/providers/provider.ts";
import { ScriptedProvider, calls, says, type ScriptStep } from "../../src/providers/scripted.ts";
import { ensurePythonClients, type PythonClients } from "../conformance/python-clients.ts";
import { runProgram } from "../fixtures/program.ts";
import { startServer, type TestServer } from "./server.ts";

/** Words of a request, and the program that a good model writes for it. */
const PROGRAMS: [words: string, code: string][] = [
  [
    "bar chart of the sales",
    'import pandas as pd\nsales = pd.read_csv("sales.csv")\nsales.plot.bar(x="month", y="sales")\nprint(sales["sales"].sum())',
  ],
  [
    "squares.xlsx",
    'import os, pandas as pd\npd.DataFrame({"n": range(1, 11)}).assign(square=lambda d: d.n**2).to_excel(os.environ["OUTPUT_DIR"] + "/squares.xlsx")',
  ],
  ["mean and the median", "print(statistics.mean(numbers), statistics.median(numbers))"],
  [
    "standard deviation",
    "import statistics\nnumbers = [4, 8, 15, 16, 23, 42]\nprint(statistics.stdev(numbers))",
  ],
];

/** Runs the program of the latest request, then says what it printed. */
function play({ messages }: ModelRequest): ScriptStep[] {
  const latest = JSON.stringify(messages.at(-1));
  if (latest.includes('"tool_result"')) return [says("Done.")];
  const known = PROGRAMS.find(([words]) => latest.includes(words));
  return known === undefined ? [] : [calls("code_execution", { code: known[1] })];
}

let server: TestServer;
let clients: PythonClients;
let folder: string;

beforeAll(async () => {
  clients = await ensurePythonClients(loadConfig().cache);
  server = await startServer({ provider: new ScriptedProvider(play) });
  folder = await mkdtemp(join(tmpdir(), "curta-examples-"));
});

afterAll(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

test("every example is run by a test of this file", async () => {
  const programs = (await readdir(new URL("../../examples", import.meta.url))).filter(
    (name) => !name.endsWith(".md"),
  );
  expect(programs.toSorted()).toEqual([
    "chart.ts",
    "direct_api.py",
    "spreadsheet.ts",
    "two_turns.py",
  ]);
});

test("chart.ts saves the chart", async () => {
  expect(await runExample(process.execPath, "chart.ts")).toBe("228000\nSaved sales-1.png\nDone.\n");
  expect(await firstBytes("sales-1.png")).toBe("\u0089PNG");
});

test("spreadsheet.ts fetches the file that code made", async () => {
  expect(await runExample(process.execPath, "spreadsheet.ts")).toBe("Saved squares.xlsx\nDone.\n");
  expect(await firstBytes("squares.xlsx")).toBe("PK\u0003\u0004");
});

test("two_turns.py finds the first turn's variables in the second", async () => {
  const output = await runExample(clients.python, "two_turns.py");
  expect(output).toContain("Result: 13.4907");
  expect(output).toContain("Result: 18 15.5\n");
});

test("direct_api.py needs no model and no library", async () => {
  expect(await runExample(clients.python, "direct_api.py", server.url)).toBe(
    "sum: 157000\nSaved sales.png\nerror - ZeroDivisionError\nstill here: 157000\n",
  );
  expect(await firstBytes("sales.png")).toBe("\u0089PNG");
});

/** What it prints on stdout; the test fails with its stderr when it exits with anything but 0. */
async function runExample(command: string, name: string, ...args: string[]): Promise<string> {
  const program = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
  const env = { ANTHROPIC_BASE_URL: server.url, PYTHONPATH: clients.packages };
  const { code, stdout, stderr } = await runProgram(command, [program, ...args], {
    cwd: folder,
    env,
  });
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

async function firstBytes(name: string): Promise<string> {
  return (await readFile(join(folder, name))).toString("latin1", 0, 4);
}
