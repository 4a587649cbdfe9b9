/** A report on usage: what can be asked, and how the answer looks as JSON and as CSV. */
import { z } from "zod";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import {
  GROUPINGS,
  type Grouping,
  type Ledger,
  type Report,
  type ReportRow,
} from "../store/ledger.ts";

export type Prices = Pick<Config, "priceInput" | "priceOutput" | "priceSearch">;

export interface UsageRow extends ReportRow {
  /** By the prices of the settings; absent while there are none. */
  cost?: number;
}

export interface UsageReport {
  type: "usage_report";
  group_by: readonly Grouping[];
  from: string | null;
  to: string | null;
  data: UsageRow[];
  total: UsageRow;
  truncated: boolean;
}

export type UsageQuery = z.output<typeof UsageQuery>;

const date = z
  .string()
  .regex(
    /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/,
    "must be a day such as 2026-11-25 or a time such as 2026-11-25T09:00:00Z",
  )
  .refine((text) => !Number.isNaN(Date.parse(text)), "is no day or time that exists");

export const UsageQuery = z.strictObject({
  group_by: z
    .string()
    .default("day,model")
    .transform((text) => text.split(",").map((name) => name.trim()))
    .pipe(
      z.array(
        z.enum(GROUPINGS, {
          error: `must be some of ${GROUPINGS.join(", ")}, with commas between`,
        }),
      ),
    ),
  from: date.optional(),
  to: date.optional(),
  format: z.enum(["json", "csv"], { error: "must be json or csv" }).default("json"),
});

/** Throws `invalid_request` with the first problem. */
export function parseUsageQuery(query: Record<string, string | undefined>): UsageQuery {
  const given = Object.fromEntries(
    Object.entries(query).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = UsageQuery.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  if (issue.code === "unrecognized_keys")
    throw new GatewayError(
      "invalid_request",
      `${issue.keys.join(", ")}: not known here; group_by, from, to and format are.`,
    );
  throw new GatewayError("invalid_request", `${issue.path[0]?.toString()}: ${issue.message}`);
}

export function createUsageReport(ledger: Ledger, query: UsageQuery, prices: Prices): UsageReport {
  const { rows, total, truncated }: Report = ledger.report({
    groupBy: query.group_by,
    ...(query.from !== undefined && { fromMs: Date.parse(query.from) }),
    ...(query.to !== undefined && { toMs: Date.parse(query.to) }),
  });
  return {
    type: "usage_report",
    group_by: GROUPINGS.filter((name) => query.group_by.includes(name)),
    from: query.from ?? null,
    to: query.to ?? null,
    data: rows.map((row) => withCost(row, prices)),
    total: withCost(total, prices),
    truncated,
  };
}

function withCost(row: ReportRow, { priceInput, priceOutput, priceSearch }: Prices): UsageRow {
  if (priceInput + priceOutput + priceSearch === 0) return { ...row };
  const cost =
    (row.billed_input_tokens * priceInput + row.billed_output_tokens * priceOutput) / 1e6 +
    (row.web_search_requests * priceSearch) / 1e3;
  return { ...row, cost: Math.round(cost * 1e6) / 1e6 };
}

/** RFC 4180, one line for each row, a head above. */
export function toCsv(report: UsageReport): string {
  const columns = Object.keys(report.total).filter((name) => !GROUPINGS.includes(name as Grouping));
  const head = [...report.group_by, ...columns];
  const lines = report.data.map((row) =>
    head.map((name) => toCell((row as unknown as Record<string, unknown>)[name])),
  );
  return [head, ...lines].map((cells) => `${cells.join(",")}\r\n`).join("");
}

/** A client chooses the model's name: in a spreadsheet it must stay a text. */
function toCell(value: unknown): string {
  if (typeof value === "number") return String(value);
  const text = typeof value === "string" ? value : "";
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
