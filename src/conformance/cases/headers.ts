/** What clients send around a request, and what they read around an answer. */
import type { Case, Context } from "../case.ts";
import { instruct } from "../instructions.ts";
import { readEnvelope, type Answer } from "../target.ts";
import { check, expectEqual, shorten } from "../verdict.ts";

const group = "headers";

/** What every dated header that a client of this tool sends looks like. */
const BETAS =
  "code-execution-2025-05-22,code-execution-2025-08-25,skills-2025-10-02,files-api-2025-04-14,interleaved-thinking-2025-05-14,message-threads-2026-08-12";

async function send(
  { target }: Context,
  headers: Record<string, string>,
  path = "/v1/messages",
): Promise<Answer> {
  const answer = await target.send("POST", path, {
    json: {
      model: target.model,
      max_tokens: 64,
      messages: [{ role: "user", content: instruct([]) }],
    },
    headers,
  });
  check(answer.status === 200, `The status is ${answer.status}: ${shorten(answer.text)}`);
  return answer;
}

export const headerCases: readonly Case[] = [
  {
    name: "7.6.1/x-api-key",
    group,
    title: "a key as x-api-key is taken",
    run: async (context) => void (await send(context, { authorization: "" })),
  },
  {
    name: "7.6.1/bearer",
    group,
    title: "a key as Authorization: Bearer is taken, without x-api-key",
    run: async (context) =>
      void (await send(context, {
        "x-api-key": "",
        authorization: `Bearer ${context.target.key}`,
      })),
  },
  {
    name: "7.6.1/version",
    group,
    title: "anthropic-version 2023-06-01, 2026-10-21 and none at all are taken",
    async run(context) {
      for (const version of ["2023-06-01", "2026-10-21", ""])
        await send(context, { "anthropic-version": version });
    },
  },
  {
    name: "7.6.1/beta",
    group,
    title: "every anthropic-beta that clients send is taken, also one that nobody knows",
    async run(context) {
      await send(context, { "anthropic-beta": BETAS });
      await send(context, { "anthropic-beta": "something-new-2031-01-01" });
    },
  },
  {
    name: "7.6.1/query",
    group,
    title: "?beta=true is ignored",
    run: async (context) => void (await send(context, {}, "/v1/messages?beta=true")),
  },
  {
    name: "headers/request-id",
    group,
    title: "an answer and an error carry request-id, which the envelope repeats",
    async run(context) {
      const good = await send(context, {});
      check(good.headers.get("request-id") !== null, "The answer has no request-id.");
      const bad = await context.target.send("POST", "/v1/messages", { json: {} });
      const id = bad.headers.get("request-id");
      check(id !== null, "The error has no request-id.");
      expectEqual(readEnvelope(bad).request_id, id, "request_id of the envelope");
      check(id !== good.headers.get("request-id"), "Two requests have the same id.");
    },
  },
  {
    name: "headers/json",
    group,
    title: "an answer that is not streamed is application/json",
    async run(context) {
      const type = (await send(context, {})).headers.get("content-type") ?? "none";
      check(type.startsWith("application/json"), `The content type is ${type}.`);
    },
  },
  {
    name: "7.7.7/python-2",
    group,
    title: "what the Python SDK 2 sends is taken: Bearer, 2026-10-21, x-stainless headers",
    run: async (context) =>
      void (await send(context, {
        "x-api-key": "",
        authorization: `Bearer ${context.target.key}`,
        "anthropic-version": "2026-10-21",
        accept: "application/json",
        "x-stainless-lang": "python",
        "x-stainless-package-version": "2.12.0",
        "x-stainless-retry-count": "0",
        "x-stainless-timeout": "600",
        "user-agent": "Anthropic/Python 2.12.0",
      })),
  },
];
