import { expect, test } from "vitest";

import { describeFunctions, toCodeFunctions, toFunctionName } from "./code-functions.ts";

test.each([
  ["query_database", "query_database"],
  ["get-rows", "get_rows"],
  ["mcp.server/tool", "mcp_server_tool"],
  ["2fa", "_2fa"],
  ["import", "_import"],
  ["__builtins__", "tool___builtins__"],
  ["天気", "tool___"],
])("%s is called %s", (name, functionName) => {
  expect(toFunctionName(name)).toBe(functionName);
});

test("what the sandbox and the model are told", () => {
  const tool = {
    name: "get-rows",
    description: "Gives rows.",
    input_schema: { type: "object", properties: { table: {}, limit: {} } },
  };
  expect(toCodeFunctions([tool])).toMatchObject([
    { name: "get-rows", functionName: "get_rows", parameters: ["table", "limit"] },
  ]);
  expect(describeFunctions([])).toEqual([]);
  expect(describeFunctions([tool]).join("\n")).toContain("async def get_rows(input: dict) -> str");
});

test("a schema without properties has no parameters", () => {
  expect(
    toCodeFunctions([{ name: "a", description: "", input_schema: {} }])[0]?.parameters,
  ).toEqual([]);
});
