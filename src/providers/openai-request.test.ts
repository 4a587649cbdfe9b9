import { expect, test } from "vitest";

import { toChatRequest } from "./openai-request.ts";
import type { Abilities } from "./openai-request.ts";
import type { ImageBlock, ModelRequest } from "./provider.ts";

const ALL: Abilities = {
  tools: true,
  images: true,
  streamOptions: true,
  sampling: true,
  maxTokens: true,
  answerFormat: true,
};
const image: ImageBlock = {
  type: "image",
  source: { type: "base64", media_type: "image/png", data: "AAAA" },
};
const tool = {
  name: "code_execution",
  description: "Runs Python.",
  input_schema: { type: "object" },
};

function request(changes: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model: "m",
    system: [],
    messages: [],
    tools: [],
    maxTokens: 100,
    stopSequences: [],
    attachments: [],
    ...changes,
  };
}

const conversation: ModelRequest["messages"] = [
  {
    role: "user",
    content: [{ type: "text", text: "look" }, image, { type: "text", text: "closely" }],
  },
  {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "hm", signature: "s" },
      { type: "text", text: "I'll plot." },
      { type: "tool_use", id: "call_abcdef", name: "code_execution", input: { code: "plot()" } },
      { type: "tool_use", id: "call_ghijkl", name: "code_execution", input: { code: "1/0" } },
    ],
  },
  {
    role: "user",
    content: [
      {
        type: "tool_result",
        tool_use_id: "call_abcdef",
        content: [{ type: "text", text: "done" }, image],
      },
      {
        type: "tool_result",
        tool_use_id: "call_ghijkl",
        content: "ZeroDivisionError",
        is_error: true,
      },
      { type: "text", text: "go on" },
    ],
  },
  { role: "assistant", content: [{ type: "thinking", thinking: "nothing said", signature: "" }] },
];

const url = "data:image/png;base64,AAAA";
const calls = ["call_abcdef", "call_ghijkl"].map((id, index) => ({
  id,
  type: "function",
  function: {
    name: "code_execution",
    arguments: JSON.stringify({ code: ["plot()", "1/0"][index] }),
  },
}));

test("a conversation with images and tools", () => {
  const system = [
    { type: "text" as const, text: "Be brief." },
    { type: "text" as const, text: "Be kind." },
  ];
  expect(
    toChatRequest(
      request({
        system,
        messages: conversation,
        tools: [tool],
        temperature: 0.2,
        topP: 0.9,
        topK: 5,
        stopSequences: ["END"],
      }),
      "qwen",
      ALL,
    ),
  ).toEqual({
    model: "qwen",
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 100,
    temperature: 0.2,
    top_p: 0.9,
    top_k: 5,
    stop: ["END"],
    tools: [
      {
        type: "function",
        function: {
          name: "code_execution",
          description: "Runs Python.",
          parameters: { type: "object" },
        },
      },
    ],
    messages: [
      { role: "system", content: "Be brief.\n\nBe kind." },
      {
        role: "user",
        content: [
          { type: "text", text: "look" },
          { type: "image_url", image_url: { url } },
          { type: "text", text: "closely" },
        ],
      },
      { role: "assistant", content: "I'll plot.", tool_calls: calls },
      {
        role: "tool",
        tool_call_id: "call_abcdef",
        name: "code_execution",
        content: "done\n[An image; it follows below.]",
      },
      {
        role: "tool",
        tool_call_id: "call_ghijkl",
        name: "code_execution",
        content: "Error:\nZeroDivisionError",
      },
      {
        role: "user",
        content: [
          { type: "text", text: "Images of the tool results above, in order:" },
          { type: "image_url", image_url: { url } },
          { type: "text", text: "go on" },
        ],
      },
    ],
  });
});

test("for a model that sees no images and a server that takes little", () => {
  const little: Abilities = {
    tools: true,
    images: false,
    streamOptions: false,
    sampling: false,
    maxTokens: false,
    answerFormat: true,
  };
  const body = toChatRequest(
    request({ messages: conversation, temperature: 1, topP: 1, topK: 1 }),
    "qwen",
    little,
  );
  const unseen = "[An image, image/png, 1 kB, which the user can see and this model cannot.]";
  expect(body).toMatchObject({
    max_completion_tokens: 100,
    messages: [
      { role: "user", content: `look\n\n${unseen}\n\nclosely` },
      { role: "assistant" },
      { role: "tool", content: `done\n${unseen}` },
      { role: "tool" },
      { role: "user", content: "go on" },
    ],
  });
  expect(Object.keys(body).toSorted()).toEqual([
    "max_completion_tokens",
    "messages",
    "model",
    "stream",
  ]);
});

test("documents become text: the note of their file, or what they say", () => {
  const messages: ModelRequest["messages"] = [
    {
      role: "user",
      content: [
        { type: "text", text: "read" },
        {
          type: "document",
          title: "../b.csv",
          source: { type: "base64", media_type: "text/csv", data: "Yg==" },
        },
        {
          type: "document",
          title: "notes",
          context: "from May",
          source: { type: "text", media_type: "text/plain", data: "remember" },
        },
        {
          type: "document",
          source: { type: "content", content: [{ type: "text", text: "one" }, image] },
        },
        { type: "document", source: { type: "url", url: "http://x" } },
      ],
    },
    { role: "user", content: [{ type: "text", text: "later" }] },
  ];
  const attachments = [
    { filename: "photo.png", mediaType: "image/png", sizeBytes: 5, preview: null },
    { filename: "b.csv", mediaType: "text/csv", sizeBytes: 1, preview: "b" },
  ];
  const [first, second] = toChatRequest(
    request({ messages, attachments: attachments.slice(1) }),
    "m",
    ALL,
  ).messages as { content: string }[];
  expect(first?.content.split("\n\n")).toEqual([
    "read",
    '[Attached file "b.csv" (text/csv, 1 bytes) in the working directory of the code]\nIt begins:\nb',
    '[Document "notes"]\nfrom May\nremember',
    "[Document without a title]\none\n[not text]",
    "[Document without a title]\n[Its content cannot be shown to this model.]",
  ]);
  expect(second?.content).toBe("later");

  const [noted] = toChatRequest(request({ messages: messages.slice(1), attachments }), "m", ALL)
    .messages as { content: string }[];
  expect(noted?.content).toMatch(
    /^later\n\n\[Attached file "photo.png".*\]\n\n\[Attached file "b.csv"/,
  );
});

test.each([
  [undefined, {}],
  [{ type: "auto" as const }, {}],
  [
    { type: "any" as const, disable_parallel_tool_use: true },
    { tool_choice: "required", parallel_tool_calls: false },
  ],
  [
    { type: "tool" as const, name: "code_execution" },
    { tool_choice: { type: "function", function: { name: "code_execution" } } },
  ],
])("tool_choice %j", (toolChoice, expected) => {
  const { tool_choice, parallel_tool_calls, tools } = toChatRequest(
    request({ tools: [tool], toolChoice }),
    "m",
    ALL,
  );
  expect(JSON.parse(JSON.stringify({ tool_choice, parallel_tool_calls }))).toEqual(expected);
  expect(tools).toHaveLength(1);
});

test("the schema of an answer goes as a format and in words; in words only where the format is refused", () => {
  const answerSchema = { type: "object", properties: { n: { type: "integer" } } };
  const words = expect.stringMatching(
    /^Be brief\.\n\nYour final answer must be one JSON value .*"n"/s,
  );
  const asked = request({ system: [{ type: "text", text: "Be brief." }], answerSchema });
  expect(toChatRequest(asked, "m", ALL)).toMatchObject({
    messages: [{ role: "system", content: words }],
    response_format: { type: "json_schema", json_schema: { name: "answer", schema: answerSchema } },
  });
  const refused = toChatRequest(asked, "m", { ...ALL, answerFormat: false });
  expect(refused).not.toHaveProperty("response_format");
  expect(refused).toMatchObject({ messages: [{ content: words }] });
});

test("tool_choice none offers no tools", () => {
  expect(
    toChatRequest(request({ tools: [tool], toolChoice: { type: "none" } }), "m", ALL),
  ).not.toHaveProperty("tools");
});
