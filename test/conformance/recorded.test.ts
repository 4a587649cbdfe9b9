/**
 * Streams as the hosted API was recorded to send them (`test/fixtures/recorded`, shortened): the kit's
 * schemas take them, Curta takes their messages back, and makes the same of the same samplings.
 */
import { readFile, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { foldStream, readStream, type FoldedStream } from "../../src/conformance/stream.ts";
import { says } from "../../src/providers/scripted.ts";
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
    const answers = message.content.flatMap((block) =>
      block.type === "tool_use"
        ? { type: "tool_result", tool_use_id: block.id, content: "42" }
        : [],
    );
    director.play([[says("I have read it.")]]);
    const answer = await fetch(`${server.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "claude-sonnet-4-6",
        max_tokens: 1024,
        messages: [
          { role: "user", content: "Go." },
          { role: "assistant", content: message.content },
          { role: "user", content: [...answers, { type: "text", text: "Did you read it?" }] },
        ],
      }),
    });
    expect(await answer.json()).toMatchObject({
      content: [{ type: "text", text: "I have read it." }],
    });
  });
});
