import { expect, test } from "vitest";

import { findPastedData } from "./pasted-data.ts";

test("JSON inside a sentence", () => {
  const found = findPastedData(
    'Convert this: [{"a": 1, "b": "x]"}, {"a": 2, "b": "y"}] to CSV [1]',
  );
  expect(found).toMatchObject({ kind: "json", value: [{ a: 1 }, { a: 2 }] });
});

test("a table after the instruction", () => {
  const found = findPastedData("Clean this, please:\n\nName,City\nann, Oslo\nBOB,Rome\n");
  expect(found?.kind).toBe("table");
});

test("a Markdown table", () => {
  const found = findPastedData("Sum it up:\n| item | price |\n|---|---|\n| pen | 2 |\n| cup | 5 |");
  expect(found?.kind === "table" && found.table.rows).toEqual([
    ["pen", "2"],
    ["cup", "5"],
  ]);
});

test("a text after an empty line", () => {
  const text =
    "The sea is calm today. The wind comes from the west. Ships pass, one after the other.";
  expect(findPastedData(`Count the words:\n\n${text}`)).toEqual({ kind: "text", source: text });
});

test.each([
  "Calculate the standard deviation of: 4, 8, 15, 16, 23, 42",
  "Hello, how are you?\nI am fine, thanks.\nBye, now.",
  "What is [1] in a footnote?",
])("no data in %j", (message) => {
  expect(findPastedData(message)).toBeNull();
});

test("labelled figures in a sentence", () => {
  const found = findPastedData(
    "I have funds: Stock A: $10,000 at 8% return, Stock B: $15,000 at 12.5% return, Bonds: $25,000 at 5% return. Calculate: value after 5 and 10 years",
  );
  expect(found?.kind === "items" && found.items).toEqual({
    labels: ["Stock A", "Stock B", "Bonds"],
    columns: [
      { name: "amount", isShare: false, values: [10_000, 15_000, 25_000] },
      { name: "return_rate", isShare: true, values: [0.08, 0.125, 0.05] },
    ],
  });
});
