/** The Files API, and files on their way into a container. */
import type { Case, Context } from "../case.ts";
import { instruct } from "../instructions.ts";
import { DeletedFile, FileList, FileObject } from "../objects.ts";
import { readEnvelope } from "../target.ts";
import { Skip, check, expectEqual, parse, shorten } from "../verdict.ts";
import { anyVersion, declare, fileIdsOf, onlyResult, stdoutOf, take } from "../versions.ts";

const group = "files";
const BETA = "files-api-2025-04-14";

/** A PNG of one pixel. */
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

async function upload(
  { target }: Context,
  text: string | Uint8Array<ArrayBuffer>,
  { name = "note.txt", type = "text/plain", betas = [] as string[], isFirst = false } = {},
) {
  const form = new FormData();
  form.set("file", new File([text], name, { type }));
  const answer = await target.send("POST", "/v1/files", { body: form, betas });
  // One case fails where there is no Files API; the others have nothing to say then.
  if ([404, 405, 501].includes(answer.status) && !isFirst)
    throw new Skip("the server has no Files API");
  check(answer.status === 200, `The status is ${answer.status}: ${shorten(answer.text)}`);
  return parse(FileObject, answer.json, "file");
}

async function remove({ target }: Context, id: string): Promise<void> {
  await target.send("DELETE", `/v1/files/${id}`);
}

export const fileCases: readonly Case[] = [
  {
    name: "files/upload",
    group,
    title: "an upload answers with the file object, with and without the beta header",
    async run(context) {
      for (const betas of [[], [BETA]]) {
        const file = await upload(context, "seven pines", { betas, isFirst: true });
        expectEqual(file.filename, "note.txt", "filename");
        expectEqual(file.mime_type.split(";")[0], "text/plain", "mime_type");
        expectEqual(file.size_bytes, 11, "size_bytes");
        check(file.downloadable !== true, "An upload says that it can be downloaded.");
        await remove(context, file.id);
      }
    },
  },
  {
    name: "files/metadata",
    group,
    title: "GET /v1/files/{id} gives the same object",
    async run(context) {
      const file = await upload(context, "seven pines");
      const answer = await context.target.send("GET", `/v1/files/${file.id}`);
      expectEqual(answer.status, 200, "The status");
      expectEqual(parse(FileObject, answer.json, "file"), file, "The file");
      await remove(context, file.id);
    },
  },
  {
    name: "files/list",
    group,
    title: "the list pages with limit and next_page or after_id, newest first, each file once",
    run: walkPages,
  },
  {
    name: "files/ids",
    group,
    title: "?ids[]= picks files and leaves out unknown ones",
    async run(context) {
      const file = await upload(context, "a");
      const answer = await context.target.send(
        "GET",
        `/v1/files?ids%5B%5D=${file.id}&ids%5B%5D=file_011CNotHere`,
      );
      const { data } = parse(FileList, answer.json, "list");
      expectEqual(
        data.map(({ id }) => id),
        [file.id],
        "The ids",
      );
      await remove(context, file.id);
    },
  },
  {
    name: "files/not-downloadable",
    group,
    title: "the content of an upload: 400 with details.error_code file_not_downloadable",
    async run(context) {
      const file = await upload(context, "a");
      const answer = await context.target.send("GET", `/v1/files/${file.id}/content`);
      expectEqual(answer.status, 400, "The status");
      const { error } = readEnvelope(answer);
      expectEqual(error.details?.error_code, "file_not_downloadable", "error.details.error_code");
      await remove(context, file.id);
    },
  },
  {
    name: "files/delete",
    group,
    title: "a deleted file is gone: 404 not_found_error",
    async run(context) {
      const file = await upload(context, "a");
      const answer = await context.target.send("DELETE", `/v1/files/${file.id}`);
      expectEqual(answer.status, 200, "The status");
      expectEqual(parse(DeletedFile, answer.json, "deleted").id, file.id, "id");
      const gone = await context.target.send("GET", `/v1/files/${file.id}`);
      expectEqual(gone.status, 404, "The status afterwards");
      expectEqual(readEnvelope(gone).error.type, "not_found_error", "error.type");
    },
  },
  {
    name: "files/names",
    group,
    title: "only the last part of a path is kept of a name; forbidden characters are 400",
    async run(context) {
      const file = await upload(context, "a", { name: "folder/inner/deep.txt" });
      expectEqual(file.filename, "deep.txt", "filename");
      await remove(context, file.id);
      const form = new FormData();
      form.set("file", new File(["a"], "what?.txt", { type: "text/plain" }));
      const answer = await context.target.send("POST", "/v1/files", { body: form });
      expectEqual(answer.status, 400, "The status for what?.txt");
      readEnvelope(answer);
    },
  },
  {
    name: "files/no-file",
    group,
    title: "a form without a file: 400",
    async run(context) {
      await upload(context, "a").then(({ id }) => remove(context, id));
      const form = new FormData();
      form.set("something", "else");
      const answer = await context.target.send("POST", "/v1/files", { body: form });
      expectEqual(answer.status, 400, "The status");
      readEnvelope(answer);
    },
  },
  {
    name: "files/expiry",
    group,
    title: "expires_in_seconds sets expires_at; too short a time is 400",
    async run(context) {
      await upload(context, "a").then(({ id }) => remove(context, id));
      const send = (seconds: string) => {
        const form = new FormData();
        form.set("file", new File(["a"], "a.txt", { type: "text/plain" }));
        form.set("expires_in_seconds", seconds);
        return context.target.send("POST", "/v1/files", { body: form });
      };
      const file = parse(FileObject, (await send("3600")).json, "file");
      const ahead = Date.parse(file.expires_at ?? "") - Date.parse(file.created_at);
      check(Math.abs(ahead - 3_600_000) < 60_000, `expires_at is ${file.expires_at}.`);
      await remove(context, file.id);
      expectEqual((await send("5")).status, 400, "The status for 5 seconds");
    },
  },
  {
    name: "files/container-upload",
    group,
    title: "container_upload lies in $INPUT_DIR under its own name",
    async run(context) {
      const version = await anyVersion(context);
      const file = await upload(context, "city,degrees\nParis,21\n", {
        name: "weather.csv",
        type: "text/csv",
      });
      const code = `import os\nprint(open(os.path.join(os.environ["INPUT_DIR"], "weather.csv")).read())`;
      const message = await context.target.message(
        {
          tools: [declare(version)],
          messages: [
            {
              role: "user",
              content: [
                { type: "text", text: instruct([version.python(code)]) },
                { type: "container_upload", file_id: file.id },
              ],
            },
          ],
        },
        { betas: [...version.betas, BETA] },
      );
      expectEqual(stdoutOf(onlyResult(message)).trim(), "city,degrees\nParis,21", "stdout");
      await remove(context, file.id);
    },
  },
  {
    name: "files/as-document",
    group,
    title: "an uploaded text is taken as the source of a document, an image as that of an image",
    async run(context) {
      const text = await upload(context, "seven pines");
      const image = await upload(context, PIXEL, { name: "dot.png", type: "image/png" });
      await context.target.message(
        {
          messages: [
            {
              role: "user",
              content: [
                { type: "document", source: { type: "file", file_id: text.id } },
                { type: "image", source: { type: "file", file_id: image.id } },
                { type: "text", text: instruct([]) },
              ],
            },
          ],
        },
        { betas: [BETA] },
      );
      for (const { id } of [text, image]) await remove(context, id);
    },
  },
  {
    name: "files/wrong-block",
    group,
    title: "a text as the source of an image: 400",
    async run(context) {
      const file = await upload(context, "seven pines");
      const source = { type: "file", file_id: file.id };
      const { status } = await context.target.refusal(
        {
          model: context.target.model,
          max_tokens: 64,
          messages: [{ role: "user", content: [{ type: "image", source }] }],
        },
        { betas: [BETA] },
      );
      expectEqual(status, 400, "The status");
      await remove(context, file.id);
    },
  },
  {
    name: "files/unknown",
    group,
    title: "an id that is not known: 404 not_found_error for its metadata and its content",
    async run(context) {
      await upload(context, "seven pines").then(({ id }) => remove(context, id));
      for (const path of ["", "/content"]) {
        const answer = await context.target.send("GET", `/v1/files/file_011CNotHere${path}`);
        expectEqual(answer.status, 404, `The status of ${path || "the metadata"}`);
        expectEqual(readEnvelope(answer).error.type, "not_found_error", "error.type");
      }
    },
  },
  {
    name: "files/generated",
    group,
    title: "a file that code made has its name and is downloadable",
    async run(context) {
      const version = await anyVersion(context);
      const code = `import os\nopen(os.path.join(os.environ["OUTPUT_DIR"], "made.txt"), "w").write("made")`;
      const result = onlyResult(await take(context, version, [version.python(code)]));
      const [id] = fileIdsOf(result);
      check(id !== undefined, "The result has no file id.");
      const answer = await context.target.send("GET", `/v1/files/${id}`);
      const file = parse(FileObject, answer.json, "file");
      expectEqual(file.filename, "made.txt", "filename");
      expectEqual(file.downloadable, true, "downloadable");
      await remove(context, id);
    },
  },
  {
    name: "7.7.3/ragged-csv",
    group,
    title: "a ragged CSV: the reader's error is a result, and the deviation is 13.4907",
    async run(context) {
      const version = await anyVersion(context);
      const code = `import io, statistics\nprint(round(statistics.stdev([4, 8, 15, 16, 23, 42]), 4))\nimport pandas\npandas.read_csv(io.StringIO("Name,Dept,Pay\\nAnn,Ops,4000\\nSara,,25,4500\\n"))`;
      const result = onlyResult(await take(context, version, [version.python(code)]));
      expectEqual(stdoutOf(result).trim(), "13.4907", "stdout");
      const told = JSON.stringify(result.content);
      if (told.includes("ModuleNotFoundError")) throw new Skip("the sandbox has no pandas");
      check(told.includes("ParserError"), `The result does not tell the error: ${shorten(told)}`);
    },
  },
];

async function walkPages(context: Context): Promise<void> {
  const made: string[] = [];
  for (const text of ["a", "b", "c"]) made.push((await upload(context, text)).id);
  try {
    const seen: string[] = [];
    let query = "limit=2";
    for (let pages = 0; pages < 500; pages++) {
      const answer = await context.target.send("GET", `/v1/files?${query}`);
      expectEqual(answer.status, 200, "The status of a page");
      const page = parse(FileList, answer.json, "list");
      check(page.data.length <= 2, `A page of limit 2 has ${page.data.length} files.`);
      seen.push(...page.data.map(({ id }) => id));
      if (made.every((id) => seen.includes(id))) break;
      if (page.next_page) query = `limit=2&page=${encodeURIComponent(page.next_page)}`;
      else if (page.has_more === true && page.last_id) query = `limit=2&after_id=${page.last_id}`;
      else break;
    }
    expectEqual(
      seen.filter((id) => made.includes(id)),
      made.toReversed(),
      "The order of the new files",
    );
    expectEqual(new Set(seen).size, seen.length, "The number of different files");
  } finally {
    for (const id of made) await remove(context, id);
  }
}
