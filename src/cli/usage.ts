/** `curta usage`: what was used, from the running server or from the data folder's ledger. */
import { z } from "zod";

import type { Config } from "../config.ts";
import {
  createUsageReport,
  parseUsageQuery,
  toCsv,
  type UsageQuery,
  type UsageReport,
  type UsageRow,
} from "../http/usage-report.ts";
import { openDatabase } from "../store/database.ts";
import { openLedger } from "../store/ledger.ts";
import { isRunning, toBaseUrl, toClient } from "./client.ts";
import type { Io } from "./io.ts";
import { readConfig } from "./settings.ts";
import { formatTable, toPrintable } from "./terminal.ts";

/** As our own server sends it. */
const Answer = z.looseObject({ type: z.literal("usage_report"), data: z.array(z.looseObject({})) });

export async function usage(options: Record<string, unknown>, io: Io): Promise<number> {
  const config = readConfig(options, io);
  const query = parseUsageQuery({
    group_by: options.by as string | undefined,
    from: options.from as string | undefined,
    to: options.to as string | undefined,
  });
  const report = await fetchReport(config, query, io);
  if (options.json) io.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else if (options.csv) io.stdout.write(toCsv(report));
  else io.stdout.write(renderReport(report));
  return 0;
}

async function fetchReport(config: Config, query: UsageQuery, io: Io): Promise<UsageReport> {
  const url = toBaseUrl(config);
  if (await isRunning(url, io.signal)) {
    const client = toClient(url, (request) => fetch(request), config, io);
    const search = new URLSearchParams({
      group_by: query.group_by.join(","),
      ...(query.from !== undefined && { from: query.from }),
      ...(query.to !== undefined && { to: query.to }),
    });
    const answer = await client.send("GET", `/v1/usage?${search.toString()}`);
    return Answer.parse(await answer.json()) as unknown as UsageReport;
  }
  const database = openDatabase(config.data);
  try {
    return createUsageReport(
      openLedger(database, Date.now, () => {}),
      query,
      config,
    );
  } finally {
    database.close();
  }
}

/** The figures that people ask for; JSON and CSV have all. */
const COLUMNS: [title: string, read: (row: UsageRow) => number | undefined][] = [
  ["messages", (row) => row.messages],
  ["executions", (row) => row.executions],
  ["input", (row) => row.input_tokens],
  ["output", (row) => row.output_tokens],
  ["code", (row) => row.code_tokens],
  ["results", (row) => row.result_tokens],
  ["images", (row) => row.image_tokens],
  ["counted in", (row) => row.billed_input_tokens],
  ["counted out", (row) => row.billed_output_tokens],
  ["searches", (row) => row.web_search_requests],
  ["cpu s", (row) => Math.round(row.cpu_ms / 100) / 10],
  ["cost", (row) => row.cost],
];

export function renderReport(report: UsageReport): string {
  if (report.data.length === 0) return "Nothing was used in this time.\n";
  const columns = COLUMNS.filter(([, read]) => read(report.total) !== undefined);
  const head = [...report.group_by, ...columns.map(([title]) => title)];
  const lines = report.data.map((row) => [
    ...report.group_by.map((name) => toPrintable(row[name] ?? "") || "-"),
    ...columns.map(([, read]) => String(read(row))),
  ]);
  const total = [
    ...report.group_by.map((_, index) => (index === 0 ? "total" : "")),
    ...columns.map(([, read]) => String(read(report.total))),
  ];
  const more = report.truncated ? "There are more rows: ask for fewer days.\n" : "";
  return formatTable([head, ...lines, total]) + more;
}
