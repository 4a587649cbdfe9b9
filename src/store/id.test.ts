import { expect, test } from "vitest";

import { newId } from "./id.ts";

test("ids have their form, and no two of many draws are the same", () => {
  const ids = Array.from({ length: 1000 }, () => newId("req"));
  for (const id of ids) expect(id).toMatch(/^req_01[1-9A-HJ-NP-Za-km-z]{22}$/);
  expect(new Set(ids).size).toBe(ids.length);
});
