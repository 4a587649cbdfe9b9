/** Programs as text: how they begin, what they lack, and how one goes on after a failure. */
import { expect, test } from "vitest";

import type { Step } from "./conversation.ts";
import { countMatches, findMasks } from "./masks.ts";
import { modernizeLine } from "./modernize.ts";
import { findPastedData } from "./pasted-data.ts";
import { findProblem, resumeAfter } from "./problem.ts";
import { openProgram, toPython, type OpeningRequest } from "./program-opening.ts";
import { completeProgram, isRepeating } from "./program-text.ts";

const NOTHING: OpeningRequest = {
  attachments: [],
  pasted: null,
  wantsChart: false,
  isTolerant: false,
  task: "",
};

function step(more: Partial<Step>): Step {
  return { thought: "", code: "", output: "", isError: false, hasImage: false, ...more };
}

test("without data a program begins as the model likes", () => {
  expect(openProgram(NOTHING)).toEqual({ code: "", peek: null });
});

test("a ragged file is repaired in the open", () => {
  const preview = "name,age,salary\nAhmed,30,5000\nSara,,25,4500\nMohamed,35,7000";
  const attachments = [
    { filename: "employees.csv", mediaType: "text/csv", sizeBytes: preview.length, preview },
  ];
  const { code } = openProgram({ ...NOTHING, attachments });
  expect(code).toContain('lines[2] = "Sara,25,4500"');
  expect(code).toContain("print(");
});

test("figures with a decimal comma are read as numbers", () => {
  const preview = "category;amount\nRent;1.200,00\nFood;310,45";
  const attachments = [
    { filename: "a.csv", mediaType: "text/csv", sizeBytes: preview.length, preview },
  ];
  const { code } = openProgram({ ...NOTHING, attachments });
  expect(code).toContain('pd.read_csv("a.csv", sep=";", decimal=",", thousands=".")');
});

test("a workbook is looked into first", () => {
  const attachments = [{ filename: "a.xlsx", mediaType: "", sizeBytes: 9, preview: null }];
  const { code, peek } = openProgram({ ...NOTHING, attachments });
  expect(code).toContain('df = pd.read_excel("a.xlsx")');
  expect(peek).toContain("print(df.head())");
});

test("two files get two variables", () => {
  const file = (filename: string) => ({
    filename,
    mediaType: "text/csv",
    sizeBytes: 11,
    preview: "a,b\n1,2\n3,4",
  });
  const { code } = openProgram({ ...NOTHING, attachments: [file("May.csv"), file("june 24.csv")] });
  expect(code).toContain("df_may = ");
  expect(code).toContain("df_june_24 = ");
});

test("a file name cannot end its string", () => {
  const filename = '"); import os; ("';
  const attachments = [{ filename, mediaType: "", sizeBytes: 3, preview: null }];
  expect(openProgram({ ...NOTHING, attachments }).code).toContain(JSON.stringify(filename));
});

test("pasted text cannot end its string", () => {
  const source = 'He said """ and left. '.repeat(8);
  const { code } = openProgram({ ...NOTHING, pasted: { kind: "text", source } });
  expect(code).toContain(`text = ${JSON.stringify(source)}`);
});

test("the data of a message is in a table, its task is repeated", () => {
  const message = 'Add a total: [{"name": "Tea", "price": 3}, {"name": "Milk", "price": null}]';
  const { code } = openProgram({
    ...NOTHING,
    pasted: findPastedData(message),
    task: "Add a total:",
  });
  expect(code).toContain('{"name": "Milk", "price": None}');
  expect(code.endsWith("# Task: Add a total:\n")).toBe(true);
});

test.each([
  [null, "None"],
  [true, "True"],
  [[1, "a"], '[1, "a"]'],
  [{ a: [1] }, '{\n    "a": [1],\n}'],
])("%j is %s in Python", (value, python) => {
  expect(toPython(value)).toBe(python);
});

const CHART = { chart: true, results: false, masks: [] };
const RESULTS = { chart: false, results: true, masks: [] };

test.each([
  ["x = 1\n", RESULTS, "\n# Print the results\nprint("],
  ["x = 1\nprint(x)", RESULTS, ""],
  ["1 + 1", RESULTS, ""],
  ["for i in range(3):\n    i", RESULTS, "\n\n# Print the results\nprint("],
  ["x = 1\nprint(x)\n", CHART, "\n# Draw the chart\nplt.figure(figsize=(10, 6))\n"],
  ["plt.bar([1], [2])\nplt.show()", CHART, ""],
  ["df.plot(kind='pie')", CHART, ""],
])("what %j lacks", (code, wants, lack) => {
  expect(completeProgram(code, wants)).toBe(lack);
});

test("a loop is noticed, a list of similar lines is not one", () => {
  expect(isRepeating("print('the same line')\n".repeat(4))).toBe(true);
  expect(isRepeating("plt.bar(1, 2)\nplt.bar(2, 3)\nplt.bar(3, 4)\nplt.bar(4, 5)\n")).toBe(false);
});

test("a failed program goes on from the line that failed", () => {
  const failed = step({
    code: "a = 1\nb = a / 0\nprint(b)\n",
    output:
      'Traceback (most recent call last):\n  File "<cell 1>", line 2, in <module>\nZeroDivisionError: division by zero',
    isError: true,
  });
  expect(findProblem(failed, RESULTS)).toContain("ZeroDivisionError: division by zero");
  expect(resumeAfter(failed, "", RESULTS)).toEqual({
    code: "a = 1\n# Not `b = a / 0`, which gives ZeroDivisionError: division by zero\n",
    failed: "b = a / 0",
  });
  expect(resumeAfter(failed, "a = 1\nb = a / 0\n", RESULTS)).toBeNull();
});

test.each([
  [step({ output: "3" }), RESULTS, null],
  [step({}), RESULTS, "The program printed no result."],
  [step({ output: "3" }), CHART, "The program showed no chart."],
  [step({ hasImage: true }), CHART, null],
])("problem %#", (ran, wants, problem) => {
  expect(findProblem(ran, wants)).toBe(problem);
});

test.each([
  [String.raw`s.str.replace(r"\D", "")`, String.raw`s.str.replace(r"\D", "", regex=True)`],
  [`s.str.replace(" ", "")`, `s.str.replace(" ", "")`],
  ["df.mean()", "df.mean(numeric_only=True)"],
  ["df['a'].mean()", "df['a'].mean()"],
  ["plt.style.use('seaborn-whitegrid')", "plt.style.use('seaborn-v0_8-whitegrid')"],
])("%s today", (old, today) => {
  expect(modernizeLine(old)).toBe(today);
});

test("formats that the request gives are looked for in the output", () => {
  const [phone, date] = findMasks("phones (+966XXXXXXXXX) and dates (YYYY-MM-DD)");
  const printed = "+966501234567 0501234567 +9665012345678 2024-01-15 01/15/2024";
  expect(phone && countMatches(phone, printed)).toBe(1);
  expect(date && countMatches(date, printed)).toBe(1);
  const masks = [phone!, date!].map((mask) => ({ mask, count: 2 }));
  const problem = findProblem(step({ output: printed }), { ...RESULTS, masks });
  expect(problem).toContain("+966XXXXXXXXX");
});
