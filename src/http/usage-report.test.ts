import { expect, test } from "vitest";

import type { Ledger, ReportRow } from "../store/ledger.ts";
import { createUsageReport, parseUsageQuery, toCsv } from "./usage-report.ts";

const row = {
  messages: 2,
  billed_input_tokens: 1_000_000,
  billed_output_tokens: 100_000,
  web_search_requests: 5,
} as ReportRow;

function ledgerOf(rows: ReportRow[]): Ledger {
  return { append: () => {}, report: () => ({ rows, total: row, truncated: false }) };
}

test("the cost is what the prices make of the counted tokens and the searches", () => {
  const prices = { priceInput: 3, priceOutput: 15, priceSearch: 10 };
  const report = createUsageReport(ledgerOf([row]), parseUsageQuery({}), prices);
  expect(report.total.cost).toBe(3 + 1.5 + 0.05);
});

test("CSV quotes what needs it and keeps a name from being a formula", () => {
  const prices = { priceInput: 0, priceOutput: 0, priceSearch: 0 };
  const rows = ["=cmd()", 'a "b", c'].map((model) => ({ ...row, model }));
  const report = createUsageReport(ledgerOf(rows), parseUsageQuery({ group_by: "model" }), prices);
  expect(toCsv(report).split("\r\n")).toEqual([
    "model,messages,billed_input_tokens,billed_output_tokens,web_search_requests",
    "'=cmd(),2,1000000,100000,5",
    '"a ""b"", c",2,1000000,100000,5',
    "",
  ]);
});
