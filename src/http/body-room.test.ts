import { expect, test } from "vitest";

import { createTestApp } from "../../test/support/test-app.ts";

/** Requests that stay under way until they are let go. */
function createHeldMessages() {
  const gate = Promise.withResolvers<void>();
  return {
    letGo: gate.resolve,
    messages: async () => {
      await gate.promise;
      return Response.json({});
    },
  };
}

const body = (bytes: number) => ({
  body: "x".repeat(bytes),
  headers: { "content-type": "application/json", "content-length": String(bytes) },
});

test("bodies under way have a bound together; beyond it the next is told to come back", async () => {
  const { letGo, messages } = createHeldMessages();
  await using app = await createTestApp({ config: { bodiesMb: 1 }, messages });
  const first = app.send("POST", "/v1/messages", body(700_000));
  const refused = await app.send("POST", "/v1/messages", body(700_000));
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([529, "2"]);
  expect(await refused.json()).toMatchObject({
    error: { type: "overloaded_error", message: expect.stringContaining("bodiesMb") },
  });
  const small = app.send("POST", "/v1/messages", body(1000));
  letGo();
  expect([(await first).status, (await small).status]).toEqual([200, 200]);
  expect((await app.send("POST", "/v1/messages", body(700_000))).status).toBe(200);
});

test("one that is alone is let in whatever the bound, and one without a length counts as the largest", async () => {
  const { letGo, messages } = createHeldMessages();
  await using app = await createTestApp({ config: { bodiesMb: 1 }, messages });
  const alone = app.send("POST", "/v1/messages", {
    body: "{}",
    headers: { "content-type": "application/json", "transfer-encoding": "chunked" },
  });
  expect((await app.send("POST", "/v1/messages", body(1000))).status).toBe(529);
  expect((await app.send("GET", "/v1/containers")).status).toBe(200);
  letGo();
  expect((await alone).status).toBe(200);
});
