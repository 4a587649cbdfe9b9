/** What comes back: every block that was ever sent, whole, in pieces, and as clients distort it. */
import type { Case, Context } from "../case.ts";
import type { Block } from "../blocks.ts";
import { instruct } from "../instructions.ts";
import { Skip, check, expectEqual } from "../verdict.ts";
import {
  VERSIONS,
  WEATHER,
  anyVersion,
  declare,
  onlyResult,
  resultsOf,
  take,
  usesOf,
  requireUses,
} from "../versions.ts";

const group = "history";

const BASH_USE = {
  type: "server_tool_use",
  id: "srvtoolu_01Kept",
  name: "bash_code_execution",
  input: { command: "echo kept" },
};
const BASH_RESULT = {
  type: "bash_code_execution_tool_result",
  tool_use_id: "srvtoolu_01Kept",
  content: {
    type: "bash_code_execution_result",
    stdout: "kept\n",
    stderr: "",
    return_code: 0,
    content: [],
  },
};

/** Sends an earlier answer back and asks for one more word. */
async function sendBack(context: Context, content: readonly unknown[], more: object = {}) {
  const version = await anyVersion(context);
  const message = await context.target.message(
    {
      tools: [declare(version), WEATHER],
      messages: [
        { role: "user", content: "Run something." },
        { role: "assistant", content },
        { role: "user", content: instruct([]) },
      ],
      ...more,
    },
    { betas: version.betas },
  );
  expectEqual(message.stop_reason, "end_turn", "stop_reason");
}

/** As an SDK writes a block of its own types: every field that it knows, null where it is unset. */
function withNulls(block: Block): object {
  const unset =
    block.type === "text"
      ? { citations: null }
      : { text: null, citations: null, caller: null, cache_control: null };
  return { ...unset, ...block };
}

export const historyCases: readonly Case[] = [
  ...VERSIONS.map((version): Case => ({
    name: `7.6.8/whole/${version.type.replace("code_execution_", "")}`,
    group,
    title: "a whole answer with thinking, code, its failure and a file goes back as it came",
    async run(context) {
      const output = `import os\nopen(os.path.join(os.environ["OUTPUT_DIR"], "a.txt"), "w").write("a")\nprint("written")`;
      const first = await take(
        context,
        version,
        [version.python(output), version.python("raise ValueError(1)")],
        { body: { max_tokens: 4096, thinking: { type: "enabled", budget_tokens: 1024 } } },
      );
      requireUses(first);
      check(resultsOf(first).length > 0, "There is no result.");
      const second = await take(context, version, [], {
        messages: [
          { role: "user", content: "Run something." },
          { role: "assistant", content: first.content },
        ],
        body: { container: first.container?.id },
      });
      expectEqual(second.stop_reason, "end_turn", "stop_reason");
    },
  })),
  {
    name: "7.6.8/orphan-use",
    group,
    title: "a call whose result a client lost (LangChain, streamed) does not end the conversation",
    run: (context) => sendBack(context, [BASH_USE, { type: "text", text: "It said kept." }]),
  },
  {
    name: "7.6.8/orphan-result",
    group,
    title: "a result whose call was lost",
    run: (context) => sendBack(context, [BASH_RESULT, { type: "text", text: "It said kept." }]),
  },
  {
    name: "7.6.8/empty-input",
    group,
    title: "a call with an empty input",
    run: (context) => sendBack(context, [{ ...BASH_USE, input: {} }, BASH_RESULT]),
  },
  {
    name: "7.6.8/families",
    group,
    title: "results of every family and their errors, whatever version is declared",
    run: (context) => sendBack(context, [...everyFamily()]),
  },
  {
    name: "7.6.8/encrypted",
    group,
    title: "search results with empty encrypted strings, and an encrypted result of code",
    run: (context) =>
      sendBack(context, [
        {
          type: "server_tool_use",
          id: "srvtoolu_01Search",
          name: "web_search",
          input: { query: "pines" },
        },
        {
          type: "web_search_tool_result",
          tool_use_id: "srvtoolu_01Search",
          content: [
            {
              type: "web_search_result",
              url: "https://example.org/",
              title: "",
              encrypted_content: "",
              page_age: null,
            },
          ],
        },
        {
          type: "server_tool_use",
          id: "srvtoolu_01Code",
          name: "code_execution",
          input: { code: "print(1)" },
        },
        {
          type: "code_execution_tool_result",
          tool_use_id: "srvtoolu_01Code",
          content: {
            type: "encrypted_code_execution_result",
            encrypted_stdout: "",
            stderr: "",
            return_code: 0,
            content: [],
          },
        },
        { type: "text", text: "One." },
      ]),
  },
  {
    name: "7.6.8/other-tools",
    group,
    title: "the history of a tool that this request does not declare",
    async run({ target }) {
      const message = await target.message({
        messages: [
          { role: "user", content: "Run something." },
          { role: "assistant", content: [BASH_USE, BASH_RESULT, { type: "text", text: "Kept." }] },
          { role: "user", content: instruct([]) },
        ],
      });
      expectEqual(message.stop_reason, "end_turn", "stop_reason");
    },
  },
  {
    name: "7.7.6/nulls",
    group,
    title: "a content list as the Python SDK sends it, unset fields as nulls",
    async run(context) {
      const version = await anyVersion(context);
      const first = await take(context, version, [version.python("print(6 * 7)")]);
      onlyResult(first);
      const second = await take(context, version, [], {
        messages: [
          { role: "user", content: "Run something." },
          { role: "assistant", content: first.content.map(withNulls) },
        ],
      });
      expectEqual(second.stop_reason, "end_turn", "stop_reason");
    },
  },
  {
    name: "7.6.9/pending",
    group,
    title: "messages that end in an unanswered call: the answer begins with its result",
    async run(context) {
      const { version, asked, pending } = await leaveCallOpen(context);
      const message = await context.target.message(
        {
          tools: [declare(version)],
          messages: [
            { role: "user", content: asked },
            { role: "assistant", content: [pending] },
          ],
        },
        { betas: version.betas },
      );
      const [first] = message.content;
      expectEqual(first?.type, version.resultType, "The first block");
      expectEqual(resultsOf(message)[0]?.tool_use_id, pending.id, "tool_use_id");
      check(!usesOf(message).some(({ id }) => id === pending.id), "The call itself is repeated.");
    },
  },
  {
    name: "7.6.9/pending-streamed",
    group,
    title: "the same, streamed: block 0 is the result",
    async run(context) {
      const { version, asked, pending } = await leaveCallOpen(context);
      const { message } = await context.target.stream(
        {
          tools: [declare(version)],
          messages: [
            { role: "user", content: asked },
            { role: "assistant", content: [pending] },
          ],
        },
        { betas: version.betas },
      );
      expectEqual(message.content[0]?.type, version.resultType, "The first block");
    },
  },
  {
    name: "7.6.10/finishes",
    group,
    title: "a loop of several calls ends in end_turn, not in pause_turn",
    async run(context) {
      const version = await anyVersion(context);
      const numbers = [1, 2, 3, 4, 5];
      const message = await take(
        context,
        version,
        numbers.map((n) => version.python(`print(${n})`)),
      );
      if (usesOf(message).length < 2) throw new Skip("the model made fewer than two calls");
      expectEqual(message.stop_reason, "end_turn", "stop_reason");
      expectEqual(resultsOf(message).length, usesOf(message).length, "The number of results");
    },
  },
];

/** An assistant message as `pause_turn` leaves it: its last call has no result yet. */
async function leaveCallOpen(context: Context) {
  const version = await anyVersion(context);
  const step = version.python("print(6 * 7)");
  const pending = {
    type: "server_tool_use",
    id: "srvtoolu_01Pending",
    name: step.tool,
    input: step.input,
  };
  return { version, asked: instruct([step]), pending };
}

function* everyFamily(): Generator<object> {
  const contents: [string, string, object][] = [
    [
      "code_execution",
      "code_execution_tool_result",
      { type: "code_execution_result", stdout: "1\n", stderr: "", return_code: 0, content: [] },
    ],
    [
      "code_execution",
      "code_execution_tool_result",
      { type: "code_execution_tool_result_error", error_code: "unavailable" },
    ],
    [
      "bash_code_execution",
      "bash_code_execution_tool_result",
      { type: "bash_code_execution_tool_result_error", error_code: "output_file_too_large" },
    ],
    [
      "text_editor_code_execution",
      "text_editor_code_execution_tool_result",
      {
        type: "text_editor_code_execution_view_result",
        file_type: "text",
        content: "a",
        num_lines: 1,
        start_line: 1,
        total_lines: 1,
      },
    ],
    [
      "text_editor_code_execution",
      "text_editor_code_execution_tool_result",
      { type: "text_editor_code_execution_create_result", is_file_update: true },
    ],
    [
      "text_editor_code_execution",
      "text_editor_code_execution_tool_result",
      {
        type: "text_editor_code_execution_str_replace_result",
        old_start: 1,
        old_lines: 1,
        new_start: 1,
        new_lines: 1,
        lines: ["-a", "+b"],
      },
    ],
    [
      "text_editor_code_execution",
      "text_editor_code_execution_tool_result",
      {
        type: "text_editor_code_execution_tool_result_error",
        error_code: "file_not_found",
        error_message: null,
      },
    ],
  ];
  for (const [n, [name, type, content]] of contents.entries()) {
    const id = `srvtoolu_01Family${n}`;
    yield { type: "server_tool_use", id, name, input: {} };
    yield { type, tool_use_id: id, content };
  }
  yield { type: "text", text: "That was all." };
}
