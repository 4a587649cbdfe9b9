/**
 * A file that code made, fetched by its id, with the official TypeScript SDK.
 *
 *     node examples/spreadsheet.ts
 *
 * With the tool's beta header the answer has the hosted tool's own blocks: charts and files are ids of the
 * Files API. Without the header (see chart.ts) charts are in the answer and other files stay in the sandbox.
 */
import { writeFile } from "node:fs/promises";

import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({
  baseURL: process.env.ANTHROPIC_BASE_URL ?? "http://127.0.0.1:4242",
  apiKey: process.env.ANTHROPIC_API_KEY ?? "any",
});

const message = await client.beta.messages.create({
  betas: ["code-execution-2025-05-22"],
  model: "claude-sonnet-4-20250514",
  max_tokens: 4096,
  tools: [{ type: "code_execution_20250522", name: "code_execution" }],
  messages: [
    {
      role: "user",
      content:
        "Compute the squares of 1 to 10 with pandas and save them as squares.xlsx in the folder named by $OUTPUT_DIR.",
    },
  ],
});

let saved = 0;
for (const block of message.content) {
  if (block.type === "text") console.log(block.text);
  if (block.type !== "code_execution_tool_result") continue;
  const { content } = block;
  if (content.type !== "code_execution_result") continue;
  for (const { file_id: id } of content.content) {
    const { filename } = await client.beta.files.retrieveMetadata(id);
    const file = await client.beta.files.download(id);
    await writeFile(filename, Buffer.from(await file.arrayBuffer()));
    console.log(`Saved ${filename}`);
    saved += 1;
  }
}
if (saved === 0) {
  console.error("The code left no file.");
  process.exitCode = 1;
}
