/** Web search and web fetch beside code execution, with the official SDK: the lesson's combined request. */
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider, calls, says, type ScriptStep } from "../../src/providers/scripted.ts";
import type { ModelRequest } from "../../src/providers/provider.ts";
import { asSearxng, json, startLoopback, type LoopbackServer } from "../fixtures/search-servers.ts";
import { startServer, type TestServer } from "./server.ts";

const HITS = [
  {
    url: "https://stocks.example.org/today",
    title: "Prices",
    text: "Apple 228.5, Nvidia 139.9, Microsoft 417.2",
    date: "2026-11-25",
  },
  {
    url: "https://news.example.com/tech",
    title: "Tech news",
    text: "Shares rose. Nvidia closed at 139.9.",
  },
];
const CHART = `import json, re
import matplotlib.pyplot as plt
found = json.load(open("search_results_1.json"))
pairs = re.findall(r"(\\w+) ([\\d.]+)", found["results"][0]["text"])
plt.bar([name for name, _ in pairs], [float(price) for _, price in pairs])
plt.show()
print(pairs)`;

const SEARCH = { type: "web_search_20250305", name: "web_search" } as const;
const FETCH = { type: "web_fetch_20250910", name: "web_fetch" } as const;
const CODE = { type: "code_execution_20250522", name: "code_execution" } as const;
const QUESTION =
  "Search for the stock prices of the top 5 tech companies today then create a chart comparing them";

let engine: LoopbackServer;
let pages: LoopbackServer;
let server: TestServer;
let status = 200;
/** What the answers said they counted. */
const counted = { searches: 0, fetches: 0 };

beforeAll(async () => {
  const searxng = asSearxng(HITS);
  engine = await startLoopback((asked, response) => {
    if (status === 200) searxng(asked, response);
    else json(response, {}, status);
  });
  pages = await startLoopback(({ url }, response) => {
    if (url.pathname === "/out")
      return void response.writeHead(302, { location: "http://169.254.169.254/" }).end();
    if (url.pathname === "/paper.pdf")
      return void response.writeHead(200, { "content-type": "application/pdf" }).end(PDF);
    response.writeHead(200, { "content-type": "text/csv" }).end("company,price\nApple,228.5\n");
  });
  server = await startServer({
    provider: new ScriptedProvider(play),
    env: { CURTA_SEARCH: "searxng", CURTA_SEARCH_URL: engine.url, CURTA_FETCH_PRIVATE: "yes" },
  });
});

afterAll(async () => {
  await server?.close();
  await engine?.[Symbol.asyncDispose]();
  await pages?.[Symbol.asyncDispose]();
});

/** The request's last words choose the script, its results so far the place in it. */
function play({ messages, tools }: ModelRequest): ScriptStep[] {
  const texts = messages.flatMap(({ role, content }) =>
    role === "user" ? content.flatMap((block) => (block.type === "text" ? block.text : [])) : [],
  );
  const last = texts.at(-1) ?? "";
  const from = messages.findLastIndex(({ content }) =>
    content.some((block) => block.type === "text" && block.text === last),
  );
  const done = messages.slice(from).filter(({ role }) => role === "assistant").length;
  const steps = scriptFor(
    last,
    tools.map(({ name }) => name),
  );
  return [steps[done] ?? says("DONE")];
}

function scriptFor(text: string, tools: string[]): ScriptStep[] {
  if (text === QUESTION) {
    return [
      calls("web_search", { query: "stock prices of the top tech companies today" }, { chunk: 5 }),
      tools.includes("code_execution")
        ? calls("code_execution", { code: CHART })
        : says("No code."),
      says(
        "Here is the chart. Nvidia closed at 139.9 [2]. Apple is at 228.5. [1]\n\nThat is all.",
        { chunk: 3 },
      ),
    ];
  }
  if (text.startsWith("Open ")) {
    const urls = text.slice(5).split(" ");
    return [...urls.map((url) => calls("web_fetch", { url })), says("Opened.")];
  }
  if (text.startsWith("Connect")) {
    const code = `import urllib.request\nurllib.request.urlopen("${engine.url}/search?q=x&format=json", timeout=5)`;
    return [
      calls("web_search", { query: "anything" }),
      calls("code_execution", { code }),
      says("Tried."),
    ];
  }
  return [
    calls("web_search", { query: "one" }),
    calls("web_search", { query: "two" }),
    says("Found [1]."),
  ];
}

function client(native: boolean): Anthropic {
  return new Anthropic({
    apiKey: "any",
    baseURL: server.url,
    maxRetries: 0,
    ...(native && { defaultHeaders: { "anthropic-beta": "code-execution-2025-05-22" } }),
  });
}

function count({ usage }: Anthropic.Messages.Message): void {
  counted.searches += usage.server_tool_use?.web_search_requests ?? 0;
  counted.fetches += usage.server_tool_use?.web_fetch_requests ?? 0;
}

interface Block {
  type: string;
  [field: string]: unknown;
}

async function ask(
  content: string,
  tools: object[],
  options: { native?: boolean; stream?: boolean } = {},
) {
  const { messages } = client(options.native ?? false);
  const body = {
    model: "m",
    max_tokens: 4096,
    tools: tools as Anthropic.Messages.ToolUnion[],
    messages: [{ role: "user" as const, content }],
  };
  const message = options.stream
    ? await messages.stream(body).finalMessage()
    : await messages.create(body);
  count(message);
  return { message, blocks: message.content as unknown as Block[] };
}

test.each([
  { native: false, stream: false },
  { native: false, stream: true },
  { native: true, stream: false },
  { native: true, stream: true },
])("the lesson's combined request (native: $native, streamed: $stream)", async (options) => {
  const { message, blocks } = await ask(QUESTION, [CODE, SEARCH], options);
  const results = options.native
    ? ["code_execution_tool_result"]
    : ["code_execution_result", "code_execution_result"];
  expect(blocks.map(({ type }) => type)).toEqual([
    "server_tool_use",
    "web_search_tool_result",
    "server_tool_use",
    ...results,
    "text",
    "text",
    "text",
    "text",
  ]);
  expect(blocks[0]).toMatchObject({
    name: "web_search",
    input: { query: "stock prices of the top tech companies today" },
  });
  expect(blocks[1]).toMatchObject({
    tool_use_id: blocks[0]?.id,
    content: [
      {
        type: "web_search_result",
        url: HITS[0]?.url,
        title: "Prices",
        page_age: "November 25, 2026",
      },
      { type: "web_search_result", url: HITS[1]?.url, title: "Tech news", page_age: null },
    ],
  });
  const shown = JSON.stringify(blocks);
  expect(shown).toContain("('Nvidia', '139.9')");
  if (options.native) expect(shown).toMatch(/"file_id":"file_/);
  else
    expect(blocks.some(({ output }) => (output as Block | undefined)?.type === "image")).toBe(true);
  const texts = blocks.filter(({ type }) => type === "text");
  expect(texts.map(({ text, citations }) => [text, citations ?? null])).toEqual([
    ["Here is the chart.", null],
    [
      " Nvidia closed at 139.9.",
      [
        {
          type: "web_search_result_location",
          url: HITS[1]?.url,
          title: "Tech news",
          encrypted_index: expect.any(String),
          cited_text: "Nvidia closed at 139.9.",
        },
      ],
    ],
    [" Apple is at 228.5.", [expect.objectContaining({ url: HITS[0]?.url })]],
    ["\n\nThat is all.", null],
  ]);
  expect(message.usage.server_tool_use).toMatchObject({
    web_search_requests: 1,
    web_fetch_requests: 0,
  });
  expect(message.stop_reason).toBe("end_turn");
});

test("the answer goes back whole, with changed encrypted content, and the conversation goes on", async () => {
  const { message } = await ask(QUESTION, [CODE, SEARCH], { native: true });
  const emptied = JSON.parse(
    JSON.stringify(message.content, (key, value: unknown) =>
      key.startsWith("encrypted_") ? "" : value,
    ),
  ) as Anthropic.Messages.ContentBlockParam[];
  for (const content of [message.content as Anthropic.Messages.ContentBlockParam[], emptied]) {
    const next = await client(true).messages.create({
      model: "m",
      max_tokens: 100,
      tools: [CODE, SEARCH],
      messages: [
        { role: "user", content: QUESTION },
        { role: "assistant", content },
        { role: "user", content: "Search twice." },
      ],
    });
    count(next);
    const cited = next.content.find((block) => block.type === "text")?.citations;
    expect(cited).toMatchObject([{ url: HITS[0]?.url }]);
  }
});

test("a newer search brings code execution along", async () => {
  const { blocks } = await ask(QUESTION, [{ type: "web_search_20260209", name: "web_search" }]);
  expect(blocks.map(({ name }) => name).filter(Boolean)).toEqual(["web_search", "code_execution"]);
  expect(JSON.stringify(blocks)).toContain("('Nvidia', '139.9')");
});

test("the number of searches ends at max_uses, and the turn goes on", async () => {
  const { message, blocks } = await ask("Search twice.", [{ ...SEARCH, max_uses: 1 }]);
  expect(blocks.map(({ content }) => content).filter(Boolean)).toEqual([
    expect.any(Array),
    { type: "web_search_tool_result_error", error_code: "max_uses_exceeded" },
  ]);
  expect(message.usage.server_tool_use?.web_search_requests).toBe(1);
  expect(message.stop_reason).toBe("end_turn");
});

test.each([
  [429, "too_many_requests"],
  [500, "unavailable"],
])("an engine that answers %i: an error block, and the turn goes on", async (code, errorCode) => {
  status = code;
  try {
    const { message, blocks } = await ask("Search twice.", [
      { ...SEARCH, blocked_domains: [`x${code}.org`] },
    ]);
    expect(blocks[1]?.content).toEqual({
      type: "web_search_tool_result_error",
      error_code: errorCode,
    });
    expect(message.usage.server_tool_use?.web_search_requests).toBe(0);
    expect(message.stop_reason).toBe("end_turn");
  } finally {
    status = 200;
  }
});

test("pages of the conversation are opened, a PDF by the sandbox; others are not", async () => {
  const { message, blocks } = await ask(
    `Open ${pages.url}/data ${pages.url}/paper.pdf ${pages.url}/out`,
    [FETCH],
  );
  const results = blocks.filter(({ type }) => type === "web_fetch_tool_result");
  expect(results.map(({ content }) => content)).toMatchObject([
    {
      type: "web_fetch_result",
      url: `${pages.url}/data`,
      content: {
        type: "document",
        source: { type: "text", media_type: "text/plain", data: "company,price\nApple,228.5" },
      },
    },
    { content: { source: { data: "Hello from the paper" } } },
    { type: "web_fetch_tool_result_error", error_code: "url_not_allowed" },
  ]);
  expect(message.usage.server_tool_use).toMatchObject({ web_fetch_requests: 2 });
});

test("the sandbox has no network while search is on", async () => {
  const before = engine.asked.length;
  const { blocks } = await ask("Connect to it.", [CODE, { ...SEARCH, blocked_domains: ["c.org"] }]);
  expect(engine.asked.length - before).toBe(1);
  expect(JSON.stringify(blocks)).toMatch(/URLError|OSError|PermissionError/);
});

test("the report counts what the answers counted", async () => {
  const report = (await (await fetch(`${server.url}/v1/usage`)).json()) as {
    total: Record<string, number>;
  };
  expect(report.total).toMatchObject({
    web_search_requests: counted.searches,
    web_fetch_requests: counted.fetches,
  });
  expect(counted.searches).toBeGreaterThan(8);
});

/** One page that says "Hello from the paper". */
const PDF = makePdf("BT /F1 24 Tf 72 720 Td (Hello from the paper) Tj ET");

function makePdf(stream: string): string {
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
    `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
  ];
  let file = "%PDF-1.4\n";
  const offsets = objects.map((object, index) => {
    const offset = file.length;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  return `${file}xref\n0 6\n0000000000 65535 f \n${table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`;
}
