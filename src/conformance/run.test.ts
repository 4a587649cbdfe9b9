/** How cases end, and what is told of them. */
import { setTimeout as sleep } from "node:timers/promises";

import { expect, test } from "vitest";

import type { Case, Context } from "./case.ts";
import { renderLine, renderTable, tally } from "./report.ts";
import { runCases, type CaseResult } from "./run.ts";
import { Target } from "./target.ts";
import { Failure, Skip, check } from "./verdict.ts";

/** Nobody listens there. */
const NOWHERE = "http://127.0.0.1:9";

const cases = (
  [
    ["files/good", async () => {}],
    ["files/bad", async () => check(false, "It is wrong.")],
    ["files/absent", () => Promise.reject(new Skip("nothing to say"))],
    ["errors/odd", () => Promise.reject(new TypeError("no such thing"))],
    ["errors/late", () => sleep(60_000, undefined, { ref: false })],
    [
      "errors/nowhere",
      async ({ target }: Context) => void (await target.send("GET", "/v1/models")),
    ],
  ] as [string, Case["run"]][]
).map(([name, run]): Case => ({
  name,
  group: name.startsWith("files") ? "files" : "errors",
  title: "a title",
  run,
}));

async function runAll(): Promise<CaseResult[]> {
  const { signal } = new AbortController();
  const target = new Target({ url: NOWHERE, key: "any", model: "m", signal });
  const settings = { target, isScripted: false, pingSeconds: 1, caseSeconds: 0.2, signal };
  const results: CaseResult[] = [];
  for await (const result of runCases(cases, settings)) results.push(result);
  return results;
}

test("each case ends in one of three ways, and the others run on", async () => {
  const results = await runAll();
  const told = results.map(({ name, outcome, reason }) => [name, outcome, reason]);
  expect(told).toEqual([
    ["files/good", "ok", ""],
    ["files/bad", "fail", "It is wrong."],
    ["files/absent", "skipped", "nothing to say"],
    ["errors/odd", "fail", "The answer cannot be read: TypeError: no such thing"],
    ["errors/late", "fail", "No end after 0.2 seconds."],
    ["errors/nowhere", "fail", expect.stringContaining("The connection failed")],
  ]);
  expect(tally(results)).toEqual([
    { group: "errors", ok: 0, failed: 3, skipped: 0 },
    { group: "files", ok: 1, failed: 1, skipped: 1 },
  ]);
  expect(renderLine(results[1]!)).toBe("FAIL    files/bad: a title\n          It is wrong.\n");
  expect(renderTable(results)).toBe(
    [
      "group   ok  failed  skipped",
      "errors   0       3        0",
      "files    1       1        1",
      "all      1       4        1",
      "",
    ].join("\n"),
  );
});

test("a run that is given up ends", async () => {
  const { signal } = new AbortController();
  const target = new Target({ url: NOWHERE, key: "any", model: "m", signal });
  const given = AbortSignal.abort(new Failure("given up"));
  const settings = { target, isScripted: false, pingSeconds: 1, caseSeconds: 1, signal: given };
  await expect(runCases(cases, settings).next()).rejects.toThrow("given up");
});
