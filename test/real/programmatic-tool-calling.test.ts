/** Code that calls the client's tools, over as many requests as it takes. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { calls, says, type Script } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import {
  askMessages,
  askStream,
  post,
  toBody,
  type Answered,
  type WireAnswer,
} from "../fixtures/messages-client.ts";
import { startServer, type TestServer } from "./server.ts";

const CODE_EXECUTION = { type: "code_execution_20260120", name: "code_execution" };
const QUERY = {
  name: "query_database",
  description: "Runs SQL and gives rows as JSON.",
  input_schema: { type: "object", properties: { sql: { type: "string" } }, required: ["sql"] },
  allowed_callers: ["code_execution_20260120"],
};
const TOOLS = [CODE_EXECUTION, QUERY];
const CALLS_MAX = 12;

const director = createDirector();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    provider: director.provider,
    env: {
      CURTA_CLIENT_TOOL_CALLS: String(CALLS_MAX),
      CURTA_TIMEOUT_SECONDS: "3",
      CURTA_CLIENT_TOOL_SECONDS: "5",
    },
  });
});

afterAll(() => server?.close());

interface Block {
  type: string;
  id: string;
  name: string;
  input: Record<string, unknown>;
  caller?: { type: string; tool_id?: string };
  content: { stdout: string; stderr: string; return_code: number; error_code?: string };
  tool_use_id: string;
  [field: string]: unknown;
}

interface Message {
  role: "user" | "assistant";
  content: unknown;
}

type Answer = string | { content?: unknown; is_error?: boolean };

/** A client that keeps the conversation, as the tool runners of the SDKs do. */
class Conversation {
  readonly messages: Message[] = [{ role: "user", content: "How much?" }];
  container: string | undefined;
  readonly answers: WireAnswer[] = [];

  get last(): Block[] {
    return this.answers.at(-1)?.content as unknown as Block[];
  }

  get calls(): Block[] {
    return this.last.filter((block) => block.type === "tool_use");
  }

  get result(): Block["content"] {
    const block = this.last.find(({ type }) => type === "code_execution_tool_result");
    if (block === undefined) throw new Error(`no result in ${JSON.stringify(this.last)}`);
    return block.content;
  }

  async ask(fields: object = {}): Promise<Answered> {
    const answered = await askMessages(server.url, {
      tools: TOOLS,
      messages: this.messages,
      ...(this.container === undefined ? {} : { container: this.container }),
      ...fields,
    });
    if (answered.status === 200) {
      this.answers.push(answered.message);
      this.messages.push({ role: "assistant", content: answered.message.content });
      this.container = answered.message.container?.id ?? this.container;
    }
    return answered;
  }

  /** Answers the open calls, in order. */
  reply(...answers: Answer[]): void {
    const content = this.calls.map(({ id }, index) => {
      const answer = answers[index];
      const fields = typeof answer === "string" ? { content: answer } : answer;
      return { type: "tool_result", tool_use_id: id, ...fields };
    });
    this.messages.push({ role: "user", content });
  }
}

async function begin(code: string, more: Script = [[says("Done.")]], fields: object = {}) {
  director.play([[says("I ask."), calls("code_execution", { code })], ...(more as [])]);
  const talk = new Conversation();
  const answered = await talk.ask(fields);
  expect(answered).toMatchObject({ status: 200 });
  return talk;
}

test("the code sleeps while the client answers, and goes on with what it says", async () => {
  const talk = await begin(
    `import json
print("before")
rows = json.loads(await query_database({"sql": "SELECT 1"}))
print("sum", sum(row["n"] for row in rows))`,
  );
  const [first] = talk.answers;
  expect(first?.stop_reason).toBe("tool_use");
  expect(first?.container).toMatchObject({ id: expect.stringMatching(/^container_/) });
  const [text, use, call] = talk.last;
  expect(text).toMatchObject({ type: "text", text: "I ask." });
  expect(use).toMatchObject({
    type: "server_tool_use",
    name: "code_execution",
    caller: { type: "direct" },
  });
  expect(call).toEqual({
    type: "tool_use",
    id: expect.stringMatching(/^toolu_/),
    name: "query_database",
    input: { sql: "SELECT 1" },
    caller: { type: "code_execution_20260120", tool_id: use?.id },
  });
  talk.reply('[{"n": 40}, {"n": 2}]');
  await talk.ask();
  expect(talk.last).toMatchObject([
    {
      type: "code_execution_tool_result",
      tool_use_id: use?.id,
      content: {
        type: "code_execution_result",
        stdout: "before\nsum 42\n",
        stderr: "",
        return_code: 0,
        content: [],
      },
    },
    { type: "text", text: "Done." },
  ]);
  expect(talk.answers[1]).toMatchObject({
    stop_reason: "end_turn",
    container: { id: talk.container },
  });
});

test("the model reads the code's output, never the client's answers", async () => {
  const talk = await begin(
    `rows = await query_database({"sql": "SELECT secret"})
print(len(rows))`,
    [[says("Five.")], [says("Good.")]],
  );
  const [asked] = director.asked;
  expect(asked?.tools.map((tool) => tool.name)).not.toContain("query_database");
  const description = asked?.tools.find((tool) => tool.name === "code_execution")?.description;
  expect(description).toContain("async def query_database(input: dict) -> str");
  expect(description).toContain(JSON.stringify(QUERY.input_schema));
  talk.reply("abcde");
  await talk.ask();
  talk.messages.push({ role: "user", content: "Thanks." });
  await talk.ask();
  const read = JSON.stringify(director.asked.slice(1).map((request) => request.messages));
  expect(read).not.toContain("abcde");
  expect(read).toContain('"5"');
  expect(director.asked.at(-1)?.messages.map(({ role }) => role)).toEqual([
    "user",
    "assistant",
    "user",
    "assistant",
    "user",
  ]);
});

test("asyncio.gather gives the client all calls at once; each answer finds its call", async () => {
  const talk = await begin(
    `import asyncio
async def one(n):
    await asyncio.sleep(0)
    return await query_database(sql=f"Q{n}")
print(await asyncio.gather(*[one(n) for n in range(5)]))`,
  );
  expect(talk.calls.map(({ input }) => input.sql)).toEqual(["Q0", "Q1", "Q2", "Q3", "Q4"]);
  talk.reply("a", "b", "c", "d", "e");
  await talk.ask();
  expect(talk.result.stdout).toBe("['a', 'b', 'c', 'd', 'e']\n");
});

test("calls one after the other: a request for each, without asking the model", async () => {
  const talk = await begin(
    `for n in range(3):
    print(n, await query_database({"sql": f"Q{n}"}))`,
  );
  for (const answer of ["x", "y", "z"]) {
    expect(talk.calls).toHaveLength(1);
    expect(director.asked).toHaveLength(1);
    talk.reply(answer);
    await talk.ask();
  }
  expect(talk.answers[1]?.usage).toMatchObject({ input_tokens: 0, output_tokens: 0 });
  expect(talk.answers[1]?.content).toHaveLength(1);
  expect(talk.result.stdout).toBe("0 x\n1 y\n2 z\n");
});

test("streamed: the calls come whole, and so does the next answer's result", async () => {
  director.play([
    [calls("code_execution", { code: 'print(await query_database({"sql": "S"}))' }, { chunk: 9 })],
    [says("Done.")],
  ]);
  const messages: Message[] = [{ role: "user", content: "Go." }];
  const { events } = await askStream(server.url, { tools: TOOLS, messages });
  const starts = events.filter(({ type }) => type === "content_block_start");
  const [use, call] = starts.map((event) => event.content_block as Block);
  expect(use).toMatchObject({ type: "server_tool_use", input: {}, caller: { type: "direct" } });
  expect(call).toMatchObject({ name: "query_database", input: { sql: "S" } });
  expect(events.filter(({ index }) => index === 1).map(({ type }) => type)).toEqual([
    "content_block_start",
    "content_block_stop",
  ]);
  const end = events.at(-2) as { delta?: { container?: { id: string }; stop_reason?: string } };
  expect(end.delta).toMatchObject({ stop_reason: "tool_use" });
  const code = { code: 'print(await query_database({"sql": "S"}))' };
  messages.push(
    { role: "assistant", content: [{ ...use, input: code }, call] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: call?.id, content: "hello" }] },
  );
  const container = end.delta?.container?.id;
  const next = await askStream(server.url, { tools: TOOLS, messages, container });
  expect(next.events[0]).toMatchObject({ message: { content: [], container: { id: container } } });
  expect(next.events[1]).toMatchObject({
    index: 0,
    content_block: { type: "code_execution_tool_result", content: { stdout: "hello\n" } },
  });
});

describe("what goes wrong is an exception in the code", () => {
  test("a tool that failed", async () => {
    const talk = await begin(
      `try:
    await query_database({"sql": "S"})
except Exception as error:
    print(type(error).__name__, error)`,
    );
    talk.reply({ content: [{ type: "text", text: "no such table" }], is_error: true });
    await talk.ask();
    expect(talk.result.stdout).toBe("ToolError no such table\n");
  });

  test("one that nobody catches ends the code; the session lives on", async () => {
    const talk = await begin(`x = 5\nawait query_database({"sql": "S"})`, [
      [says("It failed."), calls("code_execution", { code: "print(x)" })],
      [says("5")],
    ]);
    talk.reply({ content: "down for the day", is_error: true });
    await talk.ask();
    expect(talk.result).toMatchObject({ return_code: 1, stdout: "" });
    expect(talk.result.stderr).toContain("ToolError: down for the day");
    const results = talk.last.filter(({ type }) => type === "code_execution_tool_result");
    expect(results[1]?.content).toMatchObject({ stdout: "5\n" });
  });

  test.each([
    [
      "a call without await",
      "rows = query_database({'sql': 'S'})\nprint('after')",
      "was called without await",
    ],
    [
      "its value used",
      "rows = query_database({'sql': 'S'})\nrows[0]",
      "write `await query_database(...)`",
    ],
    [
      "a value that is no JSON",
      "await query_database({'sql': object()})",
      "cannot be part of a tool's input",
    ],
    ["too many values", "await query_database('a', 'b')", "takes one dict"],
  ])("%s", async (_, code, sentence) => {
    const talk = await begin(code);
    expect(talk.calls).toEqual([]);
    expect(talk.result.stderr).toContain(sentence);
  });

  test("more calls than the setting allows", async () => {
    const talk = await begin(
      `import asyncio
outcomes = await asyncio.gather(*[query_database({"sql": str(n)}) for n in range(20)], return_exceptions=True)
print(len([o for o in outcomes if isinstance(o, str)]), [o for o in outcomes if not isinstance(o, str)][0])`,
    );
    expect(talk.calls).toHaveLength(CALLS_MAX);
    talk.reply(...Array.from({ length: CALLS_MAX }, String));
    await talk.ask();
    expect(talk.result.stdout).toBe(
      `${CALLS_MAX} The code may make ${CALLS_MAX} calls of tools in one execution, no more.\n`,
    );
  });
});

test.each([
  [
    "a dict of numpy and pandas values",
    `import numpy as np, pandas as pd
print(await query_database({"sql": np.int64(3), "when": pd.Timestamp("2024-01-02"), "rows": np.arange(2)}))`,
    { sql: 3, when: "2024-01-02T00:00:00", rows: [0, 1] },
  ],
  [
    "a value in the order of the parameters",
    `print(await query_database("SELECT 1"))`,
    { sql: "SELECT 1" },
  ],
  [
    "asyncio.run",
    `import asyncio
async def main():
    return await query_database({"sql": "R"})
print(asyncio.run(main()))`,
    { sql: "R" },
  ],
  [
    "asyncio.run beside top-level await",
    `import asyncio
await asyncio.sleep(0)
async def main():
    return await asyncio.wait_for(query_database({"sql": "T"}), 60)
print(asyncio.run(main()))`,
    { sql: "T" },
  ],
  [
    "create_task",
    `import asyncio
task = asyncio.create_task(query_database({"sql": "C"}))
print(await task)`,
    { sql: "C" },
  ],
  [
    "another thread",
    `import asyncio
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor() as pool:
    print(pool.submit(asyncio.run, query_database({"sql": "P"})).result())`,
    { sql: "P" },
  ],
])("a call from %s", async (_, code, input) => {
  const talk = await begin(code);
  expect(talk.calls[0]?.input).toEqual(input);
  talk.reply("fine");
  await talk.ask();
  expect(talk.result).toMatchObject({ stdout: "fine\n", stderr: "" });
});

test("a session that makes calls up is believed nothing but what a tool's input may be", async () => {
  const talk = await begin(
    `import gc
session = [o for o in gc.get_objects() if type(o).__name__ == "Session"][0]
session.tools.last = 100
session.send_calls([(1, "os.system", b"{}"), (2, "query_database", b"[1]"), (3, "query_database", b"{"),
                    (4, "query_database", b'{"sql": ' + b"[" * 90 + b"]" * 90 + b"}"),
                    (5, "query_database", b'{"sql": "mine"}'), (5, "query_database", b'{"sql": "twice"}')])
print(await query_database({"sql": "real"}))`,
  );
  expect(talk.calls.map(({ input }) => input)).toEqual([{ sql: "mine" }]);
  talk.reply("for nobody");
  await talk.ask();
  expect(talk.calls.map(({ input }) => input)).toEqual([{ sql: "real" }]);
  talk.reply("fine");
  await talk.ask();
  expect(talk.result.stdout).toBe("fine\n");
});

test("three threads with a loop each: every answer finds its own", async () => {
  const talk = await begin(
    `import asyncio
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(3) as pool:
    print(list(pool.map(lambda n: asyncio.run(query_database({"sql": n})), range(3))))`,
  );
  for (let rounds = 0; rounds < 3 && talk.calls.length > 0; rounds += 1) {
    talk.reply(...talk.calls.map(({ input }) => `n${String(input.sql)}`));
    await talk.ask();
  }
  expect(talk.result.stdout).toBe("['n0', 'n1', 'n2']\n");
});

test("a call that is only shown says that it was not awaited", async () => {
  const talk = await begin(`query_database({"sql": "S"})`);
  expect(talk.result.stdout).toContain("write `await query_database(...)`");
});

test("the clock of the code stands still while the client works", async () => {
  const talk = await begin(`print(await query_database({"sql": "S"}))`);
  await new Promise((resolve) => setTimeout(resolve, 3500));
  talk.reply("late");
  await talk.ask();
  expect(talk.result).toMatchObject({ stdout: "late\n", return_code: 0 });
});

test("and goes on when the answer is there", async () => {
  const talk = await begin(`import time\nawait query_database({"sql": "S"})\ntime.sleep(60)`);
  talk.reply("go");
  await talk.ask();
  expect(talk.result.stderr).toContain("longer than the limit of 3 seconds");
});

test("a client that takes too long is a TimeoutError in the code; the result waits for it", async () => {
  const talk = await begin(
    `try:
    await query_database({"sql": "S"})
except TimeoutError as error:
    print(error)`,
  );
  // Past the setting; how far does not matter.
  await new Promise((resolve) => setTimeout(resolve, 5500));
  talk.reply("too late");
  await talk.ask();
  expect(talk.result.stdout).toBe(
    "Calling tool ['query_database'] timed out (no response after 5s).\n",
  );
});

test("code that gives up waiting ends; what the client says then is not needed", async () => {
  const talk = await begin(
    `import asyncio
try:
    await asyncio.wait_for(query_database({"sql": "S"}), 0.2)
except TimeoutError:
    print("gave up")`,
  );
  // Longer than the code waits; how much longer does not matter.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  talk.reply("too late");
  await talk.ask();
  expect(talk.result.stdout).toBe("gave up\n");
});

test("a client that goes away between two requests finds its code waiting", async () => {
  const controller = new AbortController();
  director.play([
    [calls("code_execution", { code: 'print(await query_database({"sql": "S"}))' })],
    [says("Done.")],
  ]);
  const talk = new Conversation();
  const body = JSON.stringify(toBody({ tools: TOOLS, messages: talk.messages, stream: true }));
  const response = await post(server.url, body, {}, controller.signal);
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("event: message_stop")) break;
  }
  controller.abort();
  const blocks = [...text.matchAll(/"content_block":(\{.*\})\}\n/g)].map(
    ([, json]) => JSON.parse(json!) as Block,
  );
  talk.container = /"container":\{"id":"(\w+)"/.exec(text)?.[1];
  talk.messages.push({ role: "assistant", content: blocks });
  const content = [{ type: "tool_result", tool_use_id: blocks[1]?.id, content: "still here" }];
  talk.messages.push({ role: "user", content });
  await talk.ask();
  expect(talk.result.stdout).toBe("still here\n");
});

/** Sends the continuation and goes away as soon as the code has begun to work with the answers. */
async function leaveWhileItRuns(talk: Conversation, stream: boolean): Promise<void> {
  const controller = new AbortController();
  const fields = { tools: TOOLS, messages: talk.messages, container: talk.container, stream };
  const sent = post(server.url, JSON.stringify(toBody(fields)), {}, controller.signal);
  const url = `${server.url}/v1/containers/${talk.container}/files/began`;
  await expect.poll(async () => (await fetch(url)).status, { timeout: 10_000 }).toBe(200);
  controller.abort();
  await expect(sent.then((response) => response.text())).rejects.toThrow(/aborted/);
}

describe("a client that goes away while its answers are worked with, and sends them again", () => {
  const WORK = `import time
rows = await query_database({"sql": "S"})
open("began", "a").write(".")
time.sleep(1)
open("ended", "a").write(".")`;

  test.each([
    ["streamed", true],
    ["not streamed", false],
  ])("%s: the code has run once, and its result is there", async (_, stream) => {
    const talk = await begin(`${WORK}
print(rows, open("ended").read())`);
    talk.reply("fine");
    await leaveWhileItRuns(talk, stream);
    const { messages } = talk;
    const sent = [...messages];
    expect(await talk.ask()).toMatchObject({ status: 200 });
    expect(talk.result).toMatchObject({ stdout: "fine .\n", return_code: 0 });
    expect(talk.last.at(-1)).toMatchObject({ type: "text", text: "Done." });
    // And once more, as if that had been lost, too.
    const result = talk.last[0];
    director.play([[says("Done again.")]]);
    messages.splice(0, messages.length, ...sent);
    await talk.ask();
    expect(talk.last).toEqual([result, expect.objectContaining({ text: "Done again." })]);
  });

  test("the next calls, which it was never told of, are told again", async () => {
    const talk = await begin(`${WORK}
print(rows, await query_database({"sql": "next"}))`);
    talk.reply("first");
    await leaveWhileItRuns(talk, true);
    const sent = [...talk.messages];
    await talk.ask();
    const [next] = talk.calls;
    expect(next?.input).toEqual({ sql: "next" });
    talk.messages.splice(0, talk.messages.length, ...sent);
    await talk.ask();
    expect(talk.calls).toEqual([next]);
    talk.reply("second");
    await talk.ask();
    expect(talk.result.stdout).toBe("first second\n");
  });

  test("at once with the request that is under way: the later one goes on", async () => {
    const talk = await begin(`${WORK}\nprint(rows, open("ended").read())`);
    talk.reply("fine");
    const fields = { tools: TOOLS, messages: talk.messages, container: talk.container };
    const first = askMessages(server.url, fields);
    const url = `${server.url}/v1/containers/${talk.container}/files/began`;
    await expect.poll(async () => (await fetch(url)).status, { timeout: 10_000 }).toBe(200);
    await talk.ask();
    expect(talk.result.stdout).toBe("fine .\n");
    const { status, headers } = await first;
    expect([status, headers.get("x-should-retry")]).toEqual([409, "false"]);
  });
});

describe("refusals", () => {
  test("a continuation without container, without an answer, or with a picture as answer", async () => {
    const talk = await begin(`print(await query_database({"sql": "S"}))`);
    const { container } = talk;
    const id = talk.calls[0]?.id;
    const image = {
      type: "image",
      source: { type: "base64", media_type: "image/png", data: "aGk=" },
    };
    talk.reply({ content: [image] });
    expect(await talk.ask()).toMatchObject({ status: 400 });
    talk.messages.splice(-1, 1, { role: "user", content: "Never mind." });
    expect((await talk.ask()).error?.message).toContain(
      `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${id}`,
    );
    talk.messages.pop();
    talk.reply("fine");
    talk.container = undefined;
    expect((await talk.ask()).error?.message).toBe(
      "container_id is required when there are pending tool uses generated by code execution with tools.",
    );
    // None of that has disturbed the code.
    talk.container = container;
    await talk.ask();
    expect(talk.result.stdout).toBe("fine\n");
  });

  test("another call on the container stops the code; its late answers are told so", async () => {
    const talk = await begin(`value = 1\nprint(await query_database({"sql": "S"}))`);
    director.play([
      [calls("code_execution", { code: "print('mine now')" })],
      [says("Done.")],
      [says("Pity.")],
    ]);
    const other = new Conversation();
    other.container = talk.container;
    await other.ask();
    expect(other.result.stdout).toBe("mine now\n");
    talk.reply("late");
    expect(await talk.ask()).toMatchObject({ status: 200 });
    expect(talk.result).toEqual({
      type: "code_execution_tool_result_error",
      error_code: "unavailable",
    });
  });

  test.each([
    ["strict", { tools: [CODE_EXECUTION, { ...QUERY, strict: true }] }, /strict: true/],
    [
      "disable_parallel_tool_use",
      { tools: TOOLS, tool_choice: { type: "auto", disable_parallel_tool_use: true } },
      /disable_parallel_tool_use/,
    ],
    [
      "tool_choice of a tool for code",
      { tools: TOOLS, tool_choice: { type: "tool", name: "query_database" } },
      /can only be called by code/,
    ],
    [
      "a circular schema",
      {
        tools: [
          CODE_EXECUTION,
          { ...QUERY, input_schema: { type: "object", properties: { next: { $ref: "#" } } } },
        ],
      },
      /Circular \$ref detected/,
    ],
    ["no code execution", { tools: [QUERY] }, /no code execution tool/],
    [
      "an unknown caller",
      { tools: [CODE_EXECUTION, { ...QUERY, allowed_callers: ["me"] }] },
      /allowed_callers\.0/,
    ],
  ])("%s", async (_, fields, message) => {
    const answered = await askMessages(server.url, {
      messages: [{ role: "user", content: "Go." }],
      ...fields,
    });
    expect(answered.status).toBe(400);
    expect(answered.error?.message).toMatch(message);
  });
});

test("a tool for both: the model's call is a direct one", async () => {
  director.play([[calls("query_database", { sql: "S" })], [says("Done.")]]);
  const talk = new Conversation();
  const tools = [
    CODE_EXECUTION,
    { ...QUERY, allowed_callers: ["direct", "code_execution_20260521"] },
  ];
  await talk.ask({ tools });
  expect(talk.calls).toMatchObject([{ name: "query_database", caller: { type: "direct" } }]);
  expect(director.asked[0]?.tools.map(({ name }) => name)).toContain("query_database");
});

test("with code_execution_20250825, as the clients of its days declare it", async () => {
  const type = "code_execution_20250825";
  const tools = [
    { ...CODE_EXECUTION, type },
    { ...QUERY, allowed_callers: [type] },
  ];
  const talk = await begin(`print(await query_database({"sql": "S"}))`, undefined, { tools });
  expect(talk.calls).toMatchObject([{ caller: { type, tool_id: talk.last[1]?.id } }]);
  talk.reply("fine");
  await talk.ask({ tools });
  expect(talk.result.stdout).toBe("fine\n");
});

test("a shell command and code that waits, in one reply: each has its result, in order", async () => {
  director.play([
    [
      calls("bash_code_execution", { command: "echo one > file.txt" }),
      calls("code_execution", { code: 'print(await query_database({"sql": "S"}))' }),
      calls("bash_code_execution", { command: "cat file.txt" }),
    ],
    [says("Done.")],
  ]);
  const talk = new Conversation();
  await talk.ask();
  expect(talk.last.map(({ type }) => type)).toEqual([
    "server_tool_use",
    "server_tool_use",
    "server_tool_use",
    "bash_code_execution_tool_result",
    "tool_use",
  ]);
  talk.reply("two");
  await talk.ask();
  expect(talk.last).toMatchObject([
    { type: "code_execution_tool_result", content: { stdout: "two\n" } },
    { type: "bash_code_execution_tool_result", content: { stdout: "one\n" } },
    { type: "text", text: "Done." },
  ]);
});
