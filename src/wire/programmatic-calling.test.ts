import { expect, test } from "vitest";

import { readAllowedCallers, refuseBesideCodeTools } from "./programmatic-calling.ts";

const CODE = ["code_execution_20260120"];
const tool = (more: object = {}) => ({ name: "query", input_schema: {}, ...more });

test.each([
  ["nobody is named", undefined, { model: true, code: false }],
  ["null", null, { model: true, code: false }],
  ["the model", ["direct"], { model: true, code: false }],
  ["code", CODE, { model: false, code: true }],
  ["code of another version", ["code_execution_20250825"], { model: false, code: true }],
  ["both", ["direct", ...CODE], { model: true, code: true }],
])("%s", (_, allowed_callers, allowed) => {
  expect(readAllowedCallers(tool({ allowed_callers }), "tools.0")).toEqual(allowed);
});

const list = { type: "object", properties: { next: { $ref: "#/$defs/list" } } };

test.each([
  ["an unknown caller", { allowed_callers: ["code_execution"] }, /tools\.0\.allowed_callers\.0/],
  ["no caller at all", { allowed_callers: [] }, /tools\.0\.allowed_callers/],
  ["strict", { allowed_callers: CODE, strict: true }, /strict/],
  [
    "a schema that holds itself",
    { allowed_callers: CODE, input_schema: { $ref: "#/$defs/list", $defs: { list } } },
    /Circular \$ref detected/,
  ],
])("%s is refused", (_, more, message) => {
  expect(() => readAllowedCallers(tool(more), "tools.0")).toThrow(message);
});

test("references that lead to one schema twice, or nowhere, are no circle", () => {
  const input_schema = {
    properties: { a: { $ref: "#/$defs/x" }, b: { $ref: "#/$defs/x" }, c: { $ref: "#/$defs/none" } },
    $defs: { x: { type: "string" } },
  };
  const allowed_callers = CODE;
  expect(readAllowedCallers(tool({ allowed_callers, input_schema }), "tools.0").code).toBe(true);
  expect(readAllowedCallers(tool({ input_schema: { $ref: "#" } }), "tools.0").code).toBe(false);
});

test("a chain of references as long as a request can make it ends in an answer", () => {
  const $defs = Object.fromEntries(
    Array.from({ length: 50_000 }, (_, n) => [`n${n}`, { $ref: `#/$defs/n${n + 1}` }]),
  );
  const input_schema = { $ref: "#/$defs/n0", $defs };
  const allowed_callers = CODE;
  expect(() => readAllowedCallers(tool({ allowed_callers, input_schema }), "tools.0")).toThrow(
    /Circular/,
  );
});

test("two tools that would be the same function", () => {
  const tools = [{ name: "get-rows" }, { name: "get_rows" }];
  expect(() => refuseBesideCodeTools(tools, null)).toThrow(/same function/);
});
