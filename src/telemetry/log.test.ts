import { expect, test } from "vitest";

import { createLog } from "./log.ts";

test("a line of the log is JSON with level, time and message", () => {
  const { log, lines } = capture(false);
  log.info({ requestId: "req_1" }, "hello");
  expect(JSON.parse(lines[0]!)).toEqual({
    level: "info",
    time: expect.stringMatching(/Z$/),
    requestId: "req_1",
    msg: "hello",
  });
});

test("secrets are taken out wherever they turn up", () => {
  const { log, lines } = capture(false);
  log.info(
    {
      apiKeys: "sk-1",
      headers: { authorization: "Bearer sk-2", "x-api-key": "sk-3" },
      config: { upstreamKey: "sk-4" },
    },
    "x",
  );
  expect(lines.join("")).not.toContain("sk-");
});

test("a person gets one readable line, and the stack of an error", () => {
  const { log, lines } = capture(true);
  log.info({ ms: 5 }, "GET /");
  log.error({ err: new Error("broken") }, "request failed");
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d INFO {2}GET \/ \(ms=5\)\n$/);
  expect(lines[1]).toMatch(/^\d\d:\d\d:\d\d ERROR request failed: broken\nError: broken\n {4}at /);
});

test("below the level nothing is written", () => {
  const { log, lines } = capture(false);
  log.debug("quiet");
  expect(lines).toEqual([]);
});

function capture(isTTY: boolean) {
  const lines: string[] = [];
  return { lines, log: createLog({ log: "info" }, { isTTY, write: (line) => lines.push(line) }) };
}
