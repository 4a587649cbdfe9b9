/** Programmatic tool calling: code calls the client's tools and waits for their answers. */
import type { Case, Context, Version } from "../case.ts";
import { instruct } from "../instructions.ts";
import type { Message } from "../message.ts";
import { Skip, check, expectEqual, shorten } from "../verdict.ts";
import {
  VERSIONS,
  WEATHER,
  declare,
  requireVersion,
  resultsOf,
  stdoutOf,
  usesOf,
} from "../versions.ts";

const group = "programmatic calls";

const CALLER = "code_execution_20260120";
const WEATHER_FROM_CODE = { ...WEATHER, allowed_callers: [CALLER] };

type ToolUse = Extract<Message["content"][number], { type: "tool_use" }>;

interface Exchange {
  version: Version;
  messages: object[];
  answers: Message[];
}

/** Steps of a conversation: what the client says to the calls of an answer. */
type Reply = (uses: readonly ToolUse[]) => object[];

const degrees: Reply = (uses) =>
  uses.map(({ id, input }) => ({
    type: "tool_result",
    tool_use_id: id,
    content: `${String(input.city).length} degrees`,
  }));

async function versionWithCalls(context: Context): Promise<Version> {
  const version = VERSIONS.find(({ type }) => type === CALLER)!;
  await requireVersion(context, version);
  const isTaken = await context.accepts(WEATHER_FROM_CODE);
  if (!isTaken) throw new Skip("the server refuses allowed_callers");
  return version;
}

/** Runs the program and answers its calls until the turn ends. */
async function converse(
  context: Context,
  code: string,
  { reply = degrees, stream = false, tools = [WEATHER_FROM_CODE] as object[] } = {},
): Promise<Exchange> {
  const version = await versionWithCalls(context);
  const asked = instruct([{ tool: "code_execution", input: { code } }]);
  const messages: object[] = [{ role: "user", content: asked }];
  const answers: Message[] = [];
  let container: string | undefined;
  for (let rounds = 0; rounds < 10; rounds++) {
    const body = { tools: [declare(version), ...tools], messages, container };
    const message = stream
      ? (await context.target.stream(body)).message
      : await context.target.message(body);
    answers.push(message);
    container = message.container?.id ?? container;
    if (message.stop_reason !== "tool_use") break;
    const uses = message.content.filter((block) => block.type === "tool_use");
    messages.push(
      { role: "assistant", content: message.content },
      { role: "user", content: reply(uses) },
    );
  }
  if (usesOf(answers[0]!).length === 0) throw new Skip("the model ran no code");
  return { version, messages, answers };
}

function finalStdout({ answers }: Exchange): string {
  const last = answers.at(-1);
  check(last !== undefined && last.stop_reason === "end_turn", `It ended in ${last?.stop_reason}.`);
  const [result] = resultsOf(last);
  check(result !== undefined, "The last answer has no result of the code.");
  return stdoutOf(result);
}

const ONE = 'print("Paris has", await get_weather({"city": "Paris"}))';

export const programmaticCases: readonly Case[] = [
  {
    name: "programmatic/call",
    group,
    title: "code calls a client's tool: tool_use with its caller, then the result of the code",
    async run(context) {
      const exchange = await converse(context, ONE);
      const [first] = exchange.answers;
      const [server] = usesOf(first!);
      const use = first!.content.find((block) => block.type === "tool_use");
      check(use !== undefined, "The first answer has no tool_use.");
      expectEqual(use.input, { city: "Paris" }, "input");
      expectEqual(use.caller, { type: CALLER, tool_id: server?.id }, "caller");
      expectEqual(finalStdout(exchange).trim(), "Paris has 5 degrees", "stdout");
      const last = exchange.answers.at(-1)!;
      expectEqual(
        last.content[0]?.type,
        "code_execution_tool_result",
        "The first block at the end",
      );
      expectEqual(resultsOf(last)[0]?.tool_use_id, server?.id, "tool_use_id");
    },
  },
  {
    name: "7.7.5/container-in-every-answer",
    group,
    title: "every answer with a programmatic call has the container, which runners adopt",
    async run(context) {
      const { answers } = await converse(context, ONE);
      for (const { stop_reason, container } of answers)
        if (stop_reason === "tool_use") check(Boolean(container?.id), "There is no container.");
    },
  },
  {
    name: "programmatic/streamed",
    group,
    title: "the same, streamed: the call is whole in its start",
    async run(context) {
      const exchange = await converse(context, ONE, { stream: true });
      expectEqual(finalStdout(exchange).trim(), "Paris has 5 degrees", "stdout");
    },
  },
  {
    name: "programmatic/in-a-row",
    group,
    title: "one call after the other, variables between them",
    async run(context) {
      const code = `total = 0\nfor city in ["Rome", "Paris", "Warsaw"]:\n    answer = await get_weather({"city": city})\n    total += int(answer.split()[0])\nprint(total)`;
      const exchange = await converse(context, code);
      expectEqual(finalStdout(exchange).trim(), "15", "stdout");
    },
  },
  {
    name: "programmatic/gather",
    group,
    title: "asyncio.gather: several calls in one answer",
    async run(context) {
      const code = `import asyncio\nanswers = await asyncio.gather(*[get_weather({"city": city}) for city in ["Rome", "Paris"]])\nprint(answers)`;
      const exchange = await converse(context, code, {
        reply: (uses) => degrees(uses).toReversed(),
      });
      const calls = exchange.answers[0]!.content.filter(({ type }) => type === "tool_use");
      expectEqual(calls.length, 2, "The number of calls");
      expectEqual(finalStdout(exchange).trim(), "['4 degrees', '5 degrees']", "stdout");
    },
  },
  {
    name: "programmatic/tool-error",
    group,
    title: "a tool that failed is an exception in the code",
    async run(context) {
      const code = `try:\n    await get_weather({"city": "Paris"})\n    print("no exception")\nexcept Exception as error:\n    print("exception:", error)`;
      const exchange = await converse(context, code, {
        reply: (uses) =>
          uses.map(({ id }) => ({
            type: "tool_result",
            tool_use_id: id,
            is_error: true,
            content: "closed today",
          })),
      });
      const stdout = finalStdout(exchange);
      check(stdout.startsWith("exception:"), `stdout is ${shorten(stdout)}`);
      check(stdout.includes("closed today"), `The words are lost: ${shorten(stdout)}`);
    },
  },
  {
    name: "programmatic/text-blocks",
    group,
    title: "the client's answer as text blocks is a text in the code",
    async run(context) {
      const exchange = await converse(context, ONE, {
        reply: (uses) =>
          uses.map(({ id }) => ({
            type: "tool_result",
            tool_use_id: id,
            content: [{ type: "text", text: "warm" }],
          })),
      });
      expectEqual(finalStdout(exchange).trim(), "Paris has warm", "stdout");
    },
  },
  {
    name: "programmatic/no-container",
    group,
    title: "an answer to a call without the container: 400 that names container_id",
    async run(context) {
      const version = await versionWithCalls(context);
      const asked = instruct([{ tool: "code_execution", input: { code: ONE } }]);
      const tools = [declare(version), WEATHER_FROM_CODE];
      const first = await context.target.message({
        tools,
        messages: [{ role: "user", content: asked }],
      });
      const uses = first.content.filter((block) => block.type === "tool_use");
      if (uses.length === 0) throw new Skip("the code called no tool");
      const { status, error } = await context.target.refusal({
        model: context.target.model,
        max_tokens: 64,
        tools,
        messages: [
          { role: "user", content: asked },
          { role: "assistant", content: first.content },
          { role: "user", content: degrees(uses) },
        ],
      });
      expectEqual(status, 400, "The status");
      check(error.message.includes("container"), `The message is ${error.message}`);
    },
  },
  {
    name: "7.6.8/programmatic",
    group,
    title: "a finished exchange of programmatic calls goes back whole",
    async run(context) {
      const { version, messages, answers } = await converse(context, ONE);
      const message = await context.target.message({
        tools: [declare(version), WEATHER_FROM_CODE],
        messages: [
          ...messages,
          { role: "assistant", content: answers.at(-1)!.content },
          { role: "user", content: instruct([]) },
        ],
      });
      expectEqual(message.stop_reason, "end_turn", "stop_reason");
    },
  },
  {
    name: "programmatic/state",
    group,
    title: "variables stay between requests that name the container",
    async run(context) {
      const version = await versionWithCalls(context);
      const run = (code: string, container?: string) =>
        context.target.message({
          tools: [declare(version), WEATHER_FROM_CODE],
          messages: [
            { role: "user", content: instruct([{ tool: "code_execution", input: { code } }]) },
          ],
          container,
        });
      const first = await run("kept = 41\nprint(kept)");
      if (usesOf(first).length === 0) throw new Skip("the model ran no code");
      const second = await run("print(kept + 1)", first.container?.id);
      const [result] = resultsOf(second);
      check(result !== undefined, "There is no result.");
      expectEqual(stdoutOf(result).trim(), "42", "stdout");
    },
  },
];
