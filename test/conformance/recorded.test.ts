/**
 * Streams as the hosted API was recorded to send them (`test/fixtures/recorded`, shortened): the kit's
 * schemas take them, Curta takes their messages back, and makes the same of the same samplings.
 */
import { readFile, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  foldStream,
  readStream,
  type FoldedStream,
  type StreamEvent,
} from "../../src/conformance/stream.ts";
import { calls, says, thinks } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import { startServer, type TestServer } from "../real/server.ts";

const FOLDER = new URL("../fixtures/recorded/", import.meta.url);
const names = (await readdir(fileURLToPath(FOLDER))).map((name) => name.replace(/\.sse$/, ""));

const director = createDirector();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ provider: director.provider });
});

afterAll(() => server?.close());

async function readRecording(name: string): Promise<FoldedStream> {
  const text = await readFile(new URL(`${name}.sse`, FOLDER), "utf8");
  return foldStream(await readStream(new Response(text).body!));
}

test("there are recordings", () => {
  expect(names.length).toBeGreaterThan(6);
});

describe.each(names)("%s", (name) => {
  test("the kit takes it", async () => {
    const { message } = await readRecording(name);
    expect(message.content.length).toBeGreaterThan(0);
    expect(message.stop_reason).not.toBeNull();
  });

  test("Curta takes its message back", async () => {
    const { message } = await readRecording(name);
    const uses = message.content.filter((block) => block.type === "tool_use");
    const answers = uses.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "42" }));
    // Code that waits for the client gets nothing but answers; all else is asked one thing more.
    const isWaiting =
      message.content.some(({ type }) => type === "server_tool_use") && uses.length > 0;
    director.play([[says("I have read it.")]]);
    const answer = await fetch(`${server.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "claude-sonnet-4-6",
        max_tokens: 1024,
        tools: isWaiting ? TOOLS : [],
        messages: [
          { role: "user", content: "Go." },
          { role: "assistant", content: message.content },
          {
            role: "user",
            content: isWaiting ? answers : [...answers, { type: "text", text: "Did you read it?" }],
          },
        ],
      }),
    });
    const told = (await answer.json()) as unknown;
    if (isWaiting) {
      // The code runs in a container of the hosted API; the refusal is that API's own sentence.
      expect(told).toMatchObject({
        error: { message: expect.stringContaining("container_id is required") },
      });
    } else {
      expect(told).toMatchObject({ content: [{ type: "text", text: "I have read it." }] });
    }
  });
});

const TOOLS = [
  { type: "code_execution_20260120", name: "code_execution" },
  {
    name: "query_database",
    input_schema: { type: "object", properties: { sql: { type: "string" } } },
    allowed_callers: ["code_execution_20260120"],
  },
];

/** What the recordings of plain turns were made with: what the model said, and what the tools printed. */
test("Curta makes the same events of the same samplings", async () => {
  const { events } = await readRecording("bash-20260120");
  const recorded = foldStream(events).message;
  const use = recorded.content.find((block) => block.type === "server_tool_use");
  const texts = recorded.content.flatMap((block) => (block.type === "text" ? block.text : []));
  director.play([
    [
      thinks("Let me calculate", { signature: "EusB" }),
      says(texts[0]!),
      calls("bash_code_execution", use?.input ?? {}),
    ],
    [says(texts[1]!)],
  ]);
  const answer = await fetch(`${server.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: recorded.model,
      max_tokens: 1024,
      stream: true,
      tools: TOOLS.slice(0, 1),
      messages: [{ role: "user", content: "Calculate 65465-6544 * 65464-6+1.02255" }],
    }),
  });
  const made = await readStream(answer.body!);
  expect(toShape(made)).toEqual(toShape(events));
});

/** Order, kinds and fields; ids, times, words and counters are each server's own. */
function toShape(events: readonly StreamEvent[]): unknown[] {
  const shapes = events.flatMap((event): unknown[] => {
    switch (event.type) {
      case "ping":
        return [];
      case "message_start":
        return [{ type: event.type, fields: Object.keys(event.message).toSorted() }];
      case "content_block_start": {
        const { type, name, content } = event.content_block;
        const inner = content as { type?: string } | undefined;
        return [{ type: event.type, index: event.index, block: type, name, result: inner?.type }];
      }
      case "content_block_delta":
        // How often a model's words come is the model's.
        return "partial_json" in event.delta && event.delta.partial_json === ""
          ? []
          : [{ type: event.type, index: event.index, delta: event.delta.type }];
      case "message_delta":
        return [{ type: event.type, delta: Object.keys(event.delta).toSorted() }];
      default:
        return [event];
    }
  });
  return shapes.filter((shape, n) => JSON.stringify(shape) !== JSON.stringify(shapes[n - 1]));
}
