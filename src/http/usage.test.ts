import { expect, test } from "vitest";

import { createTestApp, type TestApp } from "../../test/support/test-app.ts";

async function runOnce(app: TestApp, code: string): Promise<string> {
  const made = await app.send("POST", "/v1/containers");
  const { id } = (await made.json()) as { id: string };
  await (await app.send("POST", `/v1/containers/${id}/execute`, { json: { code } })).json();
  return id;
}

test("executions of the direct API are in the report, as JSON and as CSV", async () => {
  await using app = await createTestApp();
  const id = await runOnce(app, "print(1)");
  const report = await (await app.send("GET", "/v1/usage?group_by=container")).json();
  expect(report).toMatchObject({
    type: "usage_report",
    group_by: ["container"],
    data: [{ container: id, messages: 0, executions: 1, bytes_in: 8, billed_input_tokens: 0 }],
    total: { executions: 1 },
    truncated: false,
  });
  expect(report).not.toHaveProperty("total.cost");
  const csv = await app.send("GET", "/v1/usage?group_by=container&format=csv");
  expect(csv.headers.get("content-type")).toBe("text/csv; charset=utf-8");
  const [head, line] = (await csv.text()).split("\r\n");
  expect(head).toMatch(/^container,messages,input_tokens,/);
  expect(line).toMatch(new RegExp(`^${id},0,0,`));
});

test.each([
  ["group_by=week", "group_by: must be some of day, model, container, key, with commas between"],
  [
    "from=yesterday",
    "from: must be a day such as 2026-11-25 or a time such as 2026-11-25T09:00:00Z",
  ],
  ["from=2026-13-01", "from: is no day or time that exists"],
  ["format=xml", "format: must be json or csv"],
  ["since=1", "since: not known here; group_by, from, to and format are."],
])("GET /v1/usage?%s is refused", async (query, message) => {
  await using app = await createTestApp();
  const answer = await app.send("GET", `/v1/usage?${query}`);
  expect([answer.status, await answer.json()]).toMatchObject([400, { error: { message } }]);
});

test("prices give a cost", async () => {
  await using app = await createTestApp({ config: { priceInput: 3, priceOutput: 15 } });
  const report = await (await app.send("GET", "/v1/usage")).json();
  expect(report).toMatchObject({ total: { cost: 0 } });
});
