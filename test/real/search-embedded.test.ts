/** The lesson's combined request by the embedded model, over an index of documents that `curta index` made. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";

import { runCli } from "../../src/cli/program.ts";
import { startServer, type TestServer } from "./server.ts";

const QUESTION =
  "Search for the stock prices of the top 5 tech companies today then create a chart comparing them";

/** Three generations of the embedded model, on a machine that may do something else besides. */
const TURN_MS = 600_000;

let folder: string;
let server: TestServer;
let printed = "";
let exitCode: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "curta-documents-"));
  await mkdir(join(folder, "markets"));
  await writeFile(
    join(folder, "markets", "tech-stocks.md"),
    `# Stock prices of large tech companies

Closing prices of the five largest technology companies, in US dollars.

| Company | Ticker | Price |
| --- | --- | --- |
| Apple | AAPL | $228.52 |
| Microsoft | MSFT | $417.16 |
| Nvidia | NVDA | $139.91 |
| Alphabet | GOOGL | $175.98 |
| Amazon | AMZN | $202.88 |
`,
  );
  await writeFile(join(folder, "markets", "fruit.csv"), "fruit,price\napple,0.5\npear,0.7\n");
  await writeFile(join(folder, "garden.html"), "<title>Garden</title><p>Roses want sun.");
  // An upstream in the environment of whoever runs the tests must not answer instead.
  server = await startServer({ env: { CURTA_UPSTREAM_URL: "", CURTA_MODEL: "" } });
  const io = {
    stdout: { write: (text: string) => (printed += text) },
    stderr: { write: () => {} },
    env: { CURTA_DATA: server.data },
    folder,
    signal: new AbortController().signal,
  };
  exitCode = await runCli(["index", "."], io);
});

afterAll(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

test("the documents are indexed", () => {
  expect(exitCode).toBe(0);
  expect(printed).toContain("3 read, 0 unchanged, 0 removed");
});

const OLD = [
  { type: "code_execution_20250522", name: "code_execution" },
  { type: "web_search_20250305", name: "web_search" },
];
/** For code only; a model that writes no calls into its code searches itself all the same. */
const NEW = [{ type: "web_search_20260209", name: "web_search" }];

test.each([
  { name: "the tutorial's rendering, streamed", tools: OLD, stream: true },
  { name: "a search meant for code, in the hosted rendering", tools: NEW, stream: false },
])(
  "it searches, charts what was found, and names the source: $name",
  async (one) => {
    const client = new Anthropic({ apiKey: "any", baseURL: server.url, maxRetries: 0 });
    const body = {
      model: "any",
      max_tokens: 4096,
      tools: one.tools as Anthropic.Messages.ToolUnion[],
      messages: [{ role: "user" as const, content: QUESTION }],
    };
    const message = one.stream
      ? await client.messages.stream(body).finalMessage()
      : await client.messages.create(body);
    const blocks = message.content as unknown as {
      type: string;
      name?: string;
      input?: { query?: string; code?: string };
      content?: { title: string }[] & { content?: { file_id: string }[] };
      output?: { type: string };
      text?: string;
      citations?: { url: string }[];
    }[];
    expect(blocks[0]).toMatchObject({
      type: "server_tool_use",
      name: "web_search",
      input: { query: "the stock prices of the top 5 tech companies today" },
    });
    expect(blocks[1]?.content?.[0]?.title).toBe("Stock prices of large tech companies");
    const program = blocks.find(({ name }) => name === "code_execution")?.input?.code ?? "";
    expect(program).toContain("417.16");
    // The chart: its bytes in the tutorial's rendering, its id in the hosted one.
    const hasChart = blocks.some(
      ({ output, content }) => output?.type === "image" || content?.content?.[0]?.file_id,
    );
    expect(hasChart).toBe(true);
    const cited = blocks.filter(({ citations }) => citations !== undefined);
    expect(cited.at(-1)?.citations?.[0]?.url).toMatch(
      /^https:\/\/local\.curta\.invalid\/.+\/markets\/tech-stocks\.md$/,
    );
    expect(message.usage.server_tool_use?.web_search_requests).toBe(1);
    expect(message.stop_reason).toBe("end_turn");
  },
  TURN_MS,
);
