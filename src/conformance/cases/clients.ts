/** What single clients need beyond the rest, found by running them. */
import type { Case, Context } from "../case.ts";
import { instruct } from "../instructions.ts";
import { NativeMessage, type Message } from "../message.ts";
import { readEnvelope } from "../target.ts";
import { Skip, check, expectEqual, parse, shorten } from "../verdict.ts";
import {
  OLDEST,
  WEATHER,
  anyVersion,
  askWeather,
  declare,
  onlyResult,
  requireVersion,
  take,
  toRequest,
} from "../versions.ts";

const group = "clients";

export const clientCases: readonly Case[] = [
  {
    name: "7.7.1/lesson-text",
    group,
    title: "without the beta header, each code_execution_result has its words in text, too",
    async run(context) {
      const message = await takeLesson(
        context,
        "print(6 * 7)\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()",
      );
      const results = message.content.filter((block) => block.type === "code_execution_result");
      for (const { output, text } of results)
        expectEqual(text, output.type === "text" ? output.text : "[Chart generated]", "text");
      check(
        results.some(({ output }) => output.type === "image"),
        "The chart is no image block.",
      );
    },
  },
  {
    name: "7.7.2/lesson-error",
    group,
    title: "an error block of that form has an output of type text",
    async run(context) {
      const message = await takeLesson(context, 'raise ValueError("on purpose")');
      const errors = message.content.filter(
        (block) => block.type === "code_execution_result" && block.is_error,
      );
      check(errors.length > 0, "There is no block with is_error.");
      for (const block of errors)
        check(
          block.type === "code_execution_result" && block.output.type === "text",
          "An error's output is not of type text.",
        );
    },
  },
  {
    name: "7.7.4/threads",
    group,
    title: "thread is kept, or refused so that the tool runners send everything again",
    run: tryThreads,
  },
  {
    name: "7.7.4/runner-fallback",
    group,
    title: "what a runner sends after the refusal: no thread, the whole conversation",
    async run(context) {
      const version = await anyVersion(context);
      const steps = [askWeather("Paris")];
      const first = await take(context, version, steps, { tools: [WEATHER] });
      const use = first.content.find((block) => block.type === "tool_use");
      if (use === undefined) throw new Skip("the model did not call the tool");
      const second = await context.target.message(
        {
          tools: [declare(version), WEATHER],
          messages: [
            { role: "user", content: instruct(steps) },
            { role: "assistant", content: first.content },
            {
              role: "user",
              content: [{ type: "tool_result", tool_use_id: use.id, content: "21 degrees" }],
            },
          ],
        },
        {
          betas: version.betas,
          headers: { "x-stainless-helper": "tool-runner" },
        },
      );
      expectEqual(second.stop_reason, "end_turn", "stop_reason");
    },
  },
  {
    name: "7.7.9/both-ai-sdks",
    group,
    title: "what both AI SDKs send is taken, and nothing is answered that the older one refuses",
    async run(context) {
      const version = await anyVersion(context);
      const body = toRequest(version, [version.python("print(6 * 7)")]);
      // Version 3 of its provider refuses citations: null and container_upload; so do this kit's schemas.
      const headers = {
        "anthropic-version": "2023-06-01",
        "user-agent": "ai-sdk/anthropic/3.0.138 ai-sdk/provider-utils/4.0.0 runtime/node.js/20",
      };
      onlyResult(await context.target.message(body, { betas: version.betas, headers }));
      const { message } = await context.target.stream(body, { betas: version.betas, headers });
      check(Boolean(message.container), "The streamed answer has no container.");
    },
  },
];

/** A turn in the tutorial's form, which only some servers have. */
async function takeLesson(context: Context, code: string): Promise<Message> {
  await requireVersion(context, OLDEST);
  const request = toRequest(OLDEST, [OLDEST.python(code)]);
  const answer = await context.target.send("POST", "/v1/messages", {
    json: { model: context.target.model, max_tokens: 2048, ...request },
  });
  if (answer.status === 400)
    throw new Skip("the server wants the beta header for code_execution_20250522");
  if (!answer.text.includes('"code_execution_result"') || answer.text.includes("_tool_result"))
    throw new Skip("the server has no other form than the native one");
  return context.target.message(request, { form: "lesson" });
}

async function tryThreads({ target }: Context): Promise<void> {
  const steps = [askWeather("Paris")];
  const ask = (body: object) =>
    target.send("POST", "/v1/messages", {
      json: { model: target.model, max_tokens: 256, ...body },
      betas: ["message-threads-2026-08-12"],
    });
  const answer = await ask({
    tools: [WEATHER],
    messages: [{ role: "user", content: instruct(steps) }],
    thread: { type: "create" },
  });
  if (answer.status === 200) {
    const { id, content } = parse(NativeMessage, answer.json, "message");
    const use = content.find((block) => block.type === "tool_use");
    if (use === undefined) throw new Skip("the model did not call the tool");
    // Whoever passes threads over has a result here, and no call that it belongs to.
    const result = { type: "tool_result", tool_use_id: use.id, content: "21 degrees" };
    const next = await ask({
      messages: [{ role: "user", content: [result] }],
      thread: { type: "continue", previous_message_id: id },
    });
    check(next.status === 200, `A thread cannot be continued: ${shorten(next.text)}`);
    return;
  }
  expectEqual(answer.status, 400, "The status");
  const { details } = readEnvelope(answer).error;
  expectEqual(details?.error_code, "thread_unsupported_request", "error.details.error_code");
  expectEqual(details?.unsupported, ["thread"], "error.details.unsupported");
}
