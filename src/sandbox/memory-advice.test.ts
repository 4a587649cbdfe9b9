import { expect, test } from "vitest";

import { explainMemory } from "./memory-advice.ts";

const state = { line: 3, peakBytes: 900 << 20, limitMb: 1024 };

test.each([
  ["df = pd.read_csv('big.csv')", /chunksize/],
  ["df = pd.read_parquet(path)", /iter_batches/],
  ["df = pandas.read_json('x')", /lines=True/],
  ["df = pd.read_excel(path)", /read_only=True/],
  ["text = open('x').read()", /line by line/],
  ["both = a.merge(b, on='k')", /before you combine/],
  ["a = np.zeros((100_000, 100_000))", /blocks/],
  ["rows = [x ** 2 for x in values]", /generator/],
  ["rows += [1] * 10 ** 9", /generator/],
  ["f(x)", /Work in chunks/],
])("%s", (text, form) => {
  expect(explainMemory({ ...state, text })).toMatch(form);
});

test("names the line, the peak and the limit", () => {
  expect(explainMemory({ ...state, text: "    f(x)" })).toMatch(
    /^Running was line 3: f\(x\)\nPeak: 900 MiB; the limit is 1024 MiB\.\n/,
  );
  expect(explainMemory({ ...state, line: null, text: "" })).toMatch(/^Peak/);
});
