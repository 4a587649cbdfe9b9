/** An answer by a schema from the embedded model: held to it by a grammar, with and without a program before. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { startServer, type TestServer } from "./server.ts";

const PERSON = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: "integer" },
    size: { enum: ["small", "large"] },
    nickname: { anyOf: [{ type: "string" }, { type: "null" }] },
  },
  required: ["name", "age", "size", "nickname"],
  additionalProperties: false,
};
const MEAN = {
  type: "object",
  properties: { mean: { type: "number" } },
  required: ["mean"],
  additionalProperties: false,
};

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.close());

test("facts of a text", async () => {
  const answer = await ask(PERSON, "Extract: Anna is 34 years old and a tall baker.", []);
  expect(answer).toMatchObject({ name: "Anna", age: 34 });
  expect(["small", "large"]).toContain(answer.size);
  expect(answer).toHaveProperty("nickname");
});

test("what a program printed", async () => {
  const answer = await ask(MEAN, "Calculate the mean of 4, 8, 15, 16, 23, 42", [
    { type: "code_execution_20250522", name: "code_execution" },
  ]);
  expect(answer).toEqual({ mean: 18 });
});

async function ask(schema: object, content: string, tools: object[]) {
  const response = await fetch(`${server.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "m",
      max_tokens: 400,
      ...(tools.length > 0 && { tools }),
      output_config: { format: { type: "json_schema", schema } },
      messages: [{ role: "user", content }],
    }),
  });
  const message = (await response.json()) as { content: { type: string; text: string }[] };
  const { text } = message.content.findLast(({ type }) => type === "text")!;
  expect(text).toBe(text.trim());
  return JSON.parse(text) as Record<string, unknown>;
}
