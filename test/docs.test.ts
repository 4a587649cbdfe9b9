/** Generated pages are what the code would generate now. `UPDATE=1` writes them. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

import { expect, test } from "vitest";

import {
  renderCliReference,
  renderConfigReference,
  renderErrorReference,
  renderToolReference,
} from "../src/cli/reference.ts";

test.each([
  ["config", renderConfigReference],
  ["errors", renderErrorReference],
  ["cli", renderCliReference],
  ["tools", renderToolReference],
])("docs/reference/%s.md is up to date", async (name, render) => {
  const path = new URL(`../docs/reference/${name}.md`, import.meta.url);
  if (process.env.UPDATE === "1") {
    await mkdir(dirname(path.pathname), { recursive: true });
    await writeFile(path, render());
  }
  expect(await readFile(path, "utf8"), "run with UPDATE=1 to write it").toBe(render());
});
