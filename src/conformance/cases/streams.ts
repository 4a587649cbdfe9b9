/** The order and the form of events, without and with code. */
import type { Case, Context } from "../case.ts";
import { BREAK_OFF, instruct } from "../instructions.ts";
import { Skip, check, expectEqual } from "../verdict.ts";
import {
  WEATHER,
  anyVersion,
  askWeather,
  onlyResult,
  resultsOf,
  take,
  takeStreamed,
  textOf,
  requireUses,
  requireMoreThan,
} from "../versions.ts";

const group = "streams";
const ANSWER = "The quick brown fox jumps over the lazy dog.";

function ask(more: object = {}): object {
  return { messages: [{ role: "user", content: instruct([], { answer: ANSWER }) }], ...more };
}

/** A stream in which code runs, folded. */
async function runCode(context: Context) {
  const version = await anyVersion(context);
  const folded = await takeStreamed(context, version, [version.python("print(6 * 7)")]);
  onlyResult(folded.message);
  return folded;
}

export const streamCases: readonly Case[] = [
  {
    name: "streams/plain",
    group,
    title: "message_start, blocks, message_delta, message_stop, in this order and whole",
    async run({ target }) {
      const { message, events } = await target.stream(ask());
      expectEqual(message.stop_reason, "end_turn", "stop_reason");
      check(textOf(message) !== "", "There is no text.");
      const deltas = events.filter(({ type }) => type === "content_block_delta");
      if (textOf(message).length < 10) throw new Skip("the model said a word only");
      check(deltas.length > 1, "The text comes in one piece: this is no stream.");
    },
  },
  {
    name: "streams/as-not-streamed",
    group,
    title: "a streamed turn folds into what it is without streaming",
    async run(context) {
      const version = await anyVersion(context);
      const steps = [version.python("print(6 * 7)")];
      const whole = await take(context, version, steps);
      const { message } = await takeStreamed(context, version, steps);
      const typesOf = ({ content }: typeof whole) =>
        content.map(({ type }) => type).filter((type) => type !== "text" && type !== "thinking");
      onlyResult(whole);
      expectEqual(typesOf(message), typesOf(whole), "The blocks");
      expectEqual(Object.keys(message).toSorted(), Object.keys(whole).toSorted(), "The fields");
    },
  },
  {
    name: "7.6.6/event-lines",
    group,
    title: "event: lines, message_stop at the end",
    async run(context) {
      const { events } = await runCode(context);
      expectEqual(events[0]?.type, "message_start", "The first event");
      expectEqual(events.at(-1)?.type, "message_stop", "The last event");
    },
  },
  {
    name: "7.6.6/ping",
    group,
    title: "ping while code runs",
    async run(context) {
      const version = await anyVersion(context);
      const seconds = context.pingSeconds + 2;
      const code = `import time\ntime.sleep(${seconds})\nprint("awake")`;
      const { message, events } = await takeStreamed(context, version, [version.python(code)]);
      onlyResult(message);
      const isResult = (event: (typeof events)[number]): boolean =>
        event.type === "content_block_start" && event.content_block.type.endsWith("_result");
      const before = events.slice(0, events.findIndex(isResult));
      check(
        before.some(({ type }) => type === "ping"),
        `No ping in ${seconds} seconds of running code.`,
      );
    },
  },
  {
    name: "7.6.6/error-event",
    group,
    title: "an error after the first event is an event named error, and the last",
    async run({ target, isScripted }) {
      if (!isScripted) throw new Skip("only a scripted model breaks off when it is asked to");
      const events = await target.events({ messages: [{ role: "user", content: BREAK_OFF }] });
      const last = events.at(-1);
      check(last?.type === "error", `The last event is ${last?.type}.`);
      expectEqual(last.error.type, "overloaded_error", "error.type");
      check(events.length > 1, "The error is the only event; it should have been a status.");
    },
  },
  {
    name: "7.6.5/delta-usage",
    group,
    title: "every message_delta has usage, and its counters never fall",
    async run(context) {
      const { message, events } = await runCode(context);
      let output = 0;
      for (const event of events) {
        if (event.type !== "message_delta") continue;
        check(event.usage.output_tokens >= output, "usage.output_tokens falls.");
        output = event.usage.output_tokens;
      }
      expectEqual(message.usage.output_tokens, output, "usage.output_tokens");
      check(output > 0, "usage.output_tokens is 0.");
    },
  },
  {
    name: "7.6.5/citations",
    group,
    title: "no citations: null on text, streamed or not",
    async run({ target }) {
      // The schemas of this kit refuse the null.
      await target.message(ask());
      await target.stream(ask());
    },
  },
  {
    name: "7.6.4/blocks",
    group,
    title: "only known blocks and deltas in a turn with thinking, code and a client's tool",
    async run(context) {
      const version = await anyVersion(context);
      const { message } = await takeStreamed(
        context,
        version,
        [version.python("print(6 * 7)"), askWeather("Paris")],
        {
          tools: [WEATHER],
          body: { max_tokens: 4096, thinking: { type: "enabled", budget_tokens: 1024 } },
        },
      );
      requireUses(message);
      check(resultsOf(message).length > 0, "There is no result.");
    },
  },
  {
    name: "7.7.8/thinking",
    group,
    title: "a thinking block begins empty, its words and its signature come as deltas",
    async run({ target }) {
      const { message } = await target.stream(
        ask({ max_tokens: 4096, thinking: { type: "enabled", budget_tokens: 1024 } }),
      );
      const block = message.content.find(({ type }) => type === "thinking");
      if (block === undefined) throw new Skip("the model did not think");
      check(block.type === "thinking" && block.thinking !== "", "The thinking is empty.");
    },
  },
  {
    name: "7.7.8/container",
    group,
    title: "message_delta.delta.container is an object or not there, never null after code ran",
    async run(context) {
      const { events } = await runCode(context);
      const deltas = events.filter((event) => event.type === "message_delta");
      check(
        deltas.every(({ delta }) => delta.container !== null),
        "A message_delta has container: null.",
      );
    },
  },
  {
    name: "streams/max-tokens",
    group,
    title: "a streamed answer that is too long ends with max_tokens",
    async run({ target }) {
      const { message } = await target.stream(ask({ max_tokens: 4 }));
      requireMoreThan(message, 4);
      expectEqual(message.stop_reason, "max_tokens", "stop_reason");
    },
  },
  {
    name: "streams/max-tokens-in-input",
    group,
    title: "max_tokens inside a tool's input ends the turn, and nothing runs",
    async run(context) {
      const version = await anyVersion(context);
      const code = `print("${"long ".repeat(200)}")`;
      // The fold wants input that is JSON: official SDKs end a stream at any other.
      const { message, events } = await context.target.stream(
        {
          tools: [{ type: version.type, name: "code_execution" }],
          messages: [{ role: "user", content: instruct([version.python(code)]) }],
          max_tokens: 60,
        },
        { betas: version.betas },
      );
      // Cut before the call begins, there is nothing of it.
      if (message.stop_reason !== "max_tokens") requireUses(message);
      expectEqual(message.stop_reason, "max_tokens", "stop_reason");
      check(!JSON.stringify(events).includes('"return_code":'), "The half of a program was run.");
    },
  },
];
