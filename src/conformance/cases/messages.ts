/** One answer without code: fields, stop reasons, and the requests that are odd but legal. */
import type { Case, Context } from "../case.ts";
import { instruct } from "../instructions.ts";
import type { Message } from "../message.ts";
import { Skip, check, expectEqual } from "../verdict.ts";
import { WEATHER, askWeather, textOf, requireMoreThan } from "../versions.ts";

const group = "messages";

/** A red dot. */
const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

const LONG = "one two three four five six seven eight nine ten eleven twelve thirteen";

function ask(content: unknown, more: object = {}): object {
  return { messages: [{ role: "user", content }], ...more };
}

/** A call of the client's own tool, or nothing can be said. */
async function callWeather({ target }: Context, more: object = {}): Promise<Message> {
  const message = await target.message(
    ask(instruct([askWeather("Paris")]), { tools: [WEATHER], ...more }),
  );
  if (!message.content.some(({ type }) => type === "tool_use"))
    throw new Skip("the model did not call the tool");
  return message;
}

const legal: [slug: string, title: string, body: object][] = [
  ["system-text", "system as a text", ask(instruct([]), { system: "Be brief." })],
  [
    "system-blocks",
    "system as blocks with cache_control",
    ask(instruct([]), {
      system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
    }),
  ],
  [
    "cache-control",
    "cache_control on a block and on a tool",
    ask([{ type: "text", text: instruct([]), cache_control: { type: "ephemeral", ttl: "5m" } }], {
      tools: [{ ...WEATHER, cache_control: { type: "ephemeral" } }],
    }),
  ],
  [
    "metadata",
    "metadata and service_tier",
    ask(instruct([]), { metadata: { user_id: "user-1" }, service_tier: "auto" }),
  ],
  [
    "nulls",
    "fields that an SDK left unset, as nulls",
    ask([{ type: "text", text: instruct([]), cache_control: null, citations: null }], {
      system: null,
      stop_sequences: null,
      container: null,
      metadata: null,
      tools: null,
      tool_choice: null,
    }),
  ],
  [
    "user-twice",
    "two user messages one after the other",
    {
      messages: [
        { role: "user", content: "Hello." },
        { role: "user", content: instruct([]) },
      ],
    },
  ],
  [
    "no-tool-wanted",
    "tool_choice none",
    ask(instruct([]), { tools: [WEATHER], tool_choice: { type: "none" } }),
  ],
  [
    "image",
    "an image in base64",
    ask([
      { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } },
      { type: "text", text: instruct([]) },
    ]),
  ],
  [
    "document-text",
    "a document as plain text, with title and context",
    ask([
      {
        type: "document",
        source: { type: "text", media_type: "text/plain", data: "Seven pines." },
        title: "Trees",
        context: "A note.",
      },
      { type: "text", text: instruct([]) },
    ]),
  ],
  [
    "document-content",
    "a document of content blocks",
    ask([
      {
        type: "document",
        source: { type: "content", content: [{ type: "text", text: "Seven pines." }] },
      },
      { type: "text", text: instruct([]) },
    ]),
  ],
  [
    "unicode",
    "characters of every plane",
    ask(`${instruct([])}\nIgnore this: \u{1f9ee} Ωμέγα 数字 \u0000`),
  ],
];

export const messageCases: readonly Case[] = [
  {
    name: "messages/plain",
    group,
    title: "a plain answer has exactly the documented fields",
    async run({ target }) {
      const message = await target.message(ask(instruct([], { answer: "Seven" })));
      expectEqual(message.stop_reason, "end_turn", "stop_reason");
      expectEqual(message.stop_sequence, null, "stop_sequence");
      check(textOf(message) !== "", "The answer has no text.");
      check(
        message.container === undefined || message.container === null,
        "There is a container although no tool was declared.",
      );
    },
  },
  {
    name: "7.6.5/usage",
    group,
    title: "usage.input_tokens and usage.output_tokens are there and more than nothing",
    async run({ target }) {
      const { usage } = await target.message(ask(instruct([])));
      check(usage.input_tokens > 0, "usage.input_tokens is 0.");
      check(usage.output_tokens > 0, "usage.output_tokens is 0.");
    },
  },
  {
    name: "messages/max-tokens",
    group,
    title: "an answer that is too long ends with max_tokens",
    async run({ target }) {
      const message = await target.message(ask(instruct([], { answer: LONG }), { max_tokens: 4 }));
      requireMoreThan(message, 4);
      expectEqual(message.stop_reason, "max_tokens", "stop_reason");
    },
  },
  {
    name: "messages/stop-sequence",
    group,
    title: "a stop sequence ends the answer before itself and is told",
    async run({ target }) {
      const message = await target.message(
        ask(instruct([], { answer: LONG }), { stop_sequences: ["nine"] }),
      );
      if (message.stop_reason === "end_turn" && !textOf(message).includes("eight"))
        throw new Skip("the model did not say the words");
      expectEqual(message.stop_reason, "stop_sequence", "stop_reason");
      expectEqual(message.stop_sequence, "nine", "stop_sequence");
      check(!textOf(message).includes("nine"), "The stop sequence is in the text.");
    },
  },
  {
    name: "messages/prefill",
    group,
    title: "an answer that the client has begun is gone on with",
    async run({ target }) {
      const message = await target.message({
        messages: [
          { role: "user", content: instruct([], { answer: LONG }) },
          { role: "assistant", content: "one two three" },
        ],
      });
      expectEqual(message.stop_reason, "end_turn", "stop_reason");
      check(!textOf(message).startsWith("one two three"), "The beginning is said again.");
    },
  },
  {
    name: "messages/client-tool",
    group,
    title: "a client's tool: tool_use with its input, and the result is taken",
    async run(context) {
      const message = await callWeather(context);
      expectEqual(message.stop_reason, "tool_use", "stop_reason");
      const use = message.content.find((block) => block.type === "tool_use");
      expectEqual(use?.name, WEATHER.name, "name");
      expectEqual(use?.input, { city: "Paris" }, "input");
      const next = await context.target.message({
        tools: [WEATHER],
        messages: [
          { role: "user", content: instruct([askWeather("Paris")]) },
          { role: "assistant", content: message.content },
          {
            role: "user",
            content: [{ type: "tool_result", tool_use_id: use?.id, content: "21 degrees" }],
          },
        ],
      });
      expectEqual(next.stop_reason, "end_turn", "stop_reason after the result");
    },
  },
  {
    name: "messages/tool-choice",
    group,
    title: "tool_choice any and tool are kept",
    async run(context) {
      for (const choice of [{ type: "any" }, { type: "tool", name: WEATHER.name }]) {
        const message = await callWeather(context, { tool_choice: choice });
        expectEqual(message.stop_reason, "tool_use", "stop_reason");
      }
    },
  },
  {
    name: "messages/one-call",
    group,
    title: "disable_parallel_tool_use: one call an answer",
    async run({ target }) {
      const message = await target.message(
        ask(instruct([askWeather("Paris"), askWeather("Rome")], { atOnce: true }), {
          tools: [WEATHER],
          tool_choice: { type: "auto", disable_parallel_tool_use: true },
        }),
      );
      const calls = message.content.filter(({ type }) => type === "tool_use");
      check(calls.length <= 1, `There are ${calls.length} calls.`);
    },
  },
  ...legal.map(([slug, title, body]): Case => ({
    name: `messages/${slug}`,
    group,
    title: `taken: ${title}`,
    run: async ({ target }) => void (await target.message(body)),
  })),
];
