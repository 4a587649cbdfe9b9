import { expect, test } from "vitest";

import { createAttachments, decodeBase64, type AttachmentOptions } from "./attachments.ts";
import type { WireDocument } from "./schema.ts";

const PLACE = { path: "messages.0.content.1", isNew: true };
const LESSON_CSV =
  "bmFtZSxhZ2Usc2FsYXJ5CkFobWVkLDMwLDUwMDAKU2FyYSwsMjUsNDUwMApNb2hhbWVkLDM1LDcwMDA=";

function open(options: Partial<AttachmentOptions> = {}) {
  return createAttachments({
    attachmentBytes: 1_000_000,
    workspaceBytes: 2_000_000,
    hasWorkspace: true,
    stored: new Map(),
    ...options,
  });
}

function base64(mediaType: string, bytes: string | Buffer, title?: string): WireDocument {
  const data = Buffer.from(bytes).toString("base64");
  return { type: "document", source: { type: "base64", media_type: mediaType, data }, title };
}

const reference = (mediaType: string, title: string, data = "") => ({
  type: "document",
  source: { type: "base64", media_type: mediaType, data },
  title,
});

test("the lesson's csv becomes a file and a block that names it", () => {
  const attachments = open();
  const source = { type: "base64" as const, media_type: "text/csv", data: LESSON_CSV };
  const blocks = attachments.addDocument(
    { type: "document", source, title: "../employees.csv" },
    PLACE,
  );
  expect(blocks).toEqual([reference("text/csv", "employees.csv")]);
  const preview = "name,age,salary\nAhmed,30,5000\nSara,,25,4500\nMohamed,35,7000";
  expect(attachments.files).toEqual([
    {
      isNew: true,
      bytes: Buffer.from(preview),
      attachment: { filename: "employees.csv", mediaType: "text/csv", sizeBytes: 59, preview },
    },
  ]);
});

test("a long text is previewed by its beginning", () => {
  const attachments = open();
  attachments.addDocument(base64("text/plain", "x".repeat(5000), "long.txt"), PLACE);
  expect(attachments.files[0]?.attachment.preview).toBe("x".repeat(2000));
});

test.each([
  [
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "PK\u0003\u0004\u0000",
    "a.xlsx",
  ],
  ["application/vnd.apache.parquet", "PAR1\u0000", "a.parquet"],
  ["application/octet-stream", "\u0000\u0001", "a.bin"],
  ["text/csv", "a\u0000b", "liar.csv"],
])("a binary file (%s) has no preview", (mediaType, bytes, title) => {
  const attachments = open();
  const blocks = attachments.addDocument(base64(mediaType, bytes, title), PLACE);
  expect(blocks).toEqual([reference(mediaType, title)]);
  expect(attachments.files).toMatchObject([{ attachment: { filename: title, preview: null } }]);
});

test("a pdf keeps its bytes for models that read it", () => {
  const attachments = open();
  const pdf = base64("application/pdf", "%PDF-1.7", "a.pdf");
  expect(attachments.addDocument(pdf, PLACE)).toEqual([
    reference("application/pdf", "a.pdf", "JVBERi0xLjc="),
  ]);
  expect(attachments.files[0]?.attachment.filename).toBe("a.pdf");
  const closed = open({ hasWorkspace: false });
  expect(closed.addDocument(pdf, PLACE)).toEqual([
    reference("application/pdf", "a.pdf", "JVBERi0xLjc="),
  ]);
  expect(closed.files).toEqual([]);
});

test.each<[Buffer, string, string[]]>([
  [Buffer.from("caf\u00e9,1", "latin1"), "café,1", ['The encoding of "a.csv" is cp1252.']],
  [Buffer.from("\ufeffcafé,1", "utf16le"), "café,1", ['The encoding of "a.csv" is utf-16.']],
  [Buffer.from("\ufeffcafé,1", "utf8"), "café,1", []],
])("text in another encoding is read and named (%#)", (bytes, content, notes) => {
  const attachments = open();
  const [, ...rest] = attachments.addDocument(base64("text/csv", bytes, "a.csv"), PLACE);
  expect(rest).toEqual(notes.map((text) => ({ type: "text", text })));
  expect(attachments.files[0]?.attachment.preview).toBe(content);
  expect(attachments.files[0]?.bytes).toEqual(bytes);
});

test("sources of every other kind", () => {
  const attachments = open({
    stored: new Map([
      ["file_1", { filename: "up.csv", mediaType: "text/csv", bytes: Buffer.from("a,b") }],
    ]),
  });
  const text = attachments.addDocument(
    { type: "document", source: { type: "text", data: "hello" }, context: "A note." },
    PLACE,
  );
  expect(text).toEqual([
    reference("text/plain", "document.txt"),
    { type: "text", text: "A note." },
  ]);
  attachments.addDocument({ type: "document", source: { type: "file", file_id: "file_1" } }, PLACE);
  attachments.addUpload("file_1", PLACE);
  expect(attachments.files.map((file) => file.attachment.filename)).toEqual([
    "document.txt",
    "up.csv",
    "up-2.csv",
  ]);
  const url = { type: "url" as const, url: "https://example.com/a.pdf" };
  expect(attachments.addDocument({ type: "document", source: url }, PLACE)).toEqual([
    { type: "document", source: url },
  ]);
  const content = { type: "content" as const, content: [{ type: "text" as const, text: "inner" }] };
  expect(attachments.addDocument({ type: "document", source: content }, PLACE)).toEqual([
    { type: "text", text: "inner" },
  ]);
  expect(() => attachments.addUpload("file_9", PLACE)).toThrow("File `file_9` not found.");
});

test("an image stays an image and is a file", () => {
  const attachments = open();
  const source = { type: "base64" as const, media_type: "image/png", data: "iVBORw0KGgo=" };
  expect(attachments.addImage({ type: "image", source }, PLACE)).toEqual([
    { type: "image", source },
  ]);
  expect(attachments.files[0]?.attachment).toMatchObject({ filename: "image.png", preview: null });
});

test("without a tool that opens files the whole text stands there", () => {
  const attachments = open({ hasWorkspace: false });
  const [block] = attachments.addDocument(
    base64("text/plain", "y".repeat(9000), "long.txt"),
    PLACE,
  );
  expect(block).toMatchObject({
    text: `Document "long.txt" (text/plain, 9000 bytes):\n\n${"y".repeat(9000)}`,
  });
  expect(attachments.files).toEqual([]);
  expect(() => attachments.addUpload("file_1", PLACE)).toThrow("needs the code execution tool");
});

test("too much is refused with the limit", () => {
  const big = base64("text/plain", "z".repeat(3000), "a.txt");
  expect(() => open({ attachmentBytes: 2048 }).addDocument(big, PLACE)).toThrow(
    expect.objectContaining({
      code: "request_too_large",
      message: expect.stringContaining("messages.0.content.1.source.data"),
    }),
  );
  const attachments = open({ workspaceBytes: 4000 });
  attachments.addDocument(big, PLACE);
  expect(() => attachments.addDocument(big, PLACE)).toThrow(/The files together may have/);
});

test.each([
  ["not base64!", /there is a "!" at position 9/],
  ["aGVsbG8", /length of 7 characters is not a multiple of 4/],
  ["aGV=sbG8", /there is a "=" at position 3/],
])("broken base64 %j is refused with the reason", (data, reason) => {
  expect(() => decodeBase64(data, 1000, "p")).toThrow(reason);
});

test.each([
  ["aGVsbG8=", "hello"],
  ["aGVs\nbG8=\n", "hello"],
  ["", ""],
])("base64 %j is read", (data, text) => {
  expect(Buffer.from(decodeBase64(data, 1000, "p")).toString()).toBe(text);
});

test("images have a bound on their number, and are images", () => {
  const attachments = open({
    hasWorkspace: false,
    stored: new Map([["f", { filename: "a.csv", mediaType: "text/csv", bytes: Buffer.from("a") }]]),
  });
  const add = (source: Parameters<typeof attachments.addImage>[0]["source"]) =>
    attachments.addImage({ type: "image", source }, PLACE);
  expect(() => add({ type: "file", file_id: "f" })).toThrow(
    /needs an image, but this is text\/csv/,
  );
  for (let n = 1; n < 100; n += 1) add({ type: "url", url: "https://example.com/a.png" });
  expect(() => add({ type: "url", url: "https://example.com/a.png" })).toThrow(
    /100 images at most/,
  );
});
