import { expect, test } from "vitest";

import { parseUploadFilename, toContentDisposition } from "./filename.ts";

test.each([
  ["data.csv", "text/csv", "data.csv"],
  ["../../etc/passwd", "text/plain", "passwd"],
  ["C:\\Users\\me\\data.csv", "text/csv", "data.csv"],
  ["", "text/csv", "unnamed.csv"],
  ["folder/", "image/png", "unnamed.png"],
  ["..", "application/x-strange", "unnamed"],
  ["名前.csv", "text/csv", "名前.csv"],
])("%j of type %s is stored as %j", (name, type, stored) => {
  expect(parseUploadFilename(name, type)).toBe(stored);
});

test.each(["a<b", "a:b", "a|b", "a?b", "a*b", 'a"b', "a\u0000b", "a\nb", "x".repeat(256)])(
  "%j is refused",
  (name) => {
    expect(() => parseUploadFilename(name, "text/plain")).toThrow(/^file: the name/);
  },
);

test("a name in any script is a valid header", () => {
  const value = toContentDisposition(`名'前"é.csv`);
  expect(value).toBe(
    `attachment; filename="_'___.csv"; filename*=UTF-8''%E5%90%8D%27%E5%89%8D%22%C3%A9.csv`,
  );
  expect(new Headers({ "content-disposition": value }).get("content-disposition")).toBe(value);
});
