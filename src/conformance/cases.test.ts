/** The list of cases: unique, and every point of the check lists has one. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

import { GROUPS } from "./case.ts";
import { CASES, chooseCases } from "./cases.ts";
import { POINTS } from "./points.ts";

const page = readFileSync(
  fileURLToPath(new URL("../../docs/conformance.md", import.meta.url)),
  "utf8",
);

test("names are unique and stand for one line each", () => {
  const names = CASES.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, title } of CASES) expect(`${name}${title}`).not.toContain("\n");
});

test("the check lists are whole: 7.6 has ten points, 7.7 has nine", () => {
  const numbers = (list: string, count: number): string[] =>
    Array.from({ length: count }, (_, n) => `${list}.${n + 1}`);
  expect(Object.keys(POINTS)).toEqual([...numbers("7.6", 10), ...numbers("7.7", 9)]);
});

test.each(Object.keys(POINTS))("the point %s has a case", (point) => {
  expect(CASES.filter(({ name }) => name.startsWith(`${point}/`))).not.toEqual([]);
});

test("no case is named by a point that does not exist", () => {
  const numbered = CASES.map(({ name }) => name.split("/")[0]!).filter((part) =>
    part.startsWith("7."),
  );
  expect(numbered.filter((part) => !(part in POINTS))).toEqual([]);
});

test("every group has a case, and the page says what it means", () => {
  for (const group of GROUPS) {
    expect(CASES.some((found) => found.group === group)).toBe(true);
    expect(page).toContain(`| \`${group}\``);
  }
  for (const [point, words] of Object.entries(POINTS)) expect(page).toContain(`${point}: ${words}`);
});

test("cases are chosen by name, by point and by group", () => {
  expect(chooseCases(["7.6.1"]).map(({ name }) => name.slice(0, 6))).toEqual(
    Array.from({ length: 5 }, () => "7.6.1/"),
  );
  expect(chooseCases(["errors/path"])).toHaveLength(1);
  expect(chooseCases(["batches"]).every(({ group }) => group === "batches")).toBe(true);
  expect(chooseCases(["7.6"])).toEqual([]);
  expect(chooseCases([])).toEqual(CASES);
});
