import { expect, test } from "vitest";

import { dim, formatTable, toPrintable } from "./terminal.ts";

test("escape sequences are shown, not obeyed", () => {
  expect(toPrintable("a\u001b]0;title\u0007b\u009bm\tc\r\nd")).toBe(
    "a\u241b]0;title\u2407b\u2421m\tc\r\nd",
  );
});

test("dim is for terminals whose owner has not turned colour off", () => {
  const terminal = { write: () => {}, isTTY: true };
  expect(dim("x", terminal, {})).toBe("\u001b[2mx\u001b[22m");
  expect(dim("x", terminal, { NO_COLOR: "1" })).toBe("x");
  expect(dim("x", { write: () => {} }, {})).toBe("x");
});

test("columns line up, without blanks at the end", () => {
  expect(
    formatTable([
      ["a", "bb", "c"],
      ["aaa", "b", ""],
    ]),
  ).toBe("a    bb  c\naaa  b\n");
});
