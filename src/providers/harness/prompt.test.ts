/** What of a conversation the model reads: all that fits, oldest out first, the latest request whole. */
import { expect, test } from "vitest";

import type { ModelMessage, ModelRequest } from "../provider.ts";
import type { TextModel } from "../text-model.ts";
import { toExchanges } from "./conversation.ts";
import { createHarnessProvider } from "./harness.ts";
import { buildPrompt } from "./prompt.ts";

/** Counts a token for each word; asked to continue a text, it has nothing to say. */
function wordModel(contextTokens: number): TextModel {
  return {
    kind: "words",
    model: "words",
    contextTokens,
    async *complete() {
      yield { done: true, stopReason: "stop", usage: { inputTokens: 0, outputTokens: 0 } };
    },
    countTokens: (text) => Promise.resolve(text.split(/\s+/).filter(Boolean).length),
  };
}

function user(text: string): ModelMessage {
  return { role: "user", content: [{ type: "text", text }] };
}

function assistant(text: string): ModelMessage {
  return { role: "assistant", content: [{ type: "text", text }] };
}

function request(messages: ModelMessage[], more: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model: "any",
    system: [],
    messages,
    tools: [],
    maxTokens: 100,
    stopSequences: [],
    attachments: [],
    ...more,
  };
}

const TURN: ModelMessage[] = [
  user("Add 1 and 2"),
  {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "I will add them.", signature: "" },
      { type: "tool_use", id: "a", name: "code_execution", input: { code: "print(1 + 2)" } },
    ],
  },
  {
    role: "user",
    content: [
      {
        type: "tool_result",
        tool_use_id: "a",
        content: [{ type: "text", text: "3\n[chart shown to the user: PNG 1x1]" }],
      },
    ],
  },
];

test("a turn becomes a request with its programs, then its answer", () => {
  const exchanges = toExchanges(request([...TURN, assistant("It is 3."), user("And 4?")]));
  expect(exchanges).toEqual([
    {
      request: "Add 1 and 2",
      attachments: [],
      searches: [],
      steps: [
        {
          thought: "I will add them.",
          code: "print(1 + 2)",
          output: "3",
          isError: false,
          hasImage: true,
        },
      ],
      answer: "It is 3.",
    },
    { request: "And 4?", attachments: [], searches: [], steps: [], answer: "" },
  ]);
});

test("files belong to the message that carried them", () => {
  const document = { type: "document" as const, source: { type: "base64" } };
  const file = (filename: string) => ({ filename, mediaType: "", sizeBytes: 1, preview: null });
  const exchanges = toExchanges(
    request(
      [
        { role: "user", content: [{ type: "text", text: "first" }, document] },
        assistant("yes"),
        { role: "user", content: [{ type: "text", text: "second" }, document] },
      ],
      { attachments: [file("a.csv"), file("b.csv")] },
    ),
  );
  expect(exchanges.map((exchange) => exchange.attachments.map(({ filename }) => filename))).toEqual(
    [["a.csv"], ["b.csv"]],
  );
});

test("a conversation that fits is read whole and begins the same in every sampling", async () => {
  const model = wordModel(10_000);
  const first = request([...TURN, assistant("It is 3."), user("And 4?")]);
  const { messages, omitted } = await buildPrompt(model, first, toExchanges(first), [], 100);
  expect(omitted).toBe(0);
  expect(messages.map((message) => message.role)).toEqual([
    "system",
    "user",
    "assistant",
    "user",
    "assistant",
    "user",
  ]);
  const tail = [{ role: "assistant" as const, content: "more" }];
  const second = await buildPrompt(model, first, toExchanges(first), tail, 100);
  expect(second.messages.slice(0, messages.length)).toEqual(messages);
});

test("whole exchanges go, oldest first, and the model is told", async () => {
  const long = "word ".repeat(200);
  const talk = request([
    user(`one ${long}`),
    assistant("1"),
    user("two"),
    assistant("2"),
    user("three"),
  ]);
  const { messages, omitted } = await buildPrompt(wordModel(250), talk, toExchanges(talk), [], 50);
  expect(omitted).toBe(1);
  expect(messages.map((message) => message.content)).toEqual([
    expect.stringContaining("left out"),
    "two",
    "2",
    "three",
  ]);
});

test("a latest message that does not fit is an error, not a cut", async () => {
  const talk = request([user("word ".repeat(500))]);
  await expect(buildPrompt(wordModel(250), talk, toExchanges(talk), [], 50)).rejects.toMatchObject({
    code: "invalid_request",
  });
});

test("the look into a file says when there is more", async () => {
  const preview = "a,b\n".repeat(500);
  const talk = request([user("What is in it?")], {
    attachments: [{ filename: "x.csv", mediaType: "text/csv", sizeBytes: 9999, preview }],
  });
  const { messages } = await buildPrompt(wordModel(5000), talk, toExchanges(talk), [], 50);
  expect(messages[1]?.content).toMatch(
    /Attached file x\.csv \(9999 bytes\), it begins with:\na,b\n[^]*\n…$/,
  );
});

test("the window is the limit that the list of models tells", async () => {
  const provider = createHarnessProvider(wordModel(8192));
  expect(await provider.listModels?.(new AbortController().signal)).toEqual([
    { id: "words", maxInputTokens: 8192, maxTokens: 8192 },
  ]);
});
