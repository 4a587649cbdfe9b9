/**
 * Both official SDKs with every version of the tool, through each of their ways of asking: `messages` and
 * `beta.messages`, whole and streamed, in Python also asynchronous. Every way has the same blocks, files come out,
 * and the answer goes back whole with its container.
 */
import { fileURLToPath } from "node:url";

import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadConfig } from "../../src/config.ts";
import type { ModelEvent, ModelRequest } from "../../src/providers/provider.ts";
import { calls, says, thinks } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import { readJsonLines, runProgram } from "../fixtures/program.ts";
import { startServer, type TestServer } from "../real/server.ts";
import { ensurePythonClients, type PythonClients } from "./python-clients.ts";

const director = createDirector();
let server: TestServer;
let client: Anthropic;
let clients: PythonClients;

beforeAll(async () => {
  clients = await ensurePythonClients(loadConfig().cache);
  server = await startServer({ provider: director.provider });
  client = new Anthropic({ baseURL: server.url, apiKey: "any", maxRetries: 0 });
});

afterAll(() => server?.close());

const chunk = { chunk: 6 };
const path = "/tmp/page.css";
const python = (code: string): ModelEvent[] => calls("code_execution", { code }, chunk);
const bash = (command: string): ModelEvent[] => calls("bash_code_execution", { command }, chunk);
const edit = (input: Record<string, unknown>): ModelEvent[] =>
  calls("text_editor_code_execution", { path, ...input }, chunk);

const PYTHON = [
  python("print(6 * 7)"),
  python("1/0"),
  python('import os\nopen(os.environ["OUTPUT_DIR"] + "/a.csv", "w").write("a,b")'),
];
const SHELL = [
  bash('echo out; echo err >&2; echo a,b > "$OUTPUT_DIR/a.csv"; exit 3'),
  edit({ command: "create", file_text: "a {\n  x: 1;\n}\n" }),
  edit({ command: "view" }),
  edit({ command: "str_replace", old_str: "x", new_str: "y" }),
  edit({ command: "view", path: "/tmp/nowhere" }),
];

/** Whatever of these tools there is, once; then words. */
function play({ tools, messages }: ModelRequest): ModelEvent[][] {
  const hasRun = JSON.stringify(messages).includes("tool_result");
  if (hasRun) return [says("All done.", chunk)];
  const names = tools.map(({ name }) => name);
  return [
    thinks("Hm.", { chunk: 1 }),
    says("I begin.", chunk),
    ...(names.includes("code_execution") ? PYTHON : []),
    ...(names.includes("bash_code_execution") ? SHELL : []),
  ];
}

interface Block {
  type: string;
  text?: string;
  input?: unknown;
  content?: Record<string, unknown> | { file_id: string }[];
}

const OUT = { type: "code_execution_result", stdout: "42\n", stderr: "", return_code: 0 };
const PYTHON_CONTENTS = [
  { ...OUT, content: [] },
  {
    type: "code_execution_result",
    stderr: expect.stringContaining("ZeroDivisionError"),
    return_code: 1,
  },
  { type: "code_execution_result", content: [{ type: "code_execution_output" }] },
];
const SHELL_CONTENTS = [
  {
    type: "bash_code_execution_result",
    stdout: "out\n",
    stderr: "err\n",
    return_code: 3,
    content: [{ type: "bash_code_execution_output" }],
  },
  { type: "text_editor_code_execution_create_result", is_file_update: false },
  {
    type: "text_editor_code_execution_view_result",
    file_type: "text",
    content: "a {\n  x: 1;\n}",
    num_lines: 3,
    start_line: 1,
    total_lines: 3,
  },
  {
    type: "text_editor_code_execution_str_replace_result",
    old_start: 1,
    old_lines: 3,
    new_start: 1,
    new_lines: 3,
    lines: [" a {", "-  x: 1;", "+  y: 1;", " }"],
  },
  { type: "text_editor_code_execution_tool_result_error", error_code: "file_not_found" },
];

const VERSIONS = [
  ["code_execution_20250522", ["code-execution-2025-05-22"], PYTHON, PYTHON_CONTENTS],
  ["code_execution_20250825", ["code-execution-2025-08-25"], SHELL, SHELL_CONTENTS],
  ["code_execution_20260120", [], [...PYTHON, ...SHELL], [...PYTHON_CONTENTS, ...SHELL_CONTENTS]],
  ["code_execution_20260521", [], [...PYTHON, ...SHELL], [...PYTHON_CONTENTS, ...SHELL_CONTENTS]],
] as const;

/** Every use with its input, every result with its content, and words before and after. */
function judge(version: string, content: readonly Block[]): void {
  const [, , uses, contents] = VERSIONS.find(([type]) => type === version)!;
  const inputs = uses.map(
    (events) =>
      JSON.parse(
        events.map((event) => (event.type === "tool-use-delta" ? event.partialJson : "")).join(""),
      ) as unknown,
  );
  const used = content.filter(({ type }) => type === "server_tool_use");
  expect(used.map(({ input }) => input)).toEqual(inputs);
  const results = content.filter(({ type }) => type.endsWith("_tool_result"));
  expect(results.map((block) => block.content)).toMatchObject([...contents]);
  expect(content.slice(0, 2).map(({ type }) => type)).toEqual(["thinking", "text"]);
  expect(content.at(-1)).toMatchObject({ type: "text", text: "All done." });
}

function fileIdOf(content: readonly Block[]): string {
  return /"file_id":"(file_\w+)"/.exec(JSON.stringify(content))?.[1] ?? "none";
}

describe.each(VERSIONS)("TypeScript, %s", (version, betas) => {
  const request = {
    model: "any",
    max_tokens: 4096,
    tools: [{ type: version, name: "code_execution" }],
    messages: [{ role: "user", content: "Go." }],
  } as Anthropic.MessageCreateParamsNonStreaming;
  const headers = betas.length > 0 ? { headers: { "anthropic-beta": betas.join(",") } } : {};
  const beta = { ...request, betas: [...betas] } as Anthropic.Beta.MessageCreateParamsNonStreaming;

  test.each([
    ["messages.create", (more: object) => client.messages.create({ ...request, ...more }, headers)],
    [
      "messages.stream",
      (more: object) => client.messages.stream({ ...request, ...more }, headers).finalMessage(),
    ],
    ["beta.messages.create", (more: object) => client.beta.messages.create({ ...beta, ...more })],
    [
      "beta.messages.stream",
      (more: object) => client.beta.messages.stream({ ...beta, ...more }).finalMessage(),
    ],
  ])("%s", async (_, ask) => {
    director.play(play);
    const first = await ask({});
    judge(version, first.content as unknown as Block[]);
    const file = await client.files.download(fileIdOf(first.content as unknown as Block[]));
    expect((await file.text()).trim()).toBe("a,b");
    const messages = [
      { role: "user", content: "Go." },
      { role: "assistant", content: first.content },
      { role: "user", content: "Again." },
    ];
    const second = await ask({ messages, container: first.container!.id });
    expect(second.content).toMatchObject([{ type: "text", text: "All done." }]);
    expect(second.container?.id).toBe(first.container?.id);
  });
});

interface Told {
  version: string;
  way: string;
  content: Block[];
  classes: string[];
  containers: string[];
  second: string[];
  texts: string;
}

test("Python: every version and way, sync and async", async () => {
  director.play(play);
  const { code, stdout, stderr } = await runProgram(
    clients.python,
    [fileURLToPath(new URL("python/versions.py", import.meta.url))],
    {
      env: {
        ANTHROPIC_BASE_URL: server.url,
        ANTHROPIC_API_KEY: "any",
        PYTHONPATH: clients.packages,
        PYTHONWARNINGS: "ignore",
      },
    },
  );
  expect(stderr).toBe("");
  expect(code).toBe(0);
  const told = readJsonLines(stdout) as unknown as Told[];
  expect(told).toHaveLength(VERSIONS.length * 8);
  for (const { version, way, content, classes, containers, second, texts } of told) {
    judge(version, content);
    expect(second, way).toEqual(["text"]);
    expect(containers[0], way).toBe(containers[1]);
    if (way.endsWith("stream")) expect(texts, way).toBe("I begin.All done.");
    // The SDK knows each block: what it does not know it makes a text of.
    const types = content.map(({ type }) => type);
    for (const [index, name] of classes.entries())
      expect(name.replace(/^Beta|^Parsed(Beta)?/g, "").toLowerCase(), way).toContain(
        types[index]!.replaceAll("_", ""),
      );
  }
});
