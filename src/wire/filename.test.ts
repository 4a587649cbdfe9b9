import fc from "fast-check";
import { expect, test } from "vitest";

import { toFilename } from "./filename.ts";

const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

test.each<[string | null, string, string]>([
  ["employees.csv", "text/csv", "employees.csv"],
  ["../../etc/passwd", "text/plain", "passwd"],
  ["C:\\Users\\me\\data.xlsx", XLSX, "data.xlsx"],
  ["folder/", "text/plain", "folder"],
  ["", "text/csv", "document.csv"],
  [null, XLSX, "document.xlsx"],
  [null, "text/csv; charset=utf-8", "document.csv"],
  [null, "image/png", "image.png"],
  [null, "application/x-unheard-of", "document"],
  ["..", "application/pdf", "document.pdf"],
  ["   ", "application/pdf", "document.pdf"],
  [".bashrc", "text/plain", "bashrc"],
  ["--rm -rf", "text/plain", "rm -rf"],
  ["a\u0000b\nc\u202E.csv", "text/csv", "abc.csv"],
  ["what? <now>.csv", "text/csv", "what_ _now_.csv"],
  ["مبيعات ٢٠٢٥.csv", "text/csv", "مبيعات ٢٠٢٥.csv"],
  ["売上.xlsx", XLSX, "売上.xlsx"],
  ["e\u0301te\u0301.csv", "text/csv", "été.csv"],
  ["bad \uD800 half.csv", "text/csv", "bad  half.csv"],
  ["name. ", "text/plain", "name"],
])("%j of type %s is called %j", (title, mediaType, name) => {
  expect(toFilename(title, mediaType, new Set())).toBe(name);
});

test("names of one conversation differ", () => {
  expect(toFilename("name.csv", "text/csv", new Set(["name.csv"]))).toBe("name-2.csv");
  expect(toFilename("name.csv", "text/csv", new Set(["name.csv", "name-2.csv"]))).toBe(
    "name-3.csv",
  );
  expect(toFilename("name", "text/csv", new Set(["name"]))).toBe("name-2");
});

test("a long name keeps its extension", () => {
  const name = toFilename(`${"売".repeat(300)}.csv`, "text/csv", new Set());
  expect(name).toMatch(/^売+\.csv$/);
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200);
});

test("any title gives one safe path component", () => {
  const title = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom(".", "/", "\\", "-", " ", "\u0000", "a") }),
  );
  fc.assert(
    fc.property(title, (given) => {
      const name = toFilename(given, "text/plain", new Set());
      expect(name).not.toMatch(/[/\\\p{Cc}]|^[.\-\s]|^$/u);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200);
      expect(name.isWellFormed()).toBe(true);
    }),
  );
});
