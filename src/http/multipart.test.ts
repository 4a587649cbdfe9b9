import fc from "fast-check";
import { expect, test } from "vitest";

import { readParts } from "./multipart.ts";

const TYPE = "multipart/form-data; boundary=b";

interface Read {
  name: string;
  filename: string | null;
  type: string;
  bytes: string;
}

async function read(body: string | Buffer, size = 1_000_000, type = TYPE): Promise<Read[]> {
  const bytes = Buffer.from(body);
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const parts: Read[] = [];
  for await (const { name, filename, type: kind, body: chunks } of readParts(pieces(), type)) {
    const found: Buffer[] = [];
    for await (const chunk of chunks) found.push(chunk);
    parts.push({ name, filename, type: kind, bytes: Buffer.concat(found).toString("latin1") });
  }
  return parts;
}

const part = (head: string, bytes: string): string => `--b\r\n${head}\r\n\r\n${bytes}\r\n`;
const FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"';

test("any form comes out as it went in, however it is cut", async () => {
  const field = fc.record({
    name: fc.stringMatching(/^[a-z"\r\n]{1,8}$/),
    filename: fc.option(fc.stringMatching(/^[a-zä"\r\n日 ]{1,8}$/)),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom("\r\n--", "\r\n-", "--", "\r\n\r\n", "\r").map((text) => Buffer.from(text)),
    ),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(field, { maxLength: 4 }),
      fc.nat({ max: 30 }),
      async (fields, size) => {
        const form = new FormData();
        for (const { name, filename, bytes } of fields) {
          const text = Buffer.from(bytes).toString("latin1");
          // A field is text, whose line breaks a form writes in its own way; a file is bytes.
          if (filename !== null) form.append(name, new File([new Uint8Array(bytes)], filename));
          else form.append(name, text.replaceAll(/[\r\n\x80-\xff]/g, ""));
        }
        const sent = new Response(form);
        const body = Buffer.from(await sent.arrayBuffer());
        const found = await read(body, size + 1, sent.headers.get("content-type")!);
        const expected = await Promise.all(
          [...form].map(async ([name, value]) => ({
            name,
            filename: typeof value === "string" ? null : value.name,
            bytes:
              typeof value === "string"
                ? value
                : Buffer.from(await value.arrayBuffer()).toString("latin1"),
          })),
        );
        const breaks = (text: string | null) => text?.replaceAll(/\r\n|\r|\n/g, "\n") ?? null;
        const normal = (one: Omit<Read, "type">) => ({
          name: breaks(one.name),
          filename: breaks(one.filename),
          bytes: one.bytes,
        });
        expect(found.map(normal)).toEqual(expected.map(normal));
      },
    ),
  );
});

test.each([
  ["a quoted boundary", part(FILE, "x"), 'multipart/form-data; boundary="b"'],
  ["a preamble and an epilogue", `This is a form.\r\n${part(FILE, "x")}`, TYPE],
  ["blanks behind the delimiter", part(FILE, "x").replace("--b", "--b  "), TYPE],
  ["other headers", part(`X-A: 1\r\n${FILE}\r\nContent-Type: text/csv`, "x"), TYPE],
])("is read: %s", async (_, body, type) => {
  expect(await read(`${body}--b--\r\nepilogue`, 3, type)).toMatchObject([
    { name: "file", filename: "a.txt", bytes: "x" },
  ]);
});

test.each([
  ['filename="a\\"b.txt"', 'a"b.txt'],
  ['filename="a%22b.txt"', 'a"b.txt'],
  ["filename=plain.txt", "plain.txt"],
  ["filename=\"x\"; filename*=UTF-8''%C3%BC.txt", "ü.txt"],
  ['filename="C:\\dir\\a.txt"', "C:\\dir\\a.txt"],
  ['filename=""', ""],
])("the name in %s", async (parameter, filename) => {
  const head = `Content-Disposition: form-data; name="file"; ${parameter}`;
  expect(await read(`${part(head, "x")}--b--`)).toMatchObject([{ filename }]);
});

test.each([
  ["nothing", "", TYPE],
  ["no boundary", part(FILE, "x"), "multipart/form-data"],
  ["no end", part(FILE, "x"), TYPE],
  ["cut in a head", "--b\r\nContent-Dispo", TYPE],
  ["cut behind a delimiter", `${part(FILE, "x")}--b`, TYPE],
  ["a part without a name", `${part("Content-Type: text/plain", "x")}--b--`, TYPE],
  ["a head without an end", `--b\r\n${"X: y\r\n".repeat(10_000)}`, TYPE],
  ["something behind a delimiter", `--bx\r\n${FILE}\r\n\r\nx\r\n--b--`, TYPE],
  ["too many parts", `${part(FILE, "x").repeat(40)}--b--`, TYPE],
  ["a name that is not encoded", `${part(`${FILE}; filename*=UTF-8''%ff`, "x")}--b--`, TYPE],
])("is refused: %s", async (_, body, type) => {
  await expect(read(body, 5, type)).rejects.toMatchObject({ code: "invalid_request" });
});
