import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";

import { openDatabase } from "./database.ts";
import { openLedger, type LedgerEntry } from "./ledger.ts";

const folder = mkdtempSync(join(tmpdir(), "curta-ledger-"));
const database = openDatabase(folder);
let now = Date.parse("2026-11-25T23:59:59.999Z");
const failures: unknown[] = [];
const ledger = openLedger(
  database,
  () => now,
  (cause) => failures.push(cause),
);

afterAll(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

function entry(id: string, fields: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    id,
    kind: "message",
    outcome: "whole",
    model: "m",
    container: "container_1",
    key: "default",
    input_tokens: 10,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: 5,
    web_search_requests: 0,
    web_fetch_requests: 0,
    executions: 1,
    code_tokens: 3,
    result_tokens: 2,
    image_tokens: 0,
    billed_input_tokens: 13,
    billed_output_tokens: 7,
    bytes_in: 100,
    bytes_out: 50,
    wall_ms: 1.5,
    cpu_ms: 1.25,
    peak_memory_bytes: 4096,
    ...fields,
  };
}

test("entries are added up by day, model, container and key", () => {
  ledger.append(entry("msg_1"));
  now += 1;
  ledger.append(entry("msg_2", { model: "other", peak_memory_bytes: 8192 }));
  ledger.append(entry("exec_1", { kind: "execution", model: "", container: "container_2" }));

  const byDay = ledger.report({ groupBy: ["day"] });
  expect(byDay.rows.map(({ day, messages, executions }) => [day, messages, executions])).toEqual([
    ["2026-11-25", 1, 1],
    ["2026-11-26", 1, 2],
  ]);
  expect(byDay.total).toMatchObject({
    messages: 2,
    executions: 3,
    billed_input_tokens: 39,
    wall_ms: 4.5,
    peak_memory_bytes: 8192,
  });
  const byBoth = ledger.report({ groupBy: ["container", "model"] });
  expect(byBoth.rows.map(({ model, container }) => [model, container])).toEqual([
    ["", "container_2"],
    ["m", "container_1"],
    ["other", "container_1"],
  ]);
  expect(ledger.report({ groupBy: ["key"] }).rows).toHaveLength(1);
});

test("a report has a beginning and an end", () => {
  const fromMs = Date.parse("2026-11-26T00:00:00Z");
  expect(ledger.report({ groupBy: ["day"], fromMs }).total.messages).toBe(1);
  expect(ledger.report({ groupBy: ["day"], toMs: fromMs }).total.messages).toBe(1);
  const none = ledger.report({ groupBy: ["day"], fromMs: fromMs + 1000 });
  expect([none.rows, none.total.input_tokens]).toEqual([[], 0]);
});

test("what is entered stays as it is", () => {
  expect(() => database.exec("UPDATE ledger SET input_tokens = 0")).toThrow("append-only");
  expect(() => database.exec("DELETE FROM ledger")).toThrow("append-only");
  ledger.append(entry("msg_1", { input_tokens: 99 }));
  expect(String(failures)).toContain("UNIQUE");
  expect(ledger.report({ groupBy: [] }).total.input_tokens).toBe(30);
});

test("sums of times are as short as times", () => {
  for (const [index, cpu_ms] of [0.1, 0.2].entries())
    ledger.append(entry(`sum_${index}`, { model: "sum", cpu_ms, wall_ms: 0.7 }));
  const row = ledger.report({ groupBy: ["model"] }).rows.find(({ model }) => model === "sum");
  expect(row).toMatchObject({ cpu_ms: 0.3, wall_ms: 1.4, executions: 2 });
});

test("no entry waits until the log is brought to its place, and the log stays small", async () => {
  const own = mkdtempSync(join(tmpdir(), "curta-ledger-"));
  const opened = openDatabase(own);
  const rows = openLedger(opened, Date.now, (cause) => failures.push(cause));
  const sizeOf = (name: string) => statSync(join(own, name)).size;
  const append = (from: number) => {
    for (let number = from; number < from + 300; number += 1) rows.append(entry(`exec_${number}`));
  };
  const before = sizeOf("curta.sqlite");
  append(0);
  expect(sizeOf("curta.sqlite")).toBe(before);
  await nextTurn();
  expect(sizeOf("curta.sqlite")).toBeGreaterThan(before);

  const largest = sizeOf("curta.sqlite-wal");
  for (let round = 1; round < 10; round += 1) {
    append(round * 300);
    await nextTurn();
  }
  expect(sizeOf("curta.sqlite-wal")).toBeLessThan(largest * 2);
  expect(rows.report({ groupBy: [] }).total.executions).toBe(3000);
  opened.close();
  rmSync(own, { recursive: true });
});
