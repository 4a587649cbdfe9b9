/** `GET /v1/models` and `POST /v1/messages/count_tokens`. */
import type { z } from "zod";

import type { Case, Context } from "../case.ts";
import { instruct } from "../instructions.ts";
import { ModelInfo, ModelList, TokenCount } from "../objects.ts";
import { readEnvelope } from "../target.ts";
import { Skip, check, expectEqual, parse, shorten } from "../verdict.ts";
import { WEATHER, anyVersion, declare } from "../versions.ts";

const group = "models and counts";

const COUNT = "/v1/messages/count_tokens";

/** The first case of a path tells that it is not there; the others have nothing to add. */
async function requirePath({ target }: Context, method: string, path: string): Promise<void> {
  const answer = await target.send(method, path, method === "POST" ? { json: {} } : {});
  if (answer.status === 404) throw new Skip(`the server has no ${path}`);
}

async function listOf(context: Context, query = ""): Promise<z.infer<typeof ModelList>> {
  await requirePath(context, "GET", "/v1/models");
  const answer = await context.target.send("GET", `/v1/models${query}`);
  return parse(ModelList, answer.json, "list");
}

async function count({ target }: Context, body: object): Promise<number> {
  const answer = await target.send("POST", COUNT, { json: { model: target.model, ...body } });
  check(answer.status === 200, `The status is ${answer.status}: ${shorten(answer.text)}`);
  return parse(TokenCount, answer.json, "count").input_tokens;
}

const hello = [{ role: "user", content: instruct([]) }];

export const modelCases: readonly Case[] = [
  {
    name: "models/list",
    group,
    title: "the list has documented entries, first_id, last_id and has_more",
    async run({ target }) {
      const answer = await target.send("GET", "/v1/models");
      expectEqual(answer.status, 200, "The status");
      const list = parse(ModelList, answer.json, "list");
      expectEqual(list.first_id, list.data[0]?.id ?? null, "first_id");
      expectEqual(list.last_id, list.data.at(-1)?.id ?? null, "last_id");
    },
  },
  {
    name: "models/limit",
    group,
    title: "limit is kept, and after_id goes on behind it",
    async run(context) {
      const page = await listOf(context, "?limit=1");
      check(page.data.length <= 1, `A page of limit 1 has ${page.data.length} models.`);
      if (!page.has_more) return;
      const next = await listOf(context, `?limit=1&after_id=${page.last_id}`);
      check(next.data[0]?.id !== page.data[0]?.id, "The second page begins as the first.");
    },
  },
  {
    name: "models/one",
    group,
    title: "one model by its id; an unknown one is 404",
    async run(context) {
      const { target } = context;
      const [first] = (await listOf(context)).data;
      if (first !== undefined) {
        const answer = await target.send("GET", `/v1/models/${encodeURIComponent(first.id)}`);
        expectEqual(parse(ModelInfo, answer.json, "model").id, first.id, "id");
      }
      const missing = await target.send("GET", "/v1/models/no-such-model-at-all");
      expectEqual(missing.status, 404, "The status of an unknown model");
      expectEqual(readEnvelope(missing).error.type, "not_found_error", "error.type");
    },
  },
  {
    name: "counts/plain",
    group,
    title: "a longer request counts more tokens",
    async run(context) {
      const short = await count(context, { messages: hello });
      const long = await count(context, {
        messages: [{ role: "user", content: "A longer request. ".repeat(100) }],
      });
      check(short > 0, "The count is 0.");
      check(long > short, `A hundred sentences count ${long}, one counts ${short}.`);
    },
  },
  {
    name: "counts/everything",
    group,
    title: "system, tools, tool_choice and thinking are taken, and tools count",
    async run(context) {
      await requirePath(context, "POST", COUNT);
      const bare = await count(context, { messages: hello });
      const full = await count(context, {
        messages: hello,
        system: "Be brief.",
        tools: [WEATHER],
        tool_choice: { type: "auto" },
        thinking: { type: "enabled", budget_tokens: 1024 },
      });
      check(full > bare, `With a tool the count is ${full}, without ${bare}.`);
    },
  },
  {
    name: "counts/code-execution",
    group,
    title: "a declared code execution tool is taken",
    async run(context) {
      await requirePath(context, "POST", COUNT);
      const version = await anyVersion(context);
      check((await count(context, { messages: hello, tools: [declare(version)] })) > 0, "0 tokens");
    },
  },
  {
    name: "counts/invalid",
    group,
    title: "a request without messages: 400",
    async run(context) {
      const { target } = context;
      await requirePath(context, "POST", COUNT);
      const { status } = await target.refusal({ model: target.model }, { path: COUNT });
      expectEqual(status, 400, "The status");
    },
  },
];
