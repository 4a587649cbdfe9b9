import { expect, test } from "vitest";

import { kindOf, parseTable, splitRow } from "./table.ts";

test("an empty field too much is left out", () => {
  const table = parseTable("name,age,salary\nAhmed,30,5000\nSara,,25,4500\nMohamed,35,7000");
  expect(table?.repairs).toEqual([{ line: 3, before: "Sara,,25,4500", after: "Sara,25,4500" }]);
  expect(table?.columns.map((column) => column.kind)).toEqual(["text", "number", "number"]);
});

test("a value with the delimiter inside is put together again", () => {
  const table = parseTable("who,when,amount\nA,2024-01-15,3\nB,January 15, 2024,4\nC,2024-02-01,5");
  expect(table?.rows[1]).toEqual(["B", "January 15, 2024", "4"]);
  expect(table?.repairs[0]?.after).toBe('B,"January 15, 2024",4');
});

test("a short row is filled up and reported", () => {
  const table = parseTable("a,b,c\n1,2,3\n4,5\n6,7,8");
  expect(table?.rows[1]).toEqual(["4", "5", ""]);
  expect(table?.repairs).toHaveLength(1);
});

test.each([
  ["a;b\n1,5;2\n3,5;4", ";"],
  ["a\tb\n1\t2\n3\t4", "\t"],
  ["a|b\n1|2\n3|4", "|"],
])("the delimiter of %j", (text, delimiter) => {
  expect(parseTable(text)?.delimiter).toBe(delimiter);
});

test.each(["", "one line", "Hello, you.\nHow are you?\nFine."])("%j is no table", (text) => {
  expect(parseTable(text)).toBeNull();
});

test("telephone numbers stay text, days over twelve come first", () => {
  const table = parseTable("phone,day\n0501234567,13/02/2024\n+966501234567,01/03/2024");
  expect(table?.columns[0]?.keepText).toBe(true);
  expect(table?.columns[1]).toMatchObject({ kind: "date", isDayFirst: true });
});

test.each([
  ["", "empty"],
  ["-3.5", "number"],
  ["$1,200.50", "money"],
  ["2024-01-15", "date"],
  ["January 15, 2024", "date"],
  ["a@b.org", "address"],
  ["Tea", "text"],
])("%j is %s", (value, kind) => {
  expect(kindOf(value)).toBe(kind);
});

test("quoted fields hold delimiters and quotes", () => {
  expect(splitRow('a,"b, ""c""",d', ",")).toEqual(["a", 'b, "c"', "d"]);
});
