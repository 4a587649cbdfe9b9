/** The user's own documents from end to end: `curta index` as a process, then search and fetch, by model and code. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import { calls, says, type ScriptStep } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import { askMessages } from "../fixtures/messages-client.ts";
import { runProgram, type ProgramResult } from "../fixtures/program.ts";
import { MAIN } from "../fixtures/serve-process.ts";
import { createContainer, send } from "./direct-client.ts";
import { startServer, type TestServer } from "./server.ts";

/** Makes the documents with the libraries of the sandbox; the last one is a bomb. */
const MAKE = `import zipfile
from docx import Document
from reportlab.pdfgen import canvas
page = canvas.Canvas("report.pdf")
for number in (1, 2):
    page.drawString(72, 720, f"Quokka census, page {number}: {number * 21} animals")
    page.showPage()
page.save()
document = Document()
document.add_heading("Minutes")
document.add_paragraph("The wombat budget is 300 euros.")
table = document.add_table(rows=1, cols=2)
table.rows[0].cells[0].text, table.rows[0].cells[1].text = "burrows", "17"
document.save("minutes.docx")
with zipfile.ZipFile("minutes.docx") as good, zipfile.ZipFile("bomb.docx", "w", zipfile.ZIP_DEFLATED) as bomb:
    for name in good.namelist():
        with bomb.open(name, "w") as part:
            if name == "word/document.xml":
                for _ in range(300):
                    part.write(b"<" + b"a" * 1048575)
            else:
                part.write(good.read(name))`;

const SEARCH = { type: "web_search_20250305", name: "web_search" };
const FETCH = { type: "web_fetch_20250910", name: "web_fetch" };
const CODE = { type: "code_execution_20250522", name: "code_execution" };

const director = createDirector();
let base: string;
let folder: string;
let server: TestServer;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "curta-documents-"));
  folder = join(base, "zoo");
  await mkdir(folder);
  server = await startServer({ provider: director.provider, env: { CURTA_SEARCH: "local" } });
  const container = await createContainer(server);
  await container.print(MAKE, 30);
  for (const name of ["report.pdf", "minutes.docx", "bomb.docx"]) {
    const file = await send(server, "GET", `/v1/containers/${container.id}/files/${name}`);
    if (!file.ok) throw new Error(`${name}: ${file.status}`);
    await writeFile(join(folder, name), Buffer.from(await file.arrayBuffer()));
  }
  await container.delete();
  await writeFile(join(folder, "broken.pdf"), "%PDF-1.4 and no more");
  await writeFile(join(folder, "prices.csv"), "animal,price\nquokka,5\nwombat,7\n");
}, 120_000);

afterAll(async () => {
  await server?.close();
  await rm(base, { recursive: true, force: true });
});

function index(...words: string[]): Promise<ProgramResult> {
  return runProgram(process.execPath, [MAIN, "index", ...words], {
    cwd: base,
    env: {
      CURTA_DATA: server.data,
      ...(process.env.CURTA_CACHE && { CURTA_CACHE: process.env.CURTA_CACHE }),
    },
  });
}

async function ask(tools: object[], ...steps: ScriptStep[]) {
  director.play([...steps.map((step) => [step]), [says("Done.")]]);
  const { message, error } = await askMessages(server.url, {
    tools,
    messages: [{ role: "user", content: "Look into my documents." }],
  });
  expect(error).toBeUndefined();
  return message;
}

test("PDF and Word files are read in the sandbox, what cannot be read is told", async () => {
  const { code, stdout } = await index("zoo");
  expect(code).toBe(0);
  expect(stdout).toContain("3 read, 0 unchanged, 0 removed.");
  expect(stdout).toContain("left out: bomb.docx: cannot be read as DOCX");
  expect(stdout).toContain("left out: broken.pdf: cannot be read as PDF");
  const listed = await index("--list");
  expect(listed.stdout).toMatch(/zoo +3 +\d+ +https:\/\/local\.curta\.invalid\/zoo\//);
}, 120_000);

test("the model finds a PDF's words and opens the whole document", async () => {
  const url = "https://local.curta.invalid/zoo/report.pdf";
  const message = await ask(
    [SEARCH, FETCH],
    calls("web_search", { query: "quokka census" }),
    calls("web_fetch", { url }),
  );
  const blocks = message.content as unknown as { type: string; content: unknown }[];
  expect(blocks[1]?.content).toMatchObject([{ url, title: "report.pdf" }, { title: "prices.csv" }]);
  expect(blocks[3]).toMatchObject({
    type: "web_fetch_tool_result",
    content: { type: "web_fetch_result", url, content: { title: "report.pdf" } },
  });
  const fetched = JSON.stringify(blocks[3]);
  expect(fetched).toContain("page 1: 21 animals");
  expect(fetched).toContain("page 2: 42 animals");
  expect(message.usage.server_tool_use).toEqual({ web_search_requests: 1, web_fetch_requests: 1 });
});

test("a document becomes a file beside the code", async () => {
  const code = `import pandas as pd\nprint(pd.read_csv("fetched_page_1.csv").price.sum())`;
  const message = await ask(
    [CODE, SEARCH, FETCH],
    calls("web_search", { query: "price of a quokka" }),
    calls("web_fetch", { url: "https://local.curta.invalid/zoo/prices.csv" }),
    calls("code_execution", { code }),
  );
  expect(JSON.stringify(message.content)).toContain('"text":"12"');
});

test("code finds a Word file and its table by itself", async () => {
  const code = `import json
first = json.loads(await web_search("wombat budget"))[0]
page = json.loads(await web_fetch({"url": first["url"]}))
print(first["title"], page["content"]["source"]["data"])`;
  const message = await ask(
    [
      { type: "web_search_20260209", name: "web_search" },
      { type: "web_fetch_20260209", name: "web_fetch" },
    ],
    calls("code_execution", { code }),
  );
  const result = message.content.find(({ type }) => type === "code_execution_tool_result");
  expect(JSON.stringify(result)).toContain("minutes.docx Minutes");
  expect(JSON.stringify(result)).toContain("The wombat budget is 300 euros.");
  expect(JSON.stringify(result)).toContain("| burrows | 17 |");
});

test("with a list of domains, local documents are found and opened only when they are on it", async () => {
  const fetchIt = calls("web_fetch", { url: "https://local.curta.invalid/zoo/report.pdf" });
  const others = { allowed_domains: ["example.org"] };
  const outside = await ask(
    [{ ...SEARCH, ...others }, FETCH],
    calls("web_search", { query: "quokka census" }),
  );
  expect(JSON.stringify(outside.content)).toContain('"content":[]');
  const refused = await ask(
    [SEARCH, { ...FETCH, ...others }],
    calls("web_search", { query: "quokka census" }),
    fetchIt,
  );
  expect(JSON.stringify(refused.content)).toContain('"error_code":"url_not_allowed"');
  const inside = await ask(
    [{ ...SEARCH, allowed_domains: ["local.curta.invalid"] }],
    calls("web_search", { query: "quokka census" }),
  );
  expect(JSON.stringify(inside.content)).toContain("report.pdf");
});

test("a running server finds what is indexed anew, and no more what is removed", async () => {
  await writeFile(join(folder, "news.md"), "# Numbat news\n\nThe numbat is back.\n");
  const again = await index("zoo");
  expect(again.stdout).toContain("1 read, 3 unchanged, 0 removed.");
  const search = calls("web_search", { query: "numbat" });
  expect(JSON.stringify((await ask([SEARCH], search)).content)).toContain("Numbat news");
  const removed = await index("zoo", "--remove");
  expect(removed.stdout).toContain("is not indexed any more");
  expect(JSON.stringify((await ask([SEARCH], search)).content)).toContain('"content":[]');
});
