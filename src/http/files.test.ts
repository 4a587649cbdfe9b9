import { expect, test } from "vitest";

import { createTestApp } from "../../test/support/test-app.ts";
import type { TestApp } from "../../test/support/test-app.ts";

interface FileObject {
  id: string;
  filename: string;
  mime_type: string;
}

interface Page {
  data: FileObject[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
  next_page: string | null;
}

test("an upload is stored with its name and type, listed, not downloadable, and deleted", async () => {
  await using app = await createTestApp();
  const answer = await upload(app, "folder/data.csv", "a,b\n1,2\n", "text/csv");
  const file = (await answer.json()) as FileObject;
  expect(file).toEqual({
    id: expect.stringMatching(/^file_/),
    type: "file",
    filename: "data.csv",
    mime_type: "text/csv",
    size_bytes: 8,
    created_at: expect.stringMatching(/Z$/),
    downloadable: false,
    expires_at: null,
  });
  expect(await (await app.send("GET", `/v1/files/${file.id}`)).json()).toEqual(file);
  const content = await app.send("GET", `/v1/files/${file.id}/content`);
  expect([content.status, await content.json()]).toMatchObject([
    400,
    {
      error: {
        message: "File is not downloadable",
        details: { error_code: "file_not_downloadable" },
      },
    },
  ]);
  const deleted = await app.send("DELETE", `/v1/files/${file.id}`);
  expect(await deleted.json()).toEqual({ id: file.id, type: "file_deleted" });
  const gone = await app.send("GET", `/v1/files/${file.id}`);
  expect([gone.status, await gone.json()]).toMatchObject([
    404,
    { error: { message: `File \`${file.id}\` not found.` } },
  ]);
});

test("both pagers see every file once, newest first", async () => {
  await using app = await createTestApp();
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1)
    ids.unshift(((await (await upload(app, `${n}.txt`, "x")).json()) as FileObject).id);
  for (const next of [
    (page: Page) => `page=${page.next_page}`,
    (page: Page) => `after_id=${page.last_id}`,
  ]) {
    const seen: string[] = [];
    let query = "";
    for (let pages = 0; pages < 5; pages += 1) {
      const page = (await (await app.send("GET", `/v1/files?limit=2${query}`)).json()) as Page;
      seen.push(...page.data.map(({ id }) => id));
      expect(page.has_more).toBe(page.next_page !== null);
      if (!page.has_more) break;
      query = `&${next(page)}`;
    }
    expect(seen).toEqual(ids);
  }
  const before = (await (
    await app.send("GET", `/v1/files?limit=2&before_id=${ids[3]}`)
  ).json()) as Page;
  expect([before.data.map(({ id }) => id), before.has_more]).toEqual([[ids[1], ids[2]], true]);
  const scoped = await app.send("GET", "/v1/files?scope_id=session_1");
  expect(await scoped.json()).toMatchObject({ data: [], has_more: false, next_page: null });
  const chosen = (await (
    await app.send("GET", `/v1/files?ids%5B%5D=${ids[4]}&ids[]=${ids[0]}&ids[]=file_none`)
  ).json()) as Page;
  expect(chosen.data.map(({ id }) => id)).toEqual([ids[0], ids[4]]);
});

test.each([
  ["limit=0", "limit"],
  ["limit=1001", "limit"],
  ["limit=x", "limit"],
  ["page=abc", "page"],
  ["page=page_none", "cursor"],
  ["after_id=file_none", "cursor"],
  ["after_id=a&before_id=b", "Only one"],
  ["ids[]=a&limit=1", "ids"],
])("the list refuses %s", async (query, message) => {
  await using app = await createTestApp();
  const answer = await app.send("GET", `/v1/files?${query}`);
  const body = (await answer.json()) as { error: { message: string } };
  expect([answer.status, body.error.message]).toEqual([400, expect.stringContaining(message)]);
});

test.each<[string, (app: TestApp) => Promise<Response>, string]>([
  ["JSON", (app) => app.send("POST", "/v1/files", { json: {} }), "multipart/form-data"],
  [
    "a broken form",
    (app) =>
      app.send("POST", "/v1/files", {
        body: "x",
        headers: { "content-type": "multipart/form-data; boundary=b" },
      }),
    "multipart",
  ],
  [
    "a form without the part",
    (app) => app.send("POST", "/v1/files", { body: form({ other: "x" }) }),
    "file: required",
  ],
  [
    "a part that is no file",
    (app) => app.send("POST", "/v1/files", { body: form({ file: "x" }) }),
    "file: required",
  ],
  ["a bad name", (app) => upload(app, "a<b.txt", "x"), "file: the name"],
  ["a long name", (app) => upload(app, "n".repeat(256), "x"), "256 characters"],
  [
    "a bad life time",
    (app) => app.send("POST", "/v1/files", { body: form({ expires_in_seconds: "60" }, "x.txt") }),
    "expires_in_seconds",
  ],
])("an upload of %s is refused", async (_name, send, message) => {
  await using app = await createTestApp();
  const answer = await send(app);
  const body = (await answer.json()) as { error: { message: string } };
  expect([answer.status, body.error.message]).toEqual([400, expect.stringContaining(message)]);
  expect(((await (await app.send("GET", "/v1/files")).json()) as Page).data).toEqual([]);
});

test.each([
  ["application/octet-stream", "Sales.CSV", "text/csv"],
  ["", "chart.png", "image/png"],
  ["application/octet-stream", "data.parquet", "application/octet-stream"],
  ["text/x-mine", "data.csv", "text/x-mine"],
])("an upload of type %j named %s is %s", async (type, name, mime_type) => {
  await using app = await createTestApp();
  expect(await (await upload(app, name, "x", type)).json()).toMatchObject({ mime_type });
});

test("uploads go to the disk as they come; so many at once, and nothing stays of what breaks off", async () => {
  await using app = await createTestApp();
  const begin = () => {
    const end = Promise.withResolvers<string>();
    const head = `--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n`;
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(Buffer.from(`${head}beginning `));
        controller.enqueue(Buffer.from(await end.promise));
        controller.close();
      },
    });
    const request = new Request("http://127.0.0.1:4242/v1/files", {
      method: "POST",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      body,
      duplex: "half",
    } as RequestInit);
    return { end: end.resolve, answer: app.app.fetch(request) };
  };
  const uploads = Array.from({ length: 32 }, begin);
  const one = await upload(app, "one-more.txt", "x");
  expect([one.status, one.headers.get("retry-after")]).toEqual([529, "2"]);
  const [first, ...others] = uploads;
  first!.end("and end\r\n--b--\r\n");
  expect(await (await first!.answer).json()).toMatchObject({ size_bytes: 17 });
  for (const other of others) other.end("and nothing more");
  for (const other of others) expect((await other.answer).status).toBe(400);
  expect(((await (await app.send("GET", "/v1/files?limit=100")).json()) as Page).data).toHaveLength(
    1,
  );
  expect((await upload(app, "small.txt", "x")).status).toBe(200);
});

test.each([
  ["the file", { file: "x".repeat(1_100_000) }, "The file is larger than 1 MiB"],
  ["all of it", { other: "x".repeat(2_200_000) }, "The body is larger than 2 MiB"],
])("too large: %s", async (_, { file, other }: { file?: string; other?: string }, message) => {
  await using app = await createTestApp({ config: { uploadMb: 1 } });
  const body = new FormData();
  if (file !== undefined) body.set("file", new File([file], "a.txt"));
  if (other !== undefined) body.set("other", other);
  const answer = await app.send("POST", "/v1/files", { body });
  expect([answer.status, await answer.text()]).toEqual([413, expect.stringContaining(message)]);
});

test("an upload may have a life time", async () => {
  await using app = await createTestApp();
  const answer = await app.send("POST", "/v1/files", {
    body: form({ expires_in_seconds: "3600" }, "x.txt"),
  });
  const { created_at, expires_at } = (await answer.json()) as {
    created_at: string;
    expires_at: string;
  };
  expect(Date.parse(expires_at) - Date.parse(created_at)).toBeCloseTo(3_600_000, -3);
});

function upload(
  app: TestApp,
  name: string,
  content: string,
  type = "text/plain",
): Promise<Response> {
  const body = new FormData();
  body.set("file", new File([content], name, { type }));
  return app.send("POST", "/v1/files", { body });
}

function form(fields: Record<string, string>, filename?: string): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  if (filename !== undefined) body.set("file", new File(["x"], filename));
  return body;
}
