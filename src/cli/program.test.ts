import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "vitest";

import { createTestIo } from "../../test/support/test-io.ts";
import { SETTING_NAMES } from "../config.ts";
import { createProgram, runCli } from "./program.ts";

const COMMANDS = ["serve", "ask", "run", "doctor", "conformance", "index", "usage", "config"];

test("help lists the commands, and that of serve the settings", async () => {
  await using io = await createTestIo();
  expect(await runCli(["--help"], io)).toBe(0);
  for (const command of COMMANDS) expect(io.out()).toMatch(new RegExp(`^ {2}${command} `, "m"));
  await using serve = await createTestIo();
  expect(await runCli(["serve", "--help"], serve)).toBe(0);
  expect(serve.out().match(/^ {2}--[a-z-]+ <value>/gm)?.length).toBe(SETTING_NAMES.length);
});

test.each(COMMANDS.slice(1))(
  "help of %s fits a screen and tells of the settings",
  async (command) => {
    await using io = await createTestIo();
    expect(await runCli([command, "--help"], io)).toBe(0);
    expect(io.out().split("\n").length).toBeLessThan(24);
    expect(io.out()).toContain("`curta serve --help` lists them");
  },
);

test("every command takes every setting", async () => {
  await using io = await createTestIo();
  for (const { options } of createProgram(io, () => {}).commands) {
    const names = options.map((option) => option.attributeName());
    expect(SETTING_NAMES.filter((name) => !names.includes(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  }
});

test.each(["serve", "config"])("%s names a variable that is no setting", async (command) => {
  // The address without keys ends `serve` before it starts anything.
  await using io = await createTestIo({ CURTA_PROT: "5001", CURTA_HOST: "0.0.0.0", HOME: "/" });
  await runCli([command], io);
  expect(io.err()).toMatch(
    /^curta: CURTA_PROT is not a setting and has no effect; `curta config` lists the settings\.\n/,
  );
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

test("a config file that holds no settings is one sentence", async () => {
  await using io = await createTestIo();
  const data = join(io.folder, "data");
  await mkdir(data, { recursive: true });
  await writeFile(join(data, "config.json"), "[1, 2]");
  expect(await runCli(["config"], io)).toBe(1);
  expect(io.err()).toMatch(/^curta: The config file .* has to be a JSON object of settings\.\n$/);
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
    /^curta: The setting port \(CURTA_PORT\) cannot be "no": it has to be a number\.\n$/,
  ],
  [
    "a number that is too small",
    ["config", "--memory-mb=0"],
    / cannot be "0": it has to be more than 0\.\n$/,
  ],
  [
    "a number that is too large",
    ["config", "--port=65536"],
    / cannot be "65536": it has to be at most 65535\.\n$/,
  ],
  [
    "a number with a fraction",
    ["config", "--port=1.5"],
    / cannot be "1\.5": it has to be a whole number\.\n$/,
  ],
  [
    "a word that is not one of those",
    ["config", "--billing", "maybe"],
    / cannot be "maybe": it has to be one of lesson, always, free\.\n$/,
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
