import fc from "fast-check";
import { expect, test } from "vitest";

import { GatewayError } from "../errors.ts";
import type { RequestOptions } from "./request.ts";
import { parseMessagesRequest } from "./request.ts";

const LESSON = { type: "code_execution_20250522", name: "code_execution" };
const MINIMAL = { model: "m", max_tokens: 100, messages: [{ role: "user", content: "hi" }] };

function options(more: Partial<RequestOptions> = {}): RequestOptions {
  return {
    betas: new Set(),
    limits: { attachmentBytes: 1_000_000, workspaceBytes: 2_000_000, resultCharacters: 24_000 },
    ...more,
  };
}

const parse = (body: unknown, more: Partial<RequestOptions> = {}) =>
  parseMessagesRequest(body, options(more));

test("the smallest request", async () => {
  expect(await parse(MINIMAL)).toMatchObject({
    turn: {
      prompt: {
        model: "m",
        maxTokens: 100,
        system: [],
        messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
        stopSequences: [],
      },
      clientTools: [],
      serverTools: [],
      containerId: null,
      files: [],
      pending: [],
    },
    stream: false,
    rendering: { name: "native" },
  });
});

test("fields that an SDK left null, and fields nobody knows", async () => {
  const nulls = {
    system: null,
    tools: null,
    tool_choice: null,
    stop_sequences: null,
    temperature: null,
    container: null,
  };
  const { turn } = await parse({
    ...MINIMAL,
    ...nulls,
    stream: null,
    thinking: null,
    thread: null,
    service_tier: "auto",
    x: 1,
  });
  expect(turn.prompt.temperature).toBeUndefined();
  expect(turn.containerId).toBeNull();
});

test("everything that reaches the model", async () => {
  const { turn, stream } = await parse({
    ...MINIMAL,
    system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
    messages: [{ role: "system", content: "And kind." }, ...MINIMAL.messages],
    tools: [
      LESSON,
      { name: "weather", input_schema: { type: "object" } },
      { type: "custom", name: "b", description: "B", input_schema: {} },
    ],
    tool_choice: { type: "tool", name: "code_execution", disable_parallel_tool_use: true },
    stop_sequences: ["END"],
    temperature: 0.5,
    top_p: 0.9,
    top_k: 4,
    thinking: { type: "enabled", budget_tokens: 1024 },
    metadata: { user_id: "u" },
    serviceTier: "standard_only",
    service_tier: "standard_only",
    stream: true,
  });
  expect(stream).toBe(true);
  expect(turn.serverTools).toEqual(["code_execution"]);
  expect(turn.clientTools).toEqual([
    { name: "weather", description: "", input_schema: { type: "object" } },
    { name: "b", description: "B", input_schema: {} },
  ]);
  expect(turn.prompt).toMatchObject({
    system: [{ text: "Be brief.", cache_control: { type: "ephemeral" } }, { text: "And kind." }],
    toolChoice: { type: "tool", name: "code_execution", disable_parallel_tool_use: true },
    stopSequences: ["END"],
    temperature: 0.5,
    topP: 0.9,
    topK: 4,
    thinking: { type: "enabled", budget_tokens: 1024 },
    metadata: { user_id: "u" },
  });
});

test("tools that the API describes and the client runs have a description and a schema", async () => {
  const { turn } = await parse({
    ...MINIMAL,
    tools: [
      { type: "bash_20250124", name: "bash", cache_control: { type: "ephemeral" } },
      { type: "text_editor_20250124", name: "str_replace_editor" },
      { type: "text_editor_20250728", name: "str_replace_based_edit_tool", max_characters: 9 },
      { type: "memory_20250818", name: "memory" },
    ],
  });
  expect(turn.serverTools).toEqual([]);
  expect(
    turn.clientTools.map(({ name, description, input_schema: schema }) => ({
      name,
      described: description !== "",
      commands: (schema.properties as { command: { enum?: string[] } }).command.enum,
    })),
  ).toEqual([
    { name: "bash", described: true },
    {
      name: "str_replace_editor",
      described: true,
      commands: ["view", "create", "str_replace", "insert", "undo_edit"],
    },
    {
      name: "str_replace_based_edit_tool",
      described: true,
      commands: ["view", "create", "str_replace", "insert"],
    },
    {
      name: "memory",
      described: true,
      commands: ["view", "create", "str_replace", "insert", "delete", "rename"],
    },
  ]);
  expect(turn.clientTools[0]).toMatchObject({ cache_control: { type: "ephemeral" } });
});

test("a deferred tool is shown to the model once it was found or called", async () => {
  const deferred = (name: string) => ({ name, input_schema: {}, defer_loading: true });
  const use = (id: string, name: string) => ({ type: "tool_use", id, name, input: {} });
  const result = (id: string, content: unknown) => ({
    type: "tool_result",
    tool_use_id: id,
    content,
  });
  const { turn } = await parse({
    ...MINIMAL,
    tools: [
      { name: "search", input_schema: {} },
      deferred("found"),
      deferred("called"),
      deferred("other"),
      { type: "code_execution_20250825", name: "code_execution", defer_loading: true },
    ],
    messages: [
      ...MINIMAL.messages,
      { role: "assistant", content: [use("t1", "search"), use("t2", "called")] },
      {
        role: "user",
        content: [
          result("t1", [{ type: "tool_reference", tool_name: "found" }]),
          result("t2", "ok"),
        ],
      },
    ],
  });
  expect(turn.clientTools.map(({ name }) => name)).toEqual(["search", "found", "called"]);
  expect(turn.serverTools).toContain("bash_code_execution");
});

test.each([
  { output_config: { format: { type: "json_schema", schema: { type: "object" } } } },
  { output_format: { type: "json_schema", schema: { type: "object" } } },
])("the schema of an answer: %j", async (fields) => {
  const { turn } = await parse({ ...MINIMAL, ...fields });
  expect(turn.prompt.answerSchema).toEqual({ type: "object" });
});

test("-1 is what older clients send for a sampling parameter that is not set", async () => {
  const { turn } = await parse({ ...MINIMAL, top_p: -1, top_k: -1 });
  expect([turn.prompt.topP, turn.prompt.topK]).toEqual([undefined, undefined]);
});

test.each<[string[], string]>([
  [[], "lesson"],
  [["files-api-2025-04-14"], "lesson"],
  [["code-execution-2025-05-22"], "native"],
])("with the betas %j the first version is rendered as %s", async (betas, name) => {
  const { rendering } = await parse({ ...MINIMAL, tools: [LESSON] }, { betas: new Set(betas) });
  expect(rendering.name).toBe(name);
});

test.each<[unknown, string | null]>([
  ["container_1", "container_1"],
  [{ id: "container_1" }, "container_1"],
  [{ id: "container_1", skills: [] }, "container_1"],
  [{ id: null, skills: null }, null],
])("the container %j", async (container, id) => {
  expect((await parse({ ...MINIMAL, container })).turn.containerId).toBe(id);
});

test("only files of the message that is answered now are new", async () => {
  const document = {
    type: "document",
    source: { type: "text", media_type: "text/plain", data: "a" },
    title: "a.txt",
  };
  const { turn } = await parse({
    ...MINIMAL,
    tools: [LESSON],
    messages: [
      { role: "user", content: [document] },
      { role: "assistant", content: "ok" },
      { role: "user", content: [document] },
    ],
  });
  expect(turn.files.map((file) => [file.attachment.filename, file.isNew])).toEqual([
    ["a.txt", false],
    ["a-2.txt", true],
  ]);
});

test("files by id, where there is a place for them", async () => {
  const content = [
    { type: "container_upload", file_id: "file_1" },
    { type: "document", source: { type: "file", file_id: "file_1" } },
  ];
  const body = { ...MINIMAL, tools: [LESSON], messages: [{ role: "user", content }] };
  const read: string[] = [];
  const files = {
    async read(id: string) {
      read.push(id);
      return { filename: "up.csv", mediaType: "text/csv", bytes: Buffer.from("a,b") };
    },
  };
  const { turn } = await parse(body, { files });
  expect(read).toEqual(["file_1"]);
  expect(turn.files.map((file) => file.attachment.filename)).toEqual(["up.csv", "up-2.csv"]);
  await expect(parse(body)).rejects.toThrow(
    /^messages\.0\.content\.0: This server has no Files API yet/,
  );
});

const use = {
  type: "server_tool_use",
  id: "srvtoolu_1",
  name: "code_execution",
  input: { code: "1" },
};
const asked = { role: "user", content: "q" };

test.each<[string, unknown, string | RegExp]>([
  ["no object", [], "The request body should be a JSON object."],
  ["no model", { ...MINIMAL, model: undefined }, "model: Field required"],
  ["no max_tokens", { ...MINIMAL, max_tokens: undefined }, "max_tokens: Field required"],
  ["no messages", { ...MINIMAL, messages: undefined }, "messages: Field required"],
  [
    "max_tokens of 0",
    { ...MINIMAL, max_tokens: 0 },
    "max_tokens: Input should be greater than or equal to 1",
  ],
  [
    "max_tokens as text",
    { ...MINIMAL, max_tokens: "1" },
    /^max_tokens: Input should be a valid (integer|number)$/,
  ],
  ["empty messages", { ...MINIMAL, messages: [] }, "messages: List should have at least 1 items"],
  [
    "messages without content",
    { ...MINIMAL, messages: [{ role: "user", content: "" }] },
    "messages: Messages must have non-empty content",
  ],
  [
    "an odd role",
    { ...MINIMAL, messages: [{ role: "robot", content: "x" }] },
    "messages.0.role: Input should be 'user', 'assistant' or 'system'",
  ],
  [
    "content of no kind",
    { ...MINIMAL, messages: [{ role: "user", content: 1 }] },
    /^messages\.0\.content: Input should be a valid (string|list)$/,
  ],
  [
    "a block nobody knows",
    { ...MINIMAL, messages: [{ role: "user", content: [{ type: "hologram" }] }] },
    /^messages\.0\.content\.0(\.type)?: Input tag "hologram" found using 'type' does not match any of the expected tags: 'text', 'image', .*'container_upload'$/,
  ],
  [
    "a block without its text",
    { ...MINIMAL, messages: [{ role: "user", content: [{ type: "text" }] }] },
    "messages.0.content.0.text: Field required",
  ],
  [
    "a document without its data",
    {
      ...MINIMAL,
      messages: [
        {
          role: "user",
          content: [{ type: "document", source: { type: "base64", media_type: "a/b" } }],
        },
      ],
    },
    "messages.0.content.0.source.data: Field required",
  ],
  [
    "broken base64",
    {
      ...MINIMAL,
      messages: [
        {
          role: "user",
          content: [
            { type: "document", source: { type: "base64", media_type: "text/csv", data: "%%%" } },
          ],
        },
      ],
    },
    /^messages\.0\.content\.0\.source\.data: Input should be valid base64/,
  ],
  [
    "an unknown tool version",
    { ...MINIMAL, tools: [{ type: "code_execution_20990101", name: "code_execution" }] },
    /tools\.0: Input tag 'code_execution_20990101' found using 'type' is not a known tool version\. The supported tools are 'code_execution_20250522'.* and custom tools with an input_schema\./,
  ],
  [
    "a later version",
    { ...MINIMAL, tools: [{ type: "computer_20250124", name: "computer" }] },
    /is not available on this server/,
  ],
  [
    "a sampling parameter out of its range",
    { ...MINIMAL, top_p: 1.5 },
    "top_p: Input should be less than or equal to 1",
  ],
  [
    "a tool of the client's under another name",
    { ...MINIMAL, tools: [{ type: "bash_20250124", name: "shell" }] },
    "tools.0.name: Input should be 'bash'",
  ],
  [
    "a tool of another name",
    { ...MINIMAL, tools: [{ ...LESSON, name: "python" }] },
    "tools.0.name: Input should be 'code_execution'",
  ],
  [
    "a tool without schema",
    { ...MINIMAL, tools: [{ name: "x" }] },
    "tools.0.input_schema: Field required",
  ],
  [
    "two tools of one name",
    { ...MINIMAL, tools: [LESSON, { name: "code_execution", input_schema: {} }] },
    "tools: Tool names must be unique.",
  ],
  [
    "a choice that is not there",
    { ...MINIMAL, tools: [LESSON], tool_choice: { type: "tool", name: "x" } },
    "tool_choice: Tool 'x' not found in provided tools",
  ],
  [
    "a choice without tools",
    { ...MINIMAL, tool_choice: { type: "any" } },
    "tool_choice: There are no tools to choose from.",
  ],
  [
    "skills",
    { ...MINIMAL, container: { skills: [{ skill_id: "pptx" }] } },
    "container.skills: This server has no skills.",
  ],
  ["MCP servers", { ...MINIMAL, mcp_servers: [{}] }, /^mcp_servers:/],
  [
    "a pending use of a tool that is not declared",
    { ...MINIMAL, messages: [asked, { role: "assistant", content: [use] }] },
    /without a corresponding `code_execution_tool_result` block, but no `code_execution` tool was provided$/,
  ],
])("%s is refused", async (_, body, message) => {
  const problem = await parse(body).catch((thrown: unknown) => thrown);
  expect(problem).toBeInstanceOf(GatewayError);
  expect(problem).toMatchObject({ code: "invalid_request" });
  expect((problem as Error).message).toMatch(message);
});

test("threads are refused so that the official runners send everything", async () => {
  const details = { error_code: "thread_unsupported_request", unsupported: ["thread"] };
  await expect(parse({ ...MINIMAL, thread: { type: "create" } })).rejects.toMatchObject({
    details,
  });
});

test("an attachment beyond the limit is too large", async () => {
  const source = {
    type: "base64",
    media_type: "text/plain",
    data: Buffer.alloc(2_000_000).toString("base64"),
  };
  const body = {
    ...MINIMAL,
    messages: [{ role: "user", content: [{ type: "document", source }] }],
  };
  await expect(parse(body)).rejects.toMatchObject({ code: "request_too_large" });
});

test("deep nesting is refused, not followed", async () => {
  const deep: unknown = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`);
  await expect(parse({ ...MINIMAL, metadata: { deep } })).rejects.toThrow(
    "nested more than 100 levels",
  );
});

test("more lists and objects than a conversation has are refused", async () => {
  const many = Array.from({ length: 500_001 }, () => []);
  await expect(parse({ ...MINIMAL, metadata: { many } })).rejects.toThrow("more than 500000 lists");
});

test("a use that the client sent back is pending", async () => {
  const { turn } = await parse({
    ...MINIMAL,
    tools: [LESSON],
    messages: [asked, { role: "assistant", content: [use] }],
  });
  expect(turn.pending).toMatchObject([{ id: "srvtoolu_1", input: { code: "1" } }]);
});

test("any JSON is a request or a problem of the client's", async () => {
  const text = fc.constantFrom("a", "srvtoolu_1", "");
  const part = fc.record({
    type: fc.constantFrom("text", "image", "document"),
    text,
    source: fc.jsonValue(),
  });
  const block = fc.record(
    {
      type: fc.constantFrom(
        "text",
        "thinking",
        "image",
        "document",
        "tool_use",
        "tool_result",
        "server_tool_use",
        "code_execution_result",
        "code_execution_tool_result",
        "container_upload",
        "hologram",
      ),
      text: fc.oneof(text, fc.constant(null)),
      thinking: text,
      id: text,
      tool_use_id: text,
      name: fc.constantFrom("code_execution", "weather"),
      input: fc.oneof(fc.constant({}), fc.jsonValue()),
      content: fc.oneof(text, fc.array(part, { maxLength: 2 }), fc.jsonValue()),
      output: fc.oneof(fc.constant({ type: "text", text: "a" }), fc.jsonValue()),
      source: fc.oneof(
        fc.constant({ type: "text", data: "x" }),
        fc.constant({ type: "base64", media_type: "a/b", data: "aGk=" }),
      ),
      title: text,
      file_id: text,
    },
    { requiredKeys: ["type"] },
  );
  const message = fc.record({
    role: fc.constantFrom("user", "assistant", "system"),
    content: fc.oneof(text, fc.array(block, { maxLength: 4 })),
  });
  const body = fc.record({
    model: fc.constant("m"),
    max_tokens: fc.constantFrom(1, 0, "x"),
    messages: fc.array(message, { maxLength: 4 }),
    tools: fc.constantFrom([], [LESSON], null),
    system: fc.oneof(text, fc.jsonValue()),
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.jsonValue(), body), async (given) => {
      const problem = await parse(given).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      if (problem === null) return;
      expect(problem).toBeInstanceOf(GatewayError);
      expect((problem as GatewayError).code).not.toBe("internal");
    }),
    { numRuns: 300 },
  );
});

test("the client's marks for prompt caching reach the model, on whatever they stand", async () => {
  const mark = { cache_control: { type: "ephemeral" } };
  const { turn } = await parse({
    ...MINIMAL,
    system: [{ type: "text", text: "S", ...mark }],
    tools: [
      { ...LESSON, ...mark },
      { name: "weather", input_schema: {}, ...mark },
    ],
    messages: [
      {
        role: "user",
        content: [
          { type: "document", source: { type: "text", data: "a,b" }, title: "t.csv", ...mark },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "text", text: "T", cache_control: null },
          { type: "server_tool_use", id: "srvtoolu_1", name: "code_execution", input: {} },
          {
            type: "code_execution_tool_result",
            tool_use_id: "srvtoolu_1",
            content: { type: "code_execution_result", stdout: "1", stderr: "", return_code: 0 },
            ...mark,
          },
          { type: "tool_use", id: "toolu_1", name: "weather", input: {}, ...mark },
        ],
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", ...mark }] },
    ],
  });
  const { system, messages } = turn.prompt;
  expect([system, turn.clientTools, [turn.serverToolMark]].map(([block]) => block)).toEqual([
    expect.objectContaining(mark),
    expect.objectContaining(mark),
    mark,
  ]);
  const marked = messages
    .flatMap(({ content }) => content)
    .filter((block) => "cache_control" in block);
  expect(marked.map(({ type }) => type)).toEqual([
    "document",
    "tool_result",
    "tool_use",
    "tool_result",
  ]);
});

test.each([
  ["code_execution_20250522", "code_execution"],
  ["code_execution_20250825", "bash_code_execution"],
  ["code_execution_20260120", "code_execution"],
])("tool_choice by the name that %s is declared under forces %s", async (type, forced) => {
  const { turn } = await parse({
    ...MINIMAL,
    tools: [{ type, name: "code_execution" }],
    tool_choice: { type: "tool", name: "code_execution" },
  });
  expect(turn.prompt.toolChoice).toEqual({ type: "tool", name: forced });
});
