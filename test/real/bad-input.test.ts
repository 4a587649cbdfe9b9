/**
 * What users and the world get wrong, against a real server: each has its status, its error type and a
 * message that says what to do, the server goes on, and a container keeps what it had.
 */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { calls, says } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import {
  CODE_EXECUTION,
  NATIVE,
  askMessages,
  post,
  toAnswered,
  toBody,
} from "../fixtures/messages-client.ts";
import { speakMessages, startModelServer } from "../fixtures/model-servers.ts";
import { startServeProcess } from "../fixtures/serve-process.ts";
import { startServer, type TestServer } from "./server.ts";

const director = createDirector();
let server: TestServer;
/** A container with a variable that every test adds one to. */
let container: string;
let kept = 0;

beforeAll(async () => {
  server = await startServer({
    provider: director.provider,
    env: { CURTA_ATTACHMENT_MB: "1", CURTA_REQUEST_MB: "4", CURTA_LOG: "silent" },
  });
  const { message } = await runCode("kept = 0");
  container = message.container!.id;
});

afterAll(() => server?.close());

afterEach(proveNothingLost);

/** The server answers, and the container remembers. */
async function proveNothingLost(): Promise<void> {
  kept += 1;
  const { message } = await runCode("kept += 1\nprint('kept', kept)", { container });
  expect(message.content[1]).toMatchObject({ text: `kept ${kept}` });
}

const USER = { role: "user", content: "Please." };

function runCode(code: string, fields: object = {}, headers: Record<string, string> = {}) {
  director.play([[calls("code_execution", { code })], [says("Done.")]]);
  return askMessages(server.url, { messages: [USER], ...fields }, headers);
}

function csvDocument(title: string | undefined, data: string): object {
  const source = { type: "base64", media_type: "text/csv", data };
  return { type: "document", source, ...(title === undefined ? {} : { title }) };
}

function image(data: string): object {
  return { type: "image", source: { type: "base64", media_type: "image/png", data } };
}

function withContent(...content: object[]): object {
  return { messages: [{ role: "user", content }] };
}

interface BadRequest {
  name: string;
  /** The whole body, or what is different from a good one; undefined leaves a field out. */
  body: string | object;
  headers?: Record<string, string>;
  status: number;
  type: string;
  says: RegExp;
}

const INVALID = { status: 400, type: "invalid_request_error" };
const use = { type: "tool_use", id: "toolu_1", name: "f", input: {} };
const result = { type: "tool_result", tool_use_id: "toolu_1", content: "1" };

const BAD_REQUESTS: BadRequest[] = [
  { name: "malformed JSON", body: '{"model": "m",', ...INVALID, says: /not valid JSON/ },
  { name: "no body", body: "", ...INVALID, says: /not valid JSON/ },
  { name: "a list", body: "[]", ...INVALID, says: /JSON object/ },
  {
    name: "a form post",
    body: "model=m",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    ...INVALID,
    says: /content-type: application\/json/,
  },
  {
    name: "a compressed body",
    body: {},
    headers: { "content-encoding": "gzip" },
    ...INVALID,
    says: /content-encoding: gzip/,
  },
  {
    name: "messages without content",
    body: { messages: [{ role: "user", content: "" }] },
    ...INVALID,
    says: /^messages: .*non-empty content/,
  },
  {
    name: "a page of another origin",
    body: {},
    headers: { origin: "https://evil.example" },
    status: 403,
    type: "permission_error",
    says: /origin/i,
  },
  {
    name: "no max_tokens",
    body: { max_tokens: undefined },
    ...INVALID,
    says: /^max_tokens: Field required$/,
  },
  { name: "no model", body: { model: undefined }, ...INVALID, says: /^model: Field required$/ },
  {
    name: "no messages",
    body: { messages: undefined },
    ...INVALID,
    says: /^messages: Field required$/,
  },
  { name: "empty messages", body: { messages: [] }, ...INVALID, says: /^messages: .*at least 1/ },
  {
    name: "max_tokens of 0",
    body: { max_tokens: 0 },
    ...INVALID,
    says: /^max_tokens: .*equal to 1/,
  },
  {
    name: "max_tokens as text",
    body: { max_tokens: "9" },
    ...INVALID,
    says: /^max_tokens: .*valid number/,
  },
  {
    name: "an unknown role",
    body: { messages: [{ role: "robot", content: "x" }] },
    ...INVALID,
    says: /^messages\.0\.role: .*'user'/,
  },
  {
    name: "no content",
    body: { messages: [{ role: "user" }] },
    ...INVALID,
    says: /^messages\.0\.content: Field required/,
  },
  {
    name: "an unknown block",
    body: withContent({ type: "hologram" }),
    ...INVALID,
    says: /^messages\.0\.content\.0.*hologram/,
  },
  {
    name: "an unknown version of the tool",
    body: { tools: [{ type: "code_execution_20991231", name: "code_execution" }] },
    ...INVALID,
    says: /^tools\.0: .*code_execution_20991231.*not a known.*'code_execution_20250522'/,
  },
  {
    name: "a version that is not here yet",
    body: { tools: [{ type: "computer_20250124", name: "computer" }] },
    ...INVALID,
    says: /computer_20250124.*not available.*'code_execution_20250522'/,
  },
  {
    name: "a tool of the Messages API that is not here",
    body: { tools: [CODE_EXECUTION, { type: "computer_20250124", name: "computer" }] },
    ...INVALID,
    says: /^tools\.1: .*computer_20250124.*not available on this server/,
  },
  {
    name: "another name for the tool",
    body: { tools: [{ ...CODE_EXECUTION, name: "python" }] },
    ...INVALID,
    says: /^tools\.0\.name: .*'code_execution'/,
  },
  {
    name: "a tool without a schema",
    body: { tools: [{ name: "f" }] },
    ...INVALID,
    says: /^tools\.0\.input_schema: Field required/,
  },
  {
    name: "a tool twice",
    body: { tools: [CODE_EXECUTION, CODE_EXECUTION] },
    ...INVALID,
    says: /unique/,
  },
  {
    name: "a choice that is not there",
    body: { tool_choice: { type: "tool", name: "f" } },
    ...INVALID,
    says: /'f' not found/,
  },
  {
    name: "broken base64",
    body: withContent(csvDocument("a.csv", "bmFt*ZSx")),
    ...INVALID,
    says: /^messages\.0\.content\.0\.source\.data: .*valid base64.*"\*" at position 4/,
  },
  {
    name: "base64 cut off",
    body: withContent(csvDocument("a.csv", "bmFtZ")),
    ...INVALID,
    says: /valid base64.*cut off/,
  },
  {
    name: "an attachment too large",
    body: withContent(csvDocument("a.csv", Buffer.alloc(1_200_000, 65).toString("base64"))),
    status: 413,
    type: "request_too_large",
    says: /^messages\.0\.content\.0.*1 MiB/,
  },
  {
    name: "a request too large",
    body: withContent({ type: "text", text: "x".repeat(5_000_000) }),
    status: 413,
    type: "request_too_large",
    says: /4 MiB \(.*request/i,
  },
  {
    name: "JSON nested too deeply",
    body: `{"messages":${"[".repeat(5000)}${"]".repeat(5000)}}`,
    ...INVALID,
    says: /nested/,
  },
  {
    name: "10,001 messages",
    body: { messages: Array.from({ length: 10_001 }, () => USER) },
    ...INVALID,
    says: /^messages: List should have at most 10000 items$/,
  },
  {
    name: "10,001 blocks in a message",
    body: withContent(...Array.from({ length: 10_001 }, () => ({ type: "text", text: "x" }))),
    ...INVALID,
    says: /^messages\.0\.content: List should have at most 10000 items$/,
  },
  {
    name: "50,001 blocks in all",
    body: {
      messages: Array.from({ length: 10_000 }, () => ({
        role: "user",
        content: Array.from({ length: 6 }, () => ({ type: "text", text: "x" })),
      })),
    },
    ...INVALID,
    says: /^messages: There are more than 50000 content blocks\.$/,
  },
  {
    name: "513 tools",
    body: {
      tools: Array.from({ length: 513 }, (_, n) => ({ name: `f${n}`, input_schema: {} })),
    },
    ...INVALID,
    says: /^tools: List should have at most 512 items$/,
  },
  {
    name: "65 stop sequences",
    body: { stop_sequences: Array.from({ length: 65 }, String) },
    ...INVALID,
    says: /^stop_sequences: List should have at most 64 items$/,
  },
  {
    name: "a schema nested too deeply",
    body: {
      tools: [{ name: "f", input_schema: JSON.parse(`${'{"a":'.repeat(120)}1${"}".repeat(120)}`) }],
    },
    ...INVALID,
    says: /nested more than 100 levels/,
  },
  {
    name: "101 images",
    body: withContent(...Array.from({ length: 101 }, () => image("AAAA"))),
    ...INVALID,
    says: /100 images at most/,
  },
  {
    name: "an image too large",
    body: withContent(image("AAAA".repeat(400_000))),
    status: 413,
    type: "request_too_large",
    says: /^messages\.0\.content\.0/,
  },
  {
    name: "a use without a result",
    body: { messages: [USER, { role: "assistant", content: [use] }, USER] },
    ...INVALID,
    says: /without `tool_result` blocks.*toolu_1/,
  },
  {
    name: "a result without a use",
    body: withContent(result),
    ...INVALID,
    says: /unexpected `tool_use_id`.*toolu_1/,
  },
  {
    name: "code left unanswered, and no tool to run it",
    body: {
      tools: [],
      messages: [
        USER,
        {
          role: "assistant",
          content: [
            {
              type: "server_tool_use",
              id: "srvtoolu_1",
              name: "code_execution",
              input: { code: "1" },
            },
          ],
        },
      ],
    },
    ...INVALID,
    says: /no `code_execution` tool was provided/,
  },
  {
    name: "an unknown container",
    body: { container: "container_gone" },
    status: 404,
    type: "not_found_error",
    says: /container_gone/,
  },
  {
    name: "skills",
    body: { container: { skills: [{ type: "anthropic", skill_id: "pptx" }] } },
    ...INVALID,
    says: /skills/,
  },
  {
    name: "an unknown file",
    body: withContent({ type: "container_upload", file_id: "file_gone" }),
    status: 404,
    type: "not_found_error",
    says: /file_gone/,
  },
  {
    name: "an MCP server",
    body: { mcp_servers: [{ url: "https://mcp.example" }] },
    ...INVALID,
    says: /MCP/,
  },
  { name: "a thread", body: { thread: { type: "create" } }, ...INVALID, says: /thread/ },
];

test.each(BAD_REQUESTS)("$name", async ({ body, headers, status, type, says: words }) => {
  director.play([[says("This must not be asked.")]]);
  for (const stream of typeof body === "string" ? [false] : [false, true]) {
    const text =
      typeof body === "string"
        ? body
        : JSON.stringify(toBody({ messages: [USER], stream, ...body }));
    const answer = await toAnswered(await post(server.url, text, headers));
    expect(answer.status).toBe(status);
    expect(answer.message).toMatchObject({ type: "error" });
    expect(answer.error?.type).toBe(type);
    expect(answer.error?.message).toMatch(words);
    const { request_id } = answer.message as unknown as { request_id: string };
    expect(request_id).toMatch(/^req_/);
    expect(answer.headers.get("request-id")).toBe(request_id);
  }
  expect(director.asked).toEqual([]);
});

test("a body that is not UTF-8, a wrong method, a path that is not there", async () => {
  const headers = { "content-type": "application/json" };
  const binary = await fetch(`${server.url}/v1/messages`, {
    method: "POST",
    headers,
    body: new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
  });
  expect(binary.status).toBe(400);
  const wrongMethod = await fetch(`${server.url}/v1/messages`);
  expect(wrongMethod.status).toBe(405);
  expect(wrongMethod.headers.get("allow")).toContain("POST");
  const nowhere = await fetch(`${server.url}/v1/mesages`, { method: "POST", headers, body: "{}" });
  expect(nowhere.status).toBe(404);
  for (const response of [binary, wrongMethod, nowhere]) {
    const { type, error } = (await response.json()) as { type: string; error: { message: string } };
    expect(type).toBe("error");
    expect(error.message.length).toBeGreaterThan(15);
  }
});

test("hostile titles become harmless names, none is lost, and no other place is written", async () => {
  const titles: [title: string | undefined, name: string][] = [
    ["../../etc/passwd", "passwd"],
    ["/etc/shadow", "shadow"],
    ["..\\..\\windows\\win.ini", "win.ini"],
    ["", "document.csv"],
    [undefined, "document-2.csv"],
    ["..", "document-3.csv"],
    ["data.csv", "data.csv"],
    ["data.csv", "data-2.csv"],
    [".bashrc", "bashrc"],
    ["-rf", "rf"],
    ["a\u0000b\n.csv", "ab.csv"],
    ["evil\u202Evsc.exe", "evilvsc.exe"],
    ["تقرير المبيعات.csv", "تقرير المبيعات.csv"],
    [`${"x".repeat(500)}.csv`, `${"x".repeat(196)}.csv`],
  ];
  const documents = titles.map(([title], index) =>
    csvDocument(title, Buffer.from(`row ${index}`).toString("base64")),
  );
  const { message } = await runCode(
    "import json, os\nprint(json.dumps({n: open(n).read() for n in os.listdir()}), open('/etc/passwd').read().count('row'))",
    withContent(...documents),
  );
  const { text } = message.content.find(({ type }) => type === "code_execution_result") as {
    text: string;
  };
  const [json, count] = [text.slice(0, text.lastIndexOf("}") + 1), text.slice(-1)];
  expect(JSON.parse(json)).toEqual(
    Object.fromEntries(titles.map(([, name], index) => [name, `row ${index}`])),
  );
  expect(count).toBe("0");
});

test("a client that goes away while code runs: the code is stopped, the container stays", async () => {
  const code = "import time\ngone = 'begun'\ntime.sleep(25)\ngone = 'ended'";
  director.play([[calls("code_execution", { code })], [says("Never said.")]]);
  const leave = new AbortController();
  const fields = { messages: [USER], container, stream: true };
  const response = await post(server.url, JSON.stringify(toBody(fields)), {}, leave.signal);
  let text = "";
  const reading = (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes("event: content_block_stop")) leave.abort();
    }
  })();
  await expect(reading).rejects.toThrow("aborted");

  const startedMs = performance.now();
  const { message } = await runCode("print(globals().get('gone', 'not begun'))", { container });
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect(JSON.stringify(message.content)).toMatch(/"text":"(not )?begun"/);
});

test("a client that goes away while the model thinks: the model's server is let go", async () => {
  const asked = Promise.withResolvers<void>();
  const given = Promise.withResolvers<void>();
  director.play([
    [
      async (signal) => {
        asked.resolve();
        await new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
        given.resolve();
      },
    ],
  ]);
  const leave = new AbortController();
  const answer = post(server.url, JSON.stringify(toBody({ messages: [USER] })), {}, leave.signal);
  await asked.promise;
  leave.abort();
  await expect(answer).rejects.toThrow("aborted");
  await given.promise;
});

test("two requests on one container at once run one after the other, and both are answered", async () => {
  director.play((request, index) =>
    request.messages.at(-1)?.content[0]?.type === "tool_result"
      ? [says("Done.")]
      : [
          calls("code_execution", {
            code: `import time\nseen = kept\ntime.sleep(0.3)\nprint('steps', kept - seen, ${index} >= 0)`,
          }),
        ],
  );
  const both = await Promise.all(
    [1, 2].map(() => askMessages(server.url, { messages: [USER], container })),
  );
  for (const { status, message } of both) {
    expect(status).toBe(200);
    expect(JSON.stringify(message.content)).toContain('"text":"steps 0 True"');
    expect(message.container?.id).toBe(container);
  }
});

test("code that crashes, floods or never ends is told to the model, and the session lives", async () => {
  const { message } = await runCode("import ctypes\nctypes.string_at(0)", { container });
  expect(message.content.at(-2)).toMatchObject({
    is_error: true,
    text: expect.stringContaining("segmentation fault"),
  });
  const flood = await runCode("while True: print('x' * 10_000)", {
    container: (await runCode("pass")).message.container!.id,
    max_tokens: 100,
  });
  expect(flood.status).toBe(200);
  expect(JSON.stringify(flood.message.content)).toMatch(/left out/);
});

describe("a full disk", () => {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot)
    console.warn("SKIPPED: a full disk is tested with a tmpfs, which only root can mount.");

  test.skipIf(!isRoot)("is said plainly; answers and containers stay", async () => {
    await using model = await startModelServer();
    const data = await mkdtemp(join(tmpdir(), "curta-full-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", data]);
    try {
      await using curta = await startServeProcess({
        CURTA_UPSTREAM_URL: model.url,
        CURTA_UPSTREAM_API: "anthropic",
        CURTA_DATA: data,
      });
      const run = (code: string, fields: object = {}, headers = {}) => {
        model.play(
          speakMessages(({ lastOutput }) =>
            lastOutput === null ? [calls("code_execution", { code })] : [says("Done.")],
          ),
        );
        return askMessages(curta.url, { messages: [USER], ...fields }, headers);
      };
      const upload = (bytes: number): Promise<Response> => {
        const form = new FormData();
        form.set("file", new File([new Uint8Array(bytes)], "big.bin"));
        return fetch(`${curta.url}/v1/files`, { method: "POST", body: form });
      };
      const first = await run("kept = 41");
      const big = await upload(4_000_000);
      expect(big.status).toBe(507);
      expect(await big.json()).toMatchObject({
        error: { type: "api_error", message: expect.stringMatching(/full|space/) },
      });
      // Fill what is left, so that nothing more can be kept.
      for (const bytes of [400_000, 100_000, 20_000, 4_000]) {
        for (let round = 0; round < 10; round += 1) {
          if ((await upload(bytes)).status !== 200) break;
        }
      }
      const id = first.message.container!.id;
      const chart =
        "kept += 1\nprint('kept', kept)\nimport matplotlib.pyplot as plt\nl = plt.plot([1])";
      const lesson = await run(chart, { container: id });
      expect(lesson.status).toBe(200);
      expect(JSON.stringify(lesson.message.content)).toContain('"text":"kept 42"');
      expect(JSON.stringify(lesson.message.content)).toContain("image/png");

      // Native charts are files, which cannot be kept now: the output is still there, and says so.
      const native = await run(chart, { container: id }, NATIVE);
      expect(native.status).toBe(200);
      const text = JSON.stringify(native.message.content);
      expect(text).toContain("kept 43");
      expect(text).toMatch(/could not be kept/);
      expect((await fetch(`${curta.url}/healthz`)).status).toBe(200);
      curta.kill("SIGTERM");
      expect(await curta.ended).toBe(0);
    } finally {
      execFileSync("umount", ["-l", data]);
      await rm(data, { recursive: true, force: true });
    }
  });
});
