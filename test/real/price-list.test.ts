/** The price list applied to the lesson's requests, as docs/reference/price-list.md shows it. */
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";

import { renderTable } from "../../src/cli/reference.ts";
import { ScriptedProvider } from "../../src/providers/scripted.ts";
import { knownGoodScript } from "../fixtures/known-good-model.ts";
import { askMessages } from "../fixtures/messages-client.ts";
import { LESSON_REQUESTS } from "./requests.ts";
import { startServer, type TestServer } from "./server.ts";

const PAGE = new URL("../../docs/reference/price-list.md", import.meta.url);

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

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider(knownGoodScript) });
});
afterAll(() => server.close());

test("each of the lesson's requests counts as the page says", async () => {
  const rows: string[][] = [];
  for (const { name, content } of LESSON_REQUESTS) {
    const { message } = await askMessages(server.url, { messages: [{ role: "user", content }] });
    const usage = message.usage as unknown as Usage;
    const { curta } = usage;
    const sum = (read: (one: Usage["curta"]["executions"][number]) => number): number =>
      curta.executions.reduce((total, one) => total + read(one), 0);
    const code = sum((one) => one.code_tokens);
    const results = sum((one) => one.result_tokens);
    const images = sum((one) => one.image_tokens);
    expect(curta).toMatchObject({
      code_execution_is_free: false,
      billed_input_tokens: usage.input_tokens + code,
      billed_output_tokens: usage.output_tokens + results + images,
    });
    rows.push([name, code, results, images, code, results + images].map(String));
  }
  const page = render(rows);
  if (process.env.UPDATE === "1") await writeFile(PAGE, page);
  expect(await readFile(PAGE, "utf8"), "run with UPDATE=1 to write it").toBe(page);
});

function render(rows: string[][]): string {
  return `<!-- Generated: \`UPDATE=1 npm test -- test/real/price-list.test.ts\` writes it anew. -->

# The price list, applied to the tutorial's requests

What the executions add to the tokens that the model itself reads and writes, with the default settings
(\`CURTA_BILLING=lesson\`, \`CURTA_IMAGE_PIXELS_PER_TOKEN=750\`) and a program that is known to be good. With web search
among the request's tools the last two columns are 0. [Usage and prices](../usage-and-prices.md) explains the list.

${renderTable(
  ["Request", "Code", "Results", "Images", "Added to input", "Added to output"],
  rows,
)}`;
}
