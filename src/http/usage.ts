/** `GET /v1/usage`: what the ledger adds up to. */
import type { AppHandler, Services } from "./services.ts";
import { createUsageReport, parseUsageQuery, toCsv } from "./usage-report.ts";

export function showUsage({ ledger, config }: Services): AppHandler {
  return (context) => {
    const query = parseUsageQuery(context.req.query());
    const report = createUsageReport(ledger, query, config);
    if (query.format === "json") return context.json(report);
    return context.body(toCsv(report), 200, {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": 'attachment; filename="usage.csv"',
    });
  };
}
