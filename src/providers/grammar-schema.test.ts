import { expect, test } from "vitest";

import { toGrammarSchema } from "./grammar-schema.ts";

test("anyOf is oneOf at every depth; values that an enum lists stay", () => {
  const kinds = [{ type: "string" }, { type: "null" }];
  expect(
    toGrammarSchema({
      type: "object",
      properties: { name: { anyOf: kinds }, tags: { type: "array", items: { anyOf: kinds } } },
      enum: [{ anyOf: 1 }],
    }),
  ).toEqual({
    type: "object",
    properties: { name: { oneOf: kinds }, tags: { type: "array", items: { oneOf: kinds } } },
    enum: [{ anyOf: 1 }],
  });
});
