/** The price list applied to the lesson's requests, as docs/reference/price-list.md shows it. */
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import { renderTable } from "../../src/cli/reference.ts";
import type { ModelRequest } from "../../src/providers/provider.ts";
import { calls, says, ScriptedProvider, type ScriptStep } from "../../src/providers/scripted.ts";
import { knownGoodScript } from "../fixtures/known-good-model.ts";
import { askMessages, CODE_EXECUTION } from "../fixtures/messages-client.ts";
import { LESSON_REQUESTS } from "./requests.ts";
import { startServer, type TestServer } from "./server.ts";

const PAGE = new URL("../../docs/reference/price-list.md", import.meta.url);

const WEB_SEARCH = { type: "web_search_20250305", name: "web_search" };

interface Usage {
  input_tokens: number;
  output_tokens: number;
  curta: {
    executions: { code_tokens: number; result_tokens: number; image_tokens: number }[];
    code_execution_is_free: boolean;
    billed_input_tokens: number;
    billed_output_tokens: number;
  };
}

/** The lesson's request for both tools. There is nothing to search here; what code runs is free all the same. */
const COMBINED = {
  name: "search, then chart",
  content:
    "Search for the stock prices of the top 5 tech companies today then create a chart comparing them",
};
const CHART =
  "import matplotlib.pyplot as plt\nplt.bar(['A', 'B', 'C', 'D', 'E'], [228, 139, 415, 178, 201])\nplt.title('Stock prices')";

function answer(request: ModelRequest): ScriptStep[] {
  const words = JSON.stringify(request.messages[0]?.content);
  if (!words.includes(COMBINED.content)) return knownGoodScript(request);
  const rounds = request.messages.filter(({ role }) => role === "assistant").length;
  if (rounds === 0)
    return [calls("web_search", { query: "stock prices top tech companies today" })];
  return rounds === 1 ? [calls("code_execution", { code: CHART })] : [says("Here is the chart.")];
}

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider(answer) });
});
afterAll(() => server.close());

test("each of the lesson's requests counts as the page says", async () => {
  const rows: string[][] = [];
  for (const { name, content } of [...LESSON_REQUESTS, COMBINED]) {
    const isFree = name === COMBINED.name;
    const tools = isFree ? [CODE_EXECUTION, WEB_SEARCH] : [CODE_EXECUTION];
    const messages = [{ role: "user", content }];
    const { message } = await askMessages(server.url, { tools, messages });
    const usage = message.usage as unknown as Usage;
    const { curta } = usage;
    const sum = (read: (one: Usage["curta"]["executions"][number]) => number): number =>
      curta.executions.reduce((total, one) => total + read(one), 0);
    const code = sum((one) => one.code_tokens);
    const results = sum((one) => one.result_tokens);
    const images = sum((one) => one.image_tokens);
    const [addedInput, addedOutput] = isFree ? [0, 0] : [code, results + images];
    expect(curta).toMatchObject({
      code_execution_is_free: isFree,
      billed_input_tokens: usage.input_tokens + addedInput,
      billed_output_tokens: usage.output_tokens + addedOutput,
    });
    expect(code).toBeGreaterThan(0);
    rows.push([name, code, results, images, addedInput, addedOutput].map(String));
  }
  const page = render(rows);
  if (process.env.UPDATE === "1") await writeFile(PAGE, page);
  expect(await readFile(PAGE, "utf8"), "run with UPDATE=1 to write it").toBe(page);
});

function render(rows: string[][]): string {
  return `<!-- Generated: \`UPDATE=1 npm test -- test/real/price-list.test.ts\` writes it anew. -->

# The price list, applied to the tutorial's requests

What the executions add to the tokens that the model itself reads and writes, with the default settings
(\`CURTA_BILLING=lesson\`, \`CURTA_IMAGE_PIXELS_PER_TOKEN=750\`) and a program that is known to be good. The last
request has web search among its tools, so that nothing is added. [Usage and prices](../usage-and-prices.md) explains the list.

${renderTable(
  ["Request", "Code", "Results", "Images", "Added to input", "Added to output"],
  rows,
)}`;
}
