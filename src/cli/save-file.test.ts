import { expect, test } from "vitest";

import { toChart, toHarmlessName } from "./save-file.ts";

test.each([
  ["chart.png", "chart.png"],
  ["../../etc/passwd", "passwd"],
  ["C:\\x\\y.csv", "y.csv"],
  [".bashrc", "bashrc"],
  ["..", "file"],
  ["", "file"],
  ["-rf", "rf"],
  ["a\u001b[2Jb.txt", "a_[2Jb.txt"],
  ["a\u202egnp.exe", "a_gnp.exe"],
  ["جدول.csv", "جدول.csv"],
  [`${"x".repeat(300)}.csv`, `${"x".repeat(196)}.csv`],
])("%j is saved as %j", (name, saved) => {
  expect(toHarmlessName(name)).toBe(saved);
});

test("a display's picture is taken from its bundle", () => {
  expect(toChart({ "text/plain": "<Figure>", "image/png": "AAEC" })).toEqual({
    extension: ".png",
    bytes: Buffer.from([0, 1, 2]),
  });
  expect(toChart({ "image/svg+xml": "<svg/>" })).toEqual({
    extension: ".svg",
    bytes: Buffer.from("<svg/>"),
  });
  expect(toChart({ "text/plain": "1" })).toBeNull();
});
