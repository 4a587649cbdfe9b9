import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "vitest";

import { createTestApp } from "../../test/support/test-app.ts";
import type { TestApp } from "../../test/support/test-app.ts";
import { createTestIo } from "../../test/support/test-io.ts";

import { listen } from "../http/server.ts";
import { createLog } from "../telemetry/log.ts";
import { runCli } from "./program.ts";

test("run uses the server that listens, prints as it comes, saves files and leaves no container", async () => {
  await using app = await createTestApp();
  await using io = await createTestIo();
  await using port = await serve(app);
  await writeFile(
    join(io.folder, "p.py"),
    "print one\nwarn two\nshow three\nfile table.csv\nfile table.csv",
  );
  await writeFile(join(io.folder, "in put.csv"), "x");
  expect(
    await runCli(
      ["run", "p.py", "--attach", "in put.csv", "--timeout-seconds", "7", ...port.flags],
      io,
    ),
  ).toBe(0);
  expect(io.out()).toBe("one\nthree\n");
  expect(io.err()).toBe("two\nSaved table.csv\nSaved table-2.csv\n");
  expect(await readFile(join(io.folder, "table-2.csv"), "utf8")).toBe("a,b\n");
  expect(app.containers.executed[0]?.timeoutMs).toBe(7000);
  expect(app.containers.list()).toEqual([]);
});

test("run --json prints the execution and what was saved, and nothing else", async () => {
  await using app = await createTestApp();
  await using io = await createTestIo();
  await using port = await serve(app);
  await writeFile(join(io.folder, "p.py"), "print one\nfile table.csv");
  expect(await runCli(["run", "p.py", "--json", ...port.flags], io)).toBe(0);
  expect(JSON.parse(io.out())).toMatchObject({
    type: "execution",
    status: "ok",
    stdout: "one\n",
    saved: ["table.csv"],
  });
  expect(io.err()).toBe("");
});

test("an interrupt stops the program and deletes its container", async () => {
  await using app = await createTestApp();
  await using io = await createTestIo();
  await using port = await serve(app);
  await writeFile(join(io.folder, "p.py"), "print one\nwait");
  const waiting = once(app.containers.events, "waiting");
  const stopped = once(app.containers.events, "stopped");
  const running = runCli(["run", "p.py", ...port.flags], io);
  await waiting;
  io.interrupt();
  await stopped;
  expect(await running).toBe(130);
  expect(app.containers.list()).toEqual([]);
});

test("ask prints text, code and output in order, and saves charts", async () => {
  const received: unknown[] = [];
  await using app = await createTestApp({
    messages: async (request) => {
      received.push(await request.json(), request.headers.get("anthropic-beta"));
      const { data } = (await (await app.send("GET", "/v1/files")).json()) as {
        data: { id: string }[];
      };
      return toStream([
        { type: "content_block_start", content_block: { type: "text", text: "" } },
        {
          type: "content_block_delta",
          delta: { type: "text_delta", text: "Let me \u001b[31mcompute." },
        },
        { type: "content_block_stop" },
        {
          type: "content_block_start",
          content_block: { type: "server_tool_use", id: "s", name: "code_execution", input: {} },
        },
        {
          type: "content_block_delta",
          delta: { type: "input_json_delta", partial_json: '{"code":"x = 1\\n' },
        },
        { type: "content_block_delta", delta: { type: "input_json_delta", partial_json: 'x"}' } },
        { type: "content_block_stop" },
        {
          type: "content_block_start",
          content_block: {
            type: "code_execution_tool_result",
            content: {
              type: "code_execution_result",
              stdout: "1\n",
              stderr: "",
              return_code: 0,
              content: [{ file_id: data[0]!.id }],
            },
          },
        },
        { type: "content_block_stop" },
        { type: "content_block_start", content_block: { type: "text", text: "" } },
        { type: "content_block_delta", delta: { type: "text_delta", text: "It is 1." } },
        { type: "content_block_stop" },
        { type: "message_stop" },
      ]);
    },
  });
  await using io = await createTestIo();
  await using port = await serve(app);
  await makeFile(app, "../.chart.png");
  await writeFile(join(io.folder, "d.csv"), "a\n1\n");
  await writeFile(join(io.folder, "i.png"), "png");
  const args = ["ask", "How much?", "--attach", "d.csv", "--attach", "i.png", ...port.flags];
  expect([await runCli(args, io), io.err()]).toEqual([0, ""]);
  expect(io.out()).toBe(
    "Let me \u241b[31mcompute.\n\n  x = 1\n  x\n\n1\nSaved chart.png\n\nIt is 1.\n",
  );
  expect(received).toMatchObject([
    {
      stream: true,
      tools: [{ type: "code_execution_20250522", name: "code_execution" }],
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "How much?" },
            {
              type: "document",
              title: "d.csv",
              source: { type: "base64", media_type: "text/csv", data: "YQoxCg==" },
            },
            { type: "image", source: { media_type: "image/png" } },
          ],
        },
      ],
    },
    "code-execution-2025-05-22",
  ]);
  expect((await readdir(io.folder)).toSorted()).toEqual(["chart.png", "d.csv", "i.png"]);
});

test.each<[string, () => Promise<Response>, string]>([
  [
    "an error before the answer",
    async () => Promise.reject(new Error("secret")),
    "Something went wrong inside Curta; its log has the detail under req_",
  ],
  [
    "an error in mid-answer",
    async () => toStream([{ type: "error", error: { message: "The model is gone." } }]),
    "The model is gone.",
  ],
])("ask tells %s in a sentence and fails", async (_name, messages, sentence) => {
  await using app = await createTestApp({ messages });
  await using io = await createTestIo();
  await using port = await serve(app);
  expect(await runCli(["ask", "x", ...port.flags], io)).toBe(1);
  expect(io.err()).toMatch(/^curta: .*\n$/);
  expect(io.err()).toContain(sentence);
});

test("ask uses the first of the keys", async () => {
  await using app = await createTestApp({
    config: { apiKeys: "one,two" },
    messages: async () => toStream([]),
  });
  await using io = await createTestIo();
  await using port = await serve(app);
  expect(await runCli(["ask", "x", "--api-keys", "two", ...port.flags], io)).toBe(0);
  expect(await runCli(["ask", "x", "--api-keys", "three", ...port.flags], io)).toBe(1);
  expect(io.err()).toMatch(
    /^curta: The server at http:\S+ does not take this key; set CURTA_API_KEYS to one of its keys\.\n$/,
  );
  await using without = await createTestIo();
  expect(await runCli(["ask", "x", ...port.flags], without)).toBe(1);
  expect(without.err()).toMatch(
    /^curta: The server at http:\S+ wants a key; set CURTA_API_KEYS to one of its keys\.\n$/,
  );
});

async function serve(app: TestApp): Promise<AsyncDisposable & { flags: string[] }> {
  const config = { ...app.config, shutdownSeconds: 1 };
  const server = await listen(app.app.fetch, config, app.inFlight, createLog({ log: "silent" }));
  return {
    flags: ["--port", new URL(server.url).port],
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

async function makeFile(app: TestApp, name: string): Promise<void> {
  await app.send("POST", "/v1/containers");
  const answer = await app.send("POST", "/v1/containers/container_1/execute", {
    json: { code: `file ${name}` },
  });
  expect(answer.status).toBe(200);
}

function toStream(events: { type: string; [key: string]: unknown }[]): Response {
  const text = events
    .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join("");
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}
