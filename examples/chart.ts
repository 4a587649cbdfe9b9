/**
 * A chart from a CSV file, with the official TypeScript SDK. Only the base URL and the key are changed.
 *
 *     node examples/chart.ts
 *
 * The file travels inside the request; code in the sandbox finds it in its working folder. Charts come back
 * in the answer, and are saved in the folder where this is run.
 */
import { writeFile } from "node:fs/promises";

import Anthropic from "@anthropic-ai/sdk";

/** The block that carries a result in the answer; the SDK's types do not know it. */
interface ResultBlock {
  type: "code_execution_result";
  output: { type: "text"; text: string } | { type: "image"; media_type: string; data: string };
  is_error: boolean;
}

const SALES = "month,sales\nJanuary,50000\nFebruary,62000\nMarch,45000\nApril,71000\n";

const client = new Anthropic({
  baseURL: process.env.ANTHROPIC_BASE_URL ?? "http://127.0.0.1:4242",
  apiKey: process.env.ANTHROPIC_API_KEY ?? "any",
});

const message = await client.messages.create({
  model: "claude-sonnet-4-20250514",
  max_tokens: 4096,
  tools: [{ type: "code_execution_20250522", name: "code_execution" }],
  messages: [
    {
      role: "user",
      content: [
        { type: "text", text: "Draw a bar chart of the sales by month, and print their sum." },
        {
          type: "document",
          title: "sales.csv",
          source: { type: "text", media_type: "text/plain", data: SALES },
        },
      ],
    },
  ],
});

let charts = 0;
for (const block of message.content as (Anthropic.ContentBlock | ResultBlock)[]) {
  if (block.type === "text") console.log(block.text);
  if (block.type !== "code_execution_result") continue;
  if (block.output.type === "text") console.log(block.output.text);
  else {
    const name = `sales-${(charts += 1)}.png`;
    await writeFile(name, Buffer.from(block.output.data, "base64"));
    console.log(`Saved ${name}`);
  }
}
if (charts === 0) {
  console.error("The answer has no chart.");
  process.exitCode = 1;
}
