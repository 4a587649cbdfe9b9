/** The kernel's own tests, under the host's Python: they need its standard library only. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL("../python", import.meta.url));

test("python -m unittest passes in python/tests", () => {
  const words = ["-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."];
  const { status, stderr } = spawnSync("python3", words, {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
  });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stderr).toMatch(/Ran [1-9]\d+ tests/);
}, 65_000);
