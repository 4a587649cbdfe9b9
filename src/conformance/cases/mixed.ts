/** Tools of the server and of the client in one conversation. */
import type { Case, Context, Version } from "../case.ts";
import { instruct } from "../instructions.ts";
import type { Message } from "../message.ts";
import { Skip, check, expectEqual } from "../verdict.ts";
import {
  WEATHER,
  anyVersion,
  askWeather,
  declare,
  resultsOf,
  stdoutOf,
  take,
  usesOf,
  requireUses,
} from "../versions.ts";

const group = "mixed turns";

type ToolUse = Extract<Message["content"][number], { type: "tool_use" }>;

function clientUsesOf({ content }: Message): ToolUse[] {
  return content.filter((block) => block.type === "tool_use");
}

function answerAll(uses: readonly ToolUse[]): object[] {
  return uses.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "21 degrees" }));
}

/** Both kinds of calls in one reply. */
async function callBoth(context: Context): Promise<{
  version: Version;
  asked: string;
  message: Message;
}> {
  const version = await anyVersion(context);
  const steps = [version.python("print(6 * 7)"), askWeather("Paris")];
  const message = await take(context, version, steps, { tools: [WEATHER], atOnce: true });
  if (clientUsesOf(message).length === 0)
    throw new Skip("the model did not call the client's tool");
  if (usesOf(message).length === 0) throw new Skip("the model did not call the server's tool");
  return { version, asked: instruct(steps, { atOnce: true }), message };
}

export const mixedCases: readonly Case[] = [
  {
    name: "mixed/code-then-client",
    group,
    title: "code runs, then the client's tool is called: both are in one answer",
    async run(context) {
      const version = await anyVersion(context);
      const message = await take(
        context,
        version,
        [version.python("print(6 * 7)"), askWeather("Paris")],
        { tools: [WEATHER] },
      );
      requireUses(message);
      expectEqual(message.stop_reason, "tool_use", "stop_reason");
      expectEqual(clientUsesOf(message)[0]?.input, { city: "Paris" }, "The input");
      check(resultsOf(message).length > 0, "The code has no result.");
    },
  },
  {
    name: "7.7.5/container-with-tool-use",
    group,
    title: "an answer that holds a tool_use after code ran has the container",
    async run(context) {
      const version = await anyVersion(context);
      const message = await take(
        context,
        version,
        [version.python("print(6 * 7)"), askWeather("Paris")],
        { tools: [WEATHER] },
      );
      if (clientUsesOf(message).length === 0) throw new Skip("the model did not call the tool");
      check(Boolean(message.container?.id), "There is no container.");
    },
  },
  {
    name: "mixed/deferred",
    group,
    title: "both in one reply: the server's call waits, and the next answer begins with its result",
    async run(context) {
      const { version, asked, message } = await callBoth(context);
      expectEqual(message.stop_reason, "tool_use", "stop_reason");
      const [use] = usesOf(message);
      const ran = resultsOf(message).some((result) => result.tool_use_id === use?.id);
      check(!ran, "The server's call was run before the client answered.");
      const next = await context.target.message(
        {
          tools: [declare(version), WEATHER],
          messages: [
            { role: "user", content: asked },
            { role: "assistant", content: message.content },
            { role: "user", content: answerAll(clientUsesOf(message)) },
          ],
          ...(message.container ? { container: message.container.id } : {}),
        },
        { betas: version.betas },
      );
      const [first] = resultsOf(next);
      expectEqual(next.content[0]?.type, version.resultType, "The first block");
      check(first !== undefined && first.tool_use_id === use?.id, "It is the result of another.");
      expectEqual(stdoutOf(first).trim(), "42", "stdout");
      check(!usesOf(next).some(({ id }) => id === use?.id), "The server's call is repeated.");
    },
  },
  {
    name: "mixed/deferred-streamed",
    group,
    title: "the same, streamed",
    async run(context) {
      const { version, asked, message } = await callBoth(context);
      const { message: next } = await context.target.stream(
        {
          tools: [declare(version), WEATHER],
          messages: [
            { role: "user", content: asked },
            { role: "assistant", content: message.content },
            { role: "user", content: answerAll(clientUsesOf(message)) },
          ],
        },
        { betas: version.betas },
      );
      expectEqual(next.content[0]?.type, version.resultType, "The first block");
    },
  },
  {
    name: "mixed/parallel-clients",
    group,
    title: "several client calls in one reply are answered together, in any order",
    async run(context) {
      const version = await anyVersion(context);
      const steps = [askWeather("Paris"), askWeather("Rome")];
      const message = await take(context, version, steps, { tools: [WEATHER], atOnce: true });
      const uses = clientUsesOf(message);
      if (uses.length < 2) throw new Skip("the model did not make two calls at once");
      const next = await context.target.message(
        {
          tools: [declare(version), WEATHER],
          messages: [
            { role: "user", content: instruct(steps, { atOnce: true }) },
            { role: "assistant", content: message.content },
            { role: "user", content: answerAll(uses).toReversed() },
          ],
        },
        { betas: version.betas },
      );
      expectEqual(next.stop_reason, "end_turn", "stop_reason");
    },
  },
  {
    name: "mixed/tool-error",
    group,
    title: "a client's tool that failed (is_error) is taken",
    async run(context) {
      const version = await anyVersion(context);
      const steps = [askWeather("Paris")];
      const message = await take(context, version, steps, { tools: [WEATHER] });
      const uses = clientUsesOf(message);
      if (uses.length === 0) throw new Skip("the model did not call the tool");
      const results = uses.map(({ id }) => ({
        type: "tool_result",
        tool_use_id: id,
        is_error: true,
        content: [{ type: "text", text: "The weather service is closed." }],
      }));
      await context.target.message(
        {
          tools: [declare(version), WEATHER],
          messages: [
            { role: "user", content: instruct(steps) },
            { role: "assistant", content: message.content },
            { role: "user", content: results },
          ],
        },
        { betas: version.betas },
      );
    },
  },
  {
    name: "mixed/forced-code",
    group,
    title: "tool_choice tool code_execution is taken, once, and the turn ends",
    async run(context) {
      const version = await anyVersion(context);
      const message = await take(context, version, [version.python("print(6 * 7)")], {
        body: { tool_choice: { type: "tool", name: "code_execution" } },
      });
      expectEqual(message.stop_reason, "end_turn", "stop_reason");
      check(usesOf(message).length > 0, "Nothing was run.");
    },
  },
];
