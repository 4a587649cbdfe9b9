/** Requests that have to be refused: with a 4xx, the documented envelope, and never with a fault. */
import type { Case, Context } from "../case.ts";
import { instruct } from "../instructions.ts";
import { readEnvelope } from "../target.ts";
import { check, expectEqual, shorten } from "../verdict.ts";
import { WEATHER } from "../versions.ts";

const group = "errors";

const HELLO = { role: "user", content: instruct([]) };
const CALL = { type: "tool_use", id: "toolu_1", name: WEATHER.name, input: { city: "Paris" } };

interface BadRequest {
  slug: string;
  title: string;
  /** Over a request that would be fine. */
  change: object;
  /** In the message, so that the user finds the place. */
  names?: string;
}

const BAD: readonly BadRequest[] = [
  { slug: "no-model", title: "model is missing", change: { model: undefined }, names: "model" },
  {
    slug: "no-max-tokens",
    title: "max_tokens is missing",
    change: { max_tokens: undefined },
    names: "max_tokens",
  },
  {
    slug: "max-tokens-zero",
    title: "max_tokens is 0",
    change: { max_tokens: 0 },
    names: "max_tokens",
  },
  {
    slug: "max-tokens-text",
    title: "max_tokens is a text",
    change: { max_tokens: "many" },
    names: "max_tokens",
  },
  {
    slug: "no-messages",
    title: "messages is missing",
    change: { messages: undefined },
    names: "messages",
  },
  {
    slug: "empty-messages",
    title: "messages is empty",
    change: { messages: [] },
    names: "messages",
  },
  {
    slug: "role",
    title: "a role that is not known",
    change: { messages: [{ role: "robot", content: "Hello" }] },
    names: "role",
  },
  {
    slug: "block",
    title: "a content block of an unknown kind",
    change: { messages: [{ role: "user", content: [{ type: "hologram" }] }] },
    names: "messages",
  },
  {
    slug: "tool-version",
    title: "a tool version that is not known",
    change: { tools: [{ type: "code_execution_20991231", name: "code_execution" }] },
    names: "tools",
  },
  {
    slug: "tool-name",
    title: "the code execution tool under another name",
    change: { tools: [{ type: "code_execution_20250825", name: "my_code" }] },
    names: "tools",
  },
  {
    slug: "tool-schema",
    title: "a client tool without input_schema",
    change: { tools: [{ name: "get_weather" }] },
    names: "input_schema",
  },
  {
    slug: "tool-twice",
    title: "two tools of one name",
    change: { tools: [WEATHER, WEATHER] },
    names: "tools",
  },
  {
    slug: "tool-choice",
    title: "tool_choice names a tool that is not declared",
    change: { tools: [WEATHER], tool_choice: { type: "tool", name: "get_time" } },
    names: "tool_choice",
  },
  {
    slug: "orphan-result",
    title: "a tool_result without its tool_use",
    change: {
      tools: [WEATHER],
      messages: [
        HELLO,
        { role: "assistant", content: "Hello." },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "toolu_none", content: "x" }],
        },
      ],
    },
    names: "tool_use",
  },
  {
    slug: "unanswered",
    title: "a client's tool_use that the next message does not answer",
    change: {
      tools: [WEATHER],
      messages: [HELLO, { role: "assistant", content: [CALL] }, HELLO],
    },
    names: "tool_result",
  },
  {
    slug: "container",
    title: "a container that is neither a text nor an object",
    change: { container: 7 },
    names: "container",
  },
];

const refusals: Case[] = BAD.map(({ slug, title, change, names }) => ({
  name: `errors/${slug}`,
  group,
  title: `${title}: 400`,
  async run({ target }) {
    const body = { model: target.model, max_tokens: 64, messages: [HELLO], ...change };
    const { status, error } = await target.refusal(body);
    expectEqual(status, 400, "The status");
    expectEqual(error.type, "invalid_request_error", "error.type");
    if (names !== undefined)
      check(error.message.includes(names), `The message does not name ${names}: ${error.message}`);
  },
}));

/** Bodies that are no requests at all. */
const NONSENSE = [
  "",
  "{",
  "null",
  "[]",
  '"text"',
  "{}",
  '{"model":{}}',
  `{"messages":${"[".repeat(2000)}${"]".repeat(2000)}}`,
];

export const errorCases: readonly Case[] = [
  ...refusals,
  {
    name: "errors/nonsense",
    group,
    title: "a body that is no request: 400, whatever it is",
    async run({ target }) {
      for (const body of NONSENSE) {
        const answer = await target.send("POST", "/v1/messages", {
          body,
          headers: { "content-type": "application/json" },
        });
        check(
          answer.status === 400,
          `The status is ${answer.status} for ${shorten(JSON.stringify(body), 40)}`,
        );
        expectEqual(readEnvelope(answer).error.type, "invalid_request_error", "error.type");
      }
    },
  },
  {
    name: "errors/odd-values",
    group,
    title: "wrong types anywhere: 4xx with an envelope, never a 5xx",
    run: tryOddValues,
  },
  {
    name: "errors/streamed",
    group,
    title: "a streamed request that cannot begin is answered with its status, not with a stream",
    async run({ target }) {
      const { status } = await target.refusal({ model: target.model, stream: true, messages: [] });
      expectEqual(status, 400, "The status");
    },
  },
  {
    name: "errors/path",
    group,
    title: "an unknown path: 404 with an envelope",
    async run({ target }) {
      const answer = await target.send("GET", "/v1/nothing-here");
      expectEqual(answer.status, 404, "The status");
      expectEqual(readEnvelope(answer).error.type, "not_found_error", "error.type");
    },
  },
  {
    name: "errors/method",
    group,
    title: "GET /v1/messages: 404 or 405 with an envelope",
    async run({ target }) {
      const answer = await target.send("GET", "/v1/messages");
      check([404, 405].includes(answer.status), `The status is ${answer.status}.`);
      readEnvelope(answer);
    },
  },
  {
    name: "errors/unknown-file",
    group,
    title: "a file id that is not known, in a block: 4xx",
    async run({ target }) {
      const { status } = await target.refusal({
        model: target.model,
        max_tokens: 64,
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: instruct([]) },
              { type: "document", source: { type: "file", file_id: "file_011CNotHere" } },
            ],
          },
        ],
      });
      check([400, 404].includes(status), `The status is ${status}.`);
    },
  },
];

async function tryOddValues({ target }: Context): Promise<void> {
  const good = {
    model: target.model,
    max_tokens: 64,
    messages: [HELLO],
    system: "Be brief.",
    tools: [WEATHER],
    tool_choice: { type: "auto" },
    stop_sequences: ["STOP"],
    metadata: { user_id: "u" },
    container: "container_x",
  };
  for (const field of Object.keys(good)) {
    for (const value of [-1, true, { type: {} }, [[[]]], ["", null]]) {
      const answer = await target.send("POST", "/v1/messages", {
        json: { ...good, container: undefined, [field]: value },
      });
      const what = `${field}: ${JSON.stringify(value)}`;
      check(answer.status < 500, `The status is ${answer.status} for ${what}`);
      if (answer.status !== 200) readEnvelope(answer);
    }
  }
}
