/** The Python side of what handles hostile bytes, with hypothesis: FUZZ_RUNS=10000 for longer. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

import { loadConfig } from "../../../src/config.ts";
import { ensurePythonClients } from "../../conformance/python-clients.ts";

test("hypothesis finds nothing in frames, paths, collected files and the filter", async () => {
  const suites = await ensurePythonClients(loadConfig({ env: process.env }).cache, "suites");
  const words = "-B -m pytest -q -p no:cacheprovider fuzz".split(" ");
  const { status, stdout, stderr } = spawnSync(suites.python, words, {
    cwd: fileURLToPath(new URL("../../../python", import.meta.url)),
    env: { ...process.env, PYTHONPATH: suites.packages },
    encoding: "utf8",
  });
  expect(status, `${stdout.slice(-4000)}${stderr.slice(-2000)}`).toBe(0);
  expect(stdout).toMatch(/\b7 passed/);
});
