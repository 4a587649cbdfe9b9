import { expect, test } from "vitest";

import { renderReport } from "./usage.ts";
import type { UsageReport, UsageRow } from "../http/usage-report.ts";

const row = (fields: Partial<UsageRow>): UsageRow =>
  ({
    messages: 1,
    executions: 2,
    input_tokens: 30,
    output_tokens: 40,
    code_tokens: 5,
    result_tokens: 6,
    image_tokens: 7,
    billed_input_tokens: 35,
    billed_output_tokens: 53,
    web_search_requests: 0,
    cpu_ms: 1234,
    ...fields,
  }) as UsageRow;

const report = (fields: Partial<UsageReport>): UsageReport => ({
  type: "usage_report",
  group_by: ["model"],
  from: null,
  to: null,
  data: [row({ model: "m\u001b[31m" }), row({ model: "" })],
  total: row({ messages: 2 }),
  truncated: false,
  ...fields,
});

test("a report is a table with a total; names cannot colour the terminal", () => {
  const lines = renderReport(report({ truncated: true })).split("\n");
  expect(lines.map((line) => line.split(/\s{2,}/).slice(0, 4))).toEqual([
    ["model", "messages", "executions", "input"],
    ["m␛[31m", "1", "2", "30"],
    ["-", "1", "2", "30"],
    ["total", "2", "2", "30"],
    ["There are more rows: ask for fewer days."],
    [""],
  ]);
  expect(lines[0]).not.toContain("cost");
});

test("the cost has a column when there are prices", () => {
  expect(
    renderReport(report({ total: row({ cost: 1.25 }), data: [row({ model: "m", cost: 1.25 })] })),
  ).toMatch(/cost\n.*1\.25\n/);
});

test("nothing was used", () => {
  expect(renderReport(report({ data: [] }))).toBe("Nothing was used in this time.\n");
});
