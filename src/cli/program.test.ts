import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "vitest";

import { createTestIo } from "../../test/support/test-io.ts";
import { SETTING_NAMES } from "../config.ts";
import { runCli } from "./program.ts";

const COMMANDS = ["serve", "ask", "run", "doctor", "conformance", "config"];

test("help lists the commands, and every command takes every setting", async () => {
  await using io = await createTestIo();
  expect(await runCli(["--help"], io)).toBe(0);
  for (const command of COMMANDS) expect(io.out()).toMatch(new RegExp(`^ {2}${command} `, "m"));
  for (const command of COMMANDS) {
    await using own = await createTestIo();
    expect(await runCli([command, "--help"], own)).toBe(0);
    expect(own.out().match(/^ {2}--[a-z-]+ <value>/gm)?.length).toBe(SETTING_NAMES.length);
    expect(own.out()).toContain("--timeout-seconds <value>");
  }
});

test("a setting comes from flag, variable, file and default, in this order", async () => {
  await using io = await createTestIo({
    CURTA_PORT: "5001",
    CURTA_POOL: "3",
    CURTA_API_KEYS: "sk-secret",
  });
  const data = join(io.folder, "data");
  await mkdir(data, { recursive: true });
  await writeFile(
    join(data, "config.json"),
    JSON.stringify({ port: 5002, pool: 4, processes: 99 }),
  );
  expect(await runCli(["config", "--json", "--port", "5000", "--data", data], io)).toBe(0);
  const settings = JSON.parse(io.out()) as { name: string; value: string; source: string }[];
  const shown = Object.fromEntries(
    settings.map(({ name, value, source }) => [name, `${value} ${source}`]),
  );
  expect(shown).toMatchObject({
    port: "5000 flag",
    pool: "3 variable",
    processes: "99 file",
    memoryMb: "1024 default",
  });
  expect(io.out()).not.toContain("sk-secret");
});

test("config as a table has a line for every setting", async () => {
  await using io = await createTestIo();
  expect(await runCli(["config"], io)).toBe(0);
  const lines = io.out().trim().split("\n");
  expect(lines.length).toBe(SETTING_NAMES.length + 1);
  expect(io.out()).toMatch(/^CURTA_PORT +4242 +4242 +default +\S/m);
});

test.each<[string, string[], RegExp]>([
  ["an unknown command", ["frobnicate"], /^curta: unknown command 'frobnicate'/],
  ["an unknown flag", ["config", "--frobnicate"], /^curta: unknown option '--frobnicate'/],
  ["a missing argument", ["ask"], /^curta: missing required argument 'question'/],
  [
    "a value that does not fit",
    ["config", "--port", "no"],
    /^curta: The setting port \(CURTA_PORT\) cannot be "no": .*\n$/,
  ],
  ["a program that is not there", ["run", "none.py"], /^curta: none\.py does not exist\.\n$/],
  ["a folder as a program", ["run", "."], /^curta: \. is a folder\.\n$/],
  [
    "an attachment that is not there",
    ["ask", "x", "--attach", "none.csv"],
    /^curta: none\.csv does not exist\.\n$/,
  ],
  [
    "an open address without keys",
    ["serve", "--host", "0.0.0.0"],
    /^curta: Without keys .* does not start on 0\.0\.0\.0: set CURTA_API_KEYS, .*\n$/,
  ],
])("%s is one sentence", async (_name, args, message) => {
  await using io = await createTestIo();
  expect(await runCli(args, io)).toBe(1);
  expect(io.err()).toMatch(message);
  expect(io.err()).not.toMatch(/\n {4}at /);
});
