/** Web search and web fetch: declarations, blocks and counters, whatever is found. */
import type { Case, Context } from "../case.ts";
import { instruct, type Step } from "../instructions.ts";
import type { Message } from "../message.ts";
import { Skip, check, expectEqual } from "../verdict.ts";
import { usesOf, type ResultBlock } from "../versions.ts";

const group = "web";

const SEARCH = { type: "web_search_20250305", name: "web_search" };
const FETCH = { type: "web_fetch_20250910", name: "web_fetch" };
/** A function of the code, where nothing else is said. */
const SEARCH_FROM_CODE = { type: "web_search_20260209", name: "web_search" };
const FETCH_BETA = "web-fetch-2025-09-10";
const search = (query: string): Step => ({ tool: "web_search", input: { query } });

async function requireTool(context: Context, tool: object): Promise<void> {
  const { type } = tool as { type: string };
  if (!(await context.accepts(tool, [FETCH_BETA])))
    throw new Skip(`the server does not take ${type}`);
}

async function find(
  context: Context,
  steps: readonly Step[],
  more: object = {},
  stream = false,
): Promise<Message> {
  await requireTool(context, SEARCH);
  const body = {
    tools: [{ ...SEARCH, ...more }],
    messages: [{ role: "user", content: instruct(steps) }],
  };
  const message = stream
    ? (await context.target.stream(body)).message
    : await context.target.message(body);
  if (usesOf(message).length === 0) throw new Skip("the model did not search");
  return message;
}

function searchResultsOf(message: Message): ResultBlock[] {
  return message.content.filter((block) => block.type === "web_search_tool_result");
}

/** A program that searches; what it prints may come encrypted, so only the blocks around it are looked at. */
async function findFromCode(
  context: Context,
  stream = false,
): Promise<{ message: Message; question: string }> {
  await requireTool(context, SEARCH_FROM_CODE);
  const code = 'print(len(await web_search({"query": "pine trees"})) > 0)';
  const question = instruct([{ tool: "code_execution", input: { code } }]);
  const body = { tools: [SEARCH_FROM_CODE], messages: [{ role: "user", content: question }] };
  const message = stream
    ? (await context.target.stream(body)).message
    : await context.target.message(body);
  if (usesOf(message)[0]?.name !== "code_execution") throw new Skip("the model ran no code");
  return { message, question };
}

function checkFromCode(message: Message): void {
  const [code, call] = usesOf(message);
  expectEqual(call?.name, "web_search", "The name of the call");
  expectEqual(call?.input, { query: "pine trees" }, "The input");
  const caller = { type: "code_execution_20260120", tool_id: code?.id };
  expectEqual(call?.caller, caller, "The caller of the call");
  const [result] = searchResultsOf(message);
  check(result !== undefined, "The search has no result block.");
  expectEqual(result.tool_use_id, call?.id, "tool_use_id");
  expectEqual((result as { caller?: unknown }).caller, caller, "The caller of the result");
  const types = message.content.map(({ type }) => type);
  check(
    types.indexOf("web_search_tool_result") < types.indexOf("code_execution_tool_result"),
    "The code's result is not behind what it has found.",
  );
  check(Boolean(message.container?.id), "There is no container.");
}

export const webCases: readonly Case[] = [
  {
    name: "web/declared",
    group,
    title: "web_search_20250305 is taken, with every parameter",
    async run({ target }) {
      await target.message({
        tools: [
          {
            ...SEARCH,
            max_uses: 3,
            allowed_domains: ["example.org"],
            user_location: { type: "approximate", city: "Paris", country: "FR" },
            cache_control: { type: "ephemeral" },
          },
        ],
        messages: [{ role: "user", content: instruct([]) }],
      });
    },
  },
  {
    name: "web/search",
    group,
    title: "a search: server_tool_use with its query, then results or an error block, in a 200",
    async run(context) {
      const message = await find(context, [search("pine trees")]);
      const [use] = usesOf(message);
      expectEqual(use?.name, "web_search", "The name of the call");
      expectEqual(use?.input, { query: "pine trees" }, "The input");
      const [result] = searchResultsOf(message);
      check(result !== undefined, "The search has no result block.");
      expectEqual(result.tool_use_id, use?.id, "tool_use_id");
      expectEqual(message.stop_reason, "end_turn", "stop_reason");
    },
  },
  {
    name: "web/streamed",
    group,
    title: "the same, streamed: the query in deltas, the results whole",
    async run(context) {
      const message = await find(context, [search("pine trees")], {}, true);
      check(searchResultsOf(message).length === 1, "There is not one result block.");
    },
  },
  {
    name: "web/counter",
    group,
    title: "usage.server_tool_use.web_search_requests counts the searches that did not fail",
    async run(context) {
      const message = await find(context, [search("pine trees"), search("oak trees")]);
      const good = searchResultsOf(message).filter(({ content }) => Array.isArray(content));
      const counted = message.usage.server_tool_use?.web_search_requests ?? 0;
      expectEqual(counted, good.length, "web_search_requests");
    },
  },
  {
    name: "web/max-uses",
    group,
    title: "a search beyond max_uses is an error block with max_uses_exceeded",
    async run(context) {
      const message = await find(context, [search("pine trees"), search("oak trees")], {
        max_uses: 1,
      });
      const [, second] = searchResultsOf(message);
      if (second === undefined) throw new Skip("the model searched once");
      expectEqual(
        second.content,
        { type: "web_search_tool_result_error", error_code: "max_uses_exceeded" },
        "The second result",
      );
    },
  },
  {
    name: "web/both-domain-lists",
    group,
    title: "allowed_domains and blocked_domains together: 400",
    async run(context) {
      await requireTool(context, SEARCH);
      const { status } = await context.target.refusal({
        model: context.target.model,
        max_tokens: 64,
        tools: [{ ...SEARCH, allowed_domains: ["a.org"], blocked_domains: ["b.org"] }],
        messages: [{ role: "user", content: instruct([]) }],
      });
      expectEqual(status, 400, "The status");
    },
  },
  {
    name: "web/from-code",
    group,
    title:
      "code calls web_search_20260209: the call and its result have their caller, before the code's result",
    async run(context) {
      const { message } = await findFromCode(context);
      checkFromCode(message);
    },
  },
  {
    name: "web/from-code-streamed",
    group,
    title: "the same, streamed: the call is whole in its start",
    async run(context) {
      const { message } = await findFromCode(context, true);
      checkFromCode(message);
    },
  },
  {
    name: "web/from-code-taken-back",
    group,
    title: "an answer in which code has searched goes back whole",
    async run(context) {
      const { message, question } = await findFromCode(context);
      const next = await context.target.message({
        tools: [SEARCH_FROM_CODE],
        messages: [
          { role: "user", content: question },
          { role: "assistant", content: message.content },
          { role: "user", content: instruct([]) },
        ],
        container: message.container?.id,
      });
      expectEqual(next.stop_reason, "end_turn", "stop_reason");
    },
  },
  {
    name: "web/taken-back",
    group,
    title: "an answer with a search goes back whole, also with its encrypted strings emptied",
    async run(context) {
      const message = await find(context, [search("pine trees")]);
      const emptied = JSON.parse(
        JSON.stringify(message.content, (key, value: unknown) =>
          key.startsWith("encrypted_") ? "" : value,
        ),
      ) as unknown;
      for (const content of [message.content, emptied]) {
        const next = await context.target.message({
          tools: [SEARCH],
          messages: [
            { role: "user", content: "Search for trees." },
            { role: "assistant", content },
            { role: "user", content: instruct([]) },
          ],
        });
        expectEqual(next.stop_reason, "end_turn", "stop_reason");
      }
    },
  },
  {
    name: "web/fetch",
    group,
    title: "a fetch: server_tool_use, then the document or an error block, in a 200",
    async run(context) {
      await requireTool(context, FETCH);
      const url = "https://nothing.invalid/page";
      const message = await context.target.message(
        {
          tools: [FETCH],
          messages: [
            {
              role: "user",
              content: instruct([{ tool: "web_fetch", input: { url } }]),
            },
          ],
        },
        { betas: [FETCH_BETA] },
      );
      if (usesOf(message).length === 0) throw new Skip("the model did not fetch");
      const result = message.content.find((block) => block.type === "web_fetch_tool_result");
      check(result !== undefined, "The fetch has no result block.");
      expectEqual(result.tool_use_id, usesOf(message)[0]?.id, "tool_use_id");
    },
  },
];
