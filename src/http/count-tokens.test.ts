import { expect, test } from "vitest";

import { createTestApp, silentProvider } from "../../test/support/test-app.ts";
import type { ModelRequest } from "../providers/provider.ts";

const hello = { model: "m", messages: [{ role: "user", content: "Hello" }] };

test("the request is counted as the model would read it, tools and attachments included", async () => {
  const asked: ModelRequest[] = [];
  const provider = {
    ...silentProvider,
    async countTokens(request: ModelRequest) {
      asked.push(request);
      return 17;
    },
  };
  await using app = await createTestApp({ provider });
  const weather = { name: "get_weather", input_schema: { type: "object" } };
  const content = [
    { type: "text", text: "Hello" },
    {
      type: "document",
      title: "t.csv",
      source: { type: "base64", media_type: "text/csv", data: "YSxiCg==" },
    },
  ];
  const answer = await app.send("POST", "/v1/messages/count_tokens", {
    json: {
      model: "m",
      system: "Be brief.",
      messages: [{ role: "user", content }],
      tools: [{ type: "code_execution_20260120", name: "code_execution" }, weather],
    },
  });
  expect(await answer.json()).toEqual({ input_tokens: 17 });
  expect(asked[0]).toMatchObject({
    model: "m",
    system: [{ type: "text", text: "Be brief." }],
    tools: [
      { name: "code_execution" },
      { name: "bash_code_execution" },
      { name: "text_editor_code_execution" },
      { name: "get_weather" },
    ],
    attachments: [{ filename: "t.csv", sizeBytes: 4 }],
  });
});

test("max_tokens is not wanted, and what is wrong is told as for messages", async () => {
  await using app = await createTestApp();
  const count = (json: unknown) => app.send("POST", "/v1/messages/count_tokens", { json });
  expect((await count(hello)).status).toBe(200);
  for (const json of [{}, [], { ...hello, messages: [] }, { ...hello, tools: [{ name: "x" }] }]) {
    const refused = await count(json);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  }
  expect((await app.send("GET", "/v1/messages/count_tokens")).status).toBe(405);
});
