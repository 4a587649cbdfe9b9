/** The shell and the text editor of `code_execution_20250825`, as a client sees them. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { calls, says, ScriptedProvider, type ScriptStep } from "../../src/providers/scripted.ts";
import { askMessages, askStream, type Answered } from "../fixtures/messages-client.ts";
import { startServer, type TestServer } from "./server.ts";

const TOOL = { type: "code_execution_20250825", name: "code_execution" };

let server: TestServer;
let uses: ScriptStep[] = [];
const model = new ScriptedProvider((request) => {
  const last = request.messages.at(-1)?.content ?? [];
  return last.some(({ type }) => type === "tool_result") ? [says("Done.")] : uses;
});
beforeAll(async () => {
  server = await startServer({
    provider: model,
    env: { CURTA_OUTPUT_MB: "1", CURTA_TIMEOUT_SECONDS: "3" },
  });
});
afterAll(() => server.close());

const bash = (command: string): ScriptStep => calls("bash_code_execution", { command });
const edit = (input: Record<string, unknown>): ScriptStep =>
  calls("text_editor_code_execution", input);

async function ask(steps: ScriptStep[], container?: string): Promise<Answered> {
  uses = steps;
  const messages = [{ role: "user", content: "Go." }];
  const answer = await askMessages(server.url, { tools: [TOOL], messages, container });
  expect(answer.status, JSON.stringify(answer.error)).toBe(200);
  return answer;
}

const resultsOf = ({ message }: Answered): unknown[] =>
  message.content
    .filter(({ type }) => type.endsWith("_tool_result"))
    .map((block) => (block as { content?: unknown }).content);

/** What the model read of the uses. */
function heard(): string[] {
  const results = model.requests.at(-1)!.messages.at(-1)!.content;
  return results.flatMap((block) =>
    block.type === "tool_result" && typeof block.content !== "string"
      ? block.content.map((part) => (part.type === "text" ? part.text : part.type))
      : [],
  );
}

test("the model gets the two sub-tools, and the answer their blocks in order", async () => {
  const answer = await ask([says("I look."), bash("echo hi; echo oh >&2; exit 3")]);
  expect(model.requests.at(-1)!.tools.map(({ name }) => name)).toEqual([
    "bash_code_execution",
    "text_editor_code_execution",
  ]);
  expect(answer.message.content).toMatchObject([
    { type: "text" },
    {
      type: "server_tool_use",
      name: "bash_code_execution",
      input: { command: "echo hi; echo oh >&2; exit 3" },
    },
    {
      type: "bash_code_execution_tool_result",
      content: {
        type: "bash_code_execution_result",
        stdout: "hi\n",
        stderr: "oh\n",
        return_code: 3,
        content: [],
      },
    },
    { type: "text", text: "Done." },
  ]);
  expect(heard()).toEqual(["hi\noh\n[exit code 3]"]);
});

test("files that a command leaves are ids of the Files API", async () => {
  const answer = await ask([bash("seq 3 > $OUTPUT_DIR/numbers.csv")]);
  const [result] = resultsOf(answer) as { content: { type: string; file_id: string }[] }[];
  expect(result!.content).toMatchObject([{ type: "bash_code_execution_output" }]);
  const id = result!.content[0]!.file_id;
  const file = await fetch(`${server.url}/v1/files/${id}/content`);
  expect(await file.text()).toBe("1\n2\n3\n");
});

test("the editor makes, shows and changes files, and the shell sees them", async () => {
  const path = "src/page.css";
  const text = ["a {", "}", "b {", "  x: 1;", "}", "c {", "}", ""].join("\n");
  const answer = await ask([
    edit({ command: "create", path, file_text: text }),
    edit({ command: "create", path, file_text: text }),
    edit({ command: "view", path: "$INPUT_DIR/src/page.css" }),
    edit({ command: "view", path, view_range: [3, 4] }),
    edit({ command: "str_replace", path: `/workspace/${path}`, old_str: "x: 1", new_str: "y: 2" }),
    edit({ command: "view", path: "/workspace" }),
    bash(`cat ${path} | sed -n 4p`),
  ]);
  expect(resultsOf(answer)).toEqual([
    { type: "text_editor_code_execution_create_result", is_file_update: false },
    { type: "text_editor_code_execution_create_result", is_file_update: true },
    {
      type: "text_editor_code_execution_view_result",
      file_type: "text",
      content: text.trimEnd(),
      num_lines: 7,
      start_line: 1,
      total_lines: 7,
    },
    {
      type: "text_editor_code_execution_view_result",
      file_type: "text",
      content: "b {\n  x: 1;",
      num_lines: 2,
      start_line: 3,
      total_lines: 7,
    },
    {
      type: "text_editor_code_execution_str_replace_result",
      old_start: 1,
      old_lines: 7,
      new_start: 1,
      new_lines: 7,
      lines: [" a {", " }", " b {", "-  x: 1;", "+  y: 2;", " }", " c {", " }"],
    },
    {
      type: "text_editor_code_execution_view_result",
      file_type: "text",
      content: `src/\nsrc/page.css\t${text.length} bytes`,
      num_lines: 2,
      start_line: 1,
      total_lines: 2,
    },
    {
      type: "bash_code_execution_result",
      stdout: "  y: 2;\n",
      stderr: "",
      return_code: 0,
      content: [],
    },
  ]);
});

test("an image that code made is shown to the model", async () => {
  const draw = `python3 -c "from PIL import Image; Image.new('RGB', (8, 4), 'red').save('/tmp/red.png')"`;
  const first = await ask([bash(draw)]);
  const answer = await ask(
    [edit({ command: "view", path: "/tmp/red.png" })],
    first.message.container!.id,
  );
  expect(resultsOf(answer)).toMatchObject([{ file_type: "image", num_lines: null }]);
  const [result] = model.requests.at(-1)!.messages.at(-1)!.content;
  expect(result).toMatchObject({ type: "tool_result" });
});

test.each<[string, Record<string, unknown>, string, RegExp]>([
  ["a missing file", { command: "view", path: "nowhere.txt" }, "file_not_found", /no file/],
  [
    "a missing file to change",
    { command: "str_replace", path: "nowhere.txt", old_str: "a", new_str: "b" },
    "file_not_found",
    /no file/,
  ],
  [
    "a place of the system",
    { command: "view", path: "/etc/passwd" },
    "file_not_found",
    /not in \/workspace/,
  ],
  ["a way out", { command: "view", path: "../../proc/1/environ" }, "file_not_found", /no file/],
  [
    "a text that is not there",
    { command: "str_replace", path: "two.txt", old_str: "three", new_str: "" },
    "string_not_found",
    /does not occur/,
  ],
  [
    "a text that is there twice",
    { command: "str_replace", path: "two.txt", old_str: "two", new_str: "" },
    "invalid_tool_input",
    /occurs 2 times .* lines 1, 2/,
  ],
  ["a link", { command: "view", path: "link" }, "invalid_tool_input", /link/],
  [
    "a range that is none",
    { command: "view", path: "two.txt", view_range: [5, 9] },
    "invalid_tool_input",
    /has 2 lines/,
  ],
  [
    "a file that is no text",
    { command: "view", path: "binary" },
    "invalid_tool_input",
    /not a text file/,
  ],
  [
    "a command that is not there",
    { command: "insert", path: "two.txt" },
    "invalid_tool_input",
    /"view", "create" or "str_replace"/,
  ],
  [
    "a create without text",
    { command: "create", path: "a.txt" },
    "invalid_tool_input",
    /file_text/,
  ],
  [
    "a variable of commands",
    { command: "create", path: "$OUTPUT_DIR/a.txt", file_text: "" },
    "invalid_tool_input",
    /belongs to a command/,
  ],
])("the editor refuses %s", async (_name, input, code, message) => {
  const prepare =
    "printf 'two\\ntwo\\n' > two.txt; ln -s /etc/passwd link; printf '\\0\\377' > binary";
  const answer = await ask([bash(prepare), edit(input)]);
  expect(resultsOf(answer)[1]).toEqual({
    type: "text_editor_code_execution_tool_result_error",
    error_code: code,
    error_message: expect.stringMatching(message),
  });
});

test.each([
  ["sleep 20", "execution_time_exceeded", /before/],
  ["yes", "output_file_too_large", /wrote more than 1 MiB/],
  ["", "invalid_tool_input", /must be an object/],
])(
  "the command %j is an error of the tool, and the model reads what there was",
  async (command, code, words) => {
    const answer = await ask([bash(command === "sleep 20" ? `echo before; ${command}` : command)]);
    expect(resultsOf(answer)).toEqual([
      { type: "bash_code_execution_tool_result_error", error_code: code },
    ]);
    expect(heard().join("\n")).toMatch(words);
  },
);

test("streaming: the input as deltas, the result whole", async () => {
  uses = [calls("bash_code_execution", { command: "echo hi" }, { chunk: 5 })];
  const { events } = await askStream(server.url, {
    tools: [TOOL],
    messages: [{ role: "user", content: "Go." }],
  });
  const blocks = events
    .filter(({ type }) => type === "content_block_start")
    .map((event) => event.content_block);
  expect(blocks).toMatchObject([
    { type: "server_tool_use", name: "bash_code_execution", input: {} },
    { type: "bash_code_execution_tool_result", content: { stdout: "hi\n" } },
    { type: "text" },
  ]);
  const pieces = events.flatMap((event) =>
    event.type === "content_block_delta" && event.index === 0
      ? [(event.delta as { partial_json: string }).partial_json]
      : [],
  );
  expect(pieces.length).toBeGreaterThan(2);
  expect(pieces[0]).toMatch(/^\{/);
  expect(JSON.parse(pieces.join(""))).toEqual({ command: "echo hi" });
});

test("a conversation goes on with what was sent back", async () => {
  const first = await ask([
    bash("echo one > f; exit 4"),
    edit({ command: "view", path: "f" }),
    edit({ command: "str_replace", path: "f", old_str: "one", new_str: "two" }),
  ]);
  uses = [bash("cat f")];
  const second = await askMessages(server.url, {
    tools: [TOOL],
    container: first.message.container!.id,
    messages: [
      { role: "user", content: "Go." },
      { role: "assistant", content: first.message.content },
      { role: "user", content: "And then?" },
    ],
  });
  expect(resultsOf(second)).toMatchObject([{ stdout: "two\n" }]);
  const before = model.requests.at(-2)!.messages.flatMap(({ content }) => content);
  expect(JSON.stringify(before)).toMatch(/\[exit code 4\].*one.*-one\\n\+two/);
});
