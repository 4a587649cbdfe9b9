/**
 * `curta ask`: one question to the model, with files, answered in the terminal.
 *
 * It is an ordinary client of the Messages API and asks for the native rendering, in which charts and
 * files are ids of the Files API, so that both can be saved.
 */
import { z } from "zod";

import type { Config } from "../config.ts";
import { readLocalFile, toContentBlock } from "./attachments.ts";
import type { LocalFile } from "./attachments.ts";
import { connect } from "./client.ts";
import type { Client } from "./client.ts";
import { readEvents } from "./events.ts";
import type { Io } from "./io.ts";
import { saveFile } from "./save-file.ts";
import { readConfig } from "./settings.ts";
import { dim, toPrintable } from "./terminal.ts";

const HEADERS = {
  "anthropic-version": "2023-06-01",
  "anthropic-beta": "code-execution-2025-05-22",
};
const MAX_TOKENS = 8192;

const Block = z.looseObject({ type: z.string() });
const Delta = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  thinking: z.string().optional(),
  partial_json: z.string().optional(),
});
const Result = z.object({
  content: z.looseObject({
    stdout: z.string().default(""),
    stderr: z.string().default(""),
    error_code: z.string().optional(),
    content: z.array(z.looseObject({ file_id: z.string().optional() })).catch([]),
  }),
});
const CodeInput = z.object({ code: z.string() });
const Message = z.looseObject({ content: z.array(Block) });

export async function ask(
  question: string,
  options: Record<string, unknown>,
  io: Io,
): Promise<number> {
  const config = readConfig(options, io);
  const files = await Promise.all(
    ((options.attach ?? []) as string[]).map((path) => readLocalFile(path, io.folder)),
  );
  await using client = await connect(config, io);
  const stream = !options.json;
  const answer = await client.send("POST", "/v1/messages", {
    json: toRequest(question, files, config, stream),
    headers: HEADERS,
  });
  if (stream) await showAnswer(answer, client, io);
  else await printMessage(answer, client, io);
  return 0;
}

export function toRequest(
  question: string,
  files: readonly LocalFile[],
  config: Pick<Config, "model">,
  stream: boolean,
) {
  return {
    model: config.model || "default",
    max_tokens: MAX_TOKENS,
    stream,
    tools: [{ type: "code_execution_20250522", name: "code_execution" }],
    messages: [
      { role: "user", content: [{ type: "text", text: question }, ...files.map(toContentBlock)] },
    ],
  };
}

/** Text as it comes; code, thinking and output when they are whole. */
export async function showAnswer(answer: Response, client: Client, io: Io): Promise<void> {
  let block: z.infer<typeof Block> = { type: "" };
  let input = "";
  let isBegun = false;
  let atLineStart = true;
  for await (const { event, data } of readEvents(answer)) {
    if (event === "content_block_start") {
      block = z.object({ content_block: Block }).parse(data).content_block;
      input = "";
      // A blank line before what begins something new; output stands right below its program.
      if (isBegun && block.type !== "code_execution_tool_result") print("\n");
      isBegun = true;
      if (block.type === "code_execution_tool_result") await showResult(block);
      if (typeof block.text === "string" && block.type === "text") print(block.text);
    } else if (event === "content_block_delta") {
      const { delta } = z.object({ delta: Delta }).parse(data);
      if (delta.type === "text_delta") print(delta.text ?? "");
      if (delta.type === "thinking_delta") print(delta.thinking ?? "", true);
      if (delta.type === "input_json_delta") input += delta.partial_json ?? "";
    } else if (event === "content_block_stop") {
      if (block.type === "server_tool_use")
        showCode(input === "" ? block.input : parseInput(input));
      endLine();
    }
  }
  endLine();

  function print(text: string, isAside = false): void {
    if (text === "") return;
    atLineStart = text.endsWith("\n");
    const printable = toPrintable(text);
    io.stdout.write(isAside ? dim(printable, io.stdout, io.env) : printable);
  }

  function endLine(): void {
    if (!atLineStart) print("\n");
  }

  function showCode(value: unknown): void {
    const code = CodeInput.safeParse(value);
    if (!code.success) return;
    endLine();
    const lines = code.data.code.trimEnd().split("\n");
    print(`${lines.map((line) => `  ${line}`.trimEnd()).join("\n")}\n\n`, true);
  }

  async function showResult(value: unknown): Promise<void> {
    const { content } = Result.parse(value);
    endLine();
    print(content.stdout);
    endLine();
    print(content.stderr, true);
    if (content.error_code !== undefined) print(`The tool failed: ${content.error_code}\n`, true);
    endLine();
    for (const name of await saveFiles(content.content, client, io)) print(`Saved ${name}\n`, true);
  }
}

/** For programs: the whole message, and under `saved` the names of what was saved. */
async function printMessage(answer: Response, client: Client, io: Io): Promise<void> {
  const message = Message.parse(await answer.json());
  const saved: string[] = [];
  for (const block of message.content) {
    if (block.type !== "code_execution_tool_result") continue;
    saved.push(...(await saveFiles(Result.parse(block).content.content, client, io)));
  }
  io.stdout.write(`${JSON.stringify({ ...message, saved }, null, 2)}\n`);
}

async function saveFiles(
  entries: readonly { file_id?: string | undefined }[],
  client: Client,
  io: Io,
): Promise<string[]> {
  const saved: string[] = [];
  for (const { file_id: id } of entries) {
    if (id === undefined) continue;
    const path = `/v1/files/${encodeURIComponent(id)}`;
    const { filename } = z
      .object({ filename: z.string() })
      .parse(await (await client.send("GET", path)).json());
    const content = await client.send("GET", `${path}/content`);
    saved.push(await saveFile(io.folder, filename, new Uint8Array(await content.arrayBuffer())));
  }
  return saved;
}

function parseInput(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // A turn that was cut at its token limit leaves half an input; there is no program to show then.
    return null;
  }
}
