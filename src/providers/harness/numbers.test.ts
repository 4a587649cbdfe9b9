import { expect, test } from "vitest";

import { createNumberCheck, findFigures } from "./numbers.ts";

const LOAN = "Monthly Payment: 2779.16\nTotal Payments: 833748.72\nTotal Interest: 333748.72";

test.each([
  ["The monthly payment is $2,779.16.", true],
  ["The payment is about $2,779.", true],
  ["The total interest comes to 333,748.72.", true],
  ["The total interest comes to 833,748.72.", false],
  ["You pay $5,000.", false],
  ["The monthly payment is 2779.61.", false],
  ["The loan runs for 25 years.", true],
  ["1. The monthly payment is 2779.16", true],
  ["That is all.", true],
])("%s", (sentence, passes) => {
  const check = createNumberCheck(LOAN, "a loan of $500,000 at 4.5% for 25 years");
  expect(check.passes(sentence)).toBe(passes);
});

test.each([
  ["a share may be said in percent", "weighted: 0.077", "The return is 7.7%.", true],
  ["another share is wrong", "weighted: 0.077", "The return is 8.7%.", false],
  ["long fractions may be rounded", "deviation 12.315302134607444", "It is 12.32.", true],
  ["scales are words", "population: 1500000", "There are 1.5 million people.", true],
  ["rounding to nothing is no rounding", "loss: 0.4", "The loss is 0.", false],
  ["a digit in a name is no number", "x: 3", "The column Q4b has 3.", true],
])("%s", (_name, output, sentence, passes) => {
  expect(createNumberCheck(output, "").passes(sentence)).toBe(passes);
});

test("Arabic and Persian digits are digits", () => {
  expect(findFigures("٢٥ و ۱۲").map((figure) => figure.value)).toEqual([25, 12]);
});
