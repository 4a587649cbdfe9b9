/** LangChain's JavaScript client against a real server: only its base URL and its key are changed. */
import { ChatAnthropic, tools } from "@langchain/anthropic";
import { HumanMessage, ToolMessage, type AIMessageChunk } from "@langchain/core/messages";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { calls, says, thinks, type ScriptStep } from "../../src/providers/scripted.ts";
import { createDirector } from "../fixtures/director.ts";
import { startServer, type TestServer } from "../real/server.ts";

const director = createDirector();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({ provider: director.provider });
});

afterAll(() => server?.close());

interface Version {
  name: string;
  declaration: Parameters<ChatAnthropic["bindTools"]>[0][number];
  betas: string[];
  use: string;
  run: (code: string) => ScriptStep;
  result: string;
  /** Whether the client sends results of this kind back. */
  sendsResults: boolean;
}

const VERSIONS: Version[] = [
  {
    name: "code_execution_20250522",
    declaration: { type: "code_execution_20250522", name: "code_execution" },
    betas: ["code-execution-2025-05-22"],
    use: "code_execution",
    run: (code) => calls("code_execution", { code }, { chunk: 5 }),
    result: "code_execution_tool_result",
    sendsResults: false,
  },
  {
    name: "tools.codeExecution_20250825",
    declaration: tools.codeExecution_20250825(),
    // The client adds the beta header itself.
    betas: [],
    use: "bash_code_execution",
    run: (code) =>
      calls(
        "bash_code_execution",
        { command: `python3 - <<'PROGRAM'\n${code}\nPROGRAM` },
        { chunk: 5 },
      ),
    result: "bash_code_execution_tool_result",
    sendsResults: true,
  },
];

const WEATHER = {
  name: "get_weather",
  description: "The weather of a city",
  input_schema: {
    type: "object" as const,
    properties: { city: { type: "string" } },
    required: ["city"],
  },
};

describe.each(VERSIONS)("$name", ({ declaration, betas, use, run, result, sendsResults }) => {
  const connect = (container?: string) =>
    new ChatAnthropic({
      model: "claude-sonnet-4-5",
      apiKey: "any",
      anthropicApiUrl: server.url,
      maxRetries: 0,
      betas,
      ...(container !== undefined && { invocationKwargs: { container } }),
    }).bindTools([declaration, WEATHER]);

  const scene = (code: string): ScriptStep[][] => [
    [thinks("I will compute it."), says("Let me compute it.", { chunk: 4 }), run(code)],
    [says("It is 42.", { chunk: 4 })],
  ];

  test("invoke: every block and the container", async () => {
    director.play(scene("print(6 * 7)"));
    const message = await connect().invoke("What is 6 * 7?");
    expect(typesOf(message)).toEqual(["thinking", "text", "server_tool_use", result, "text"]);
    expect(JSON.stringify(message.content)).toContain('"stdout":"42\\n"');
    expect(message.text).toContain("It is 42.");
    expect(message.response_metadata.container).toMatchObject({
      id: expect.stringMatching(/^container_/),
    });
    expect(message.usage_metadata?.output_tokens).toBeGreaterThan(0);
    expect(message.tool_calls).toEqual([]);
  });

  test("stream: text and call come in pieces", async () => {
    director.play(scene("print(6 * 7)"));
    let whole: AIMessageChunk | undefined;
    let pieces = 0;
    for await (const chunk of await connect().stream("What is 6 * 7?")) {
      whole = whole === undefined ? chunk : whole.concat(chunk);
      pieces += 1;
    }
    expect(pieces).toBeGreaterThan(5);
    expect(whole?.text).toContain("It is 42.");
    expect(JSON.stringify(whole?.content)).toContain(use);
  });

  test("a second turn after invoke, in the same container", async () => {
    const ask = new HumanMessage("Keep a number.");
    director.play(scene('open("/tmp/number.txt", "w").write("41")\nprint("kept")'));
    const first = await connect().invoke([ask]);
    const { id } = first.response_metadata.container as { id: string };
    director.play([[run('print(int(open("/tmp/number.txt").read()) + 1)')], [says("42 now.")]]);
    const second = await connect(id).invoke([ask, first, new HumanMessage("Add one.")]);
    expect(second.response_metadata.container).toMatchObject({ id });
    expect(JSON.stringify(second.content)).toContain('"stdout":"42\\n"');
    const told = JSON.stringify(director.asked[0]?.messages);
    expect(told).toContain("number.txt");
    if (sendsResults) expect(told).toMatch(/"tool_result".*kept/);
    else expect(told).toContain("not part of the conversation any more");
  });

  test("a second turn after stream, whose results this client loses, goes on", async () => {
    const ask = new HumanMessage("Run it.");
    director.play(scene("print(6 * 7)"));
    let first: AIMessageChunk | undefined;
    for await (const chunk of await connect().stream([ask]))
      first = first === undefined ? chunk : first.concat(chunk);
    director.play([[says("Yes, 42.")]]);
    const second = await connect().invoke([ask, first!, new HumanMessage("Sure?")]);
    expect(second.text).toContain("Yes, 42.");
    expect(JSON.stringify(director.asked[0]?.messages)).toContain("It is 42.");
  });

  test("a client's tool after the code", async () => {
    const ask = new HumanMessage("How is the weather?");
    director.play([
      [run("print(6 * 7)")],
      [calls("get_weather", { city: "Paris" })],
      [says("Warm in Paris.")],
    ]);
    const first = await connect().invoke([ask]);
    expect(first.tool_calls).toMatchObject([{ name: "get_weather", args: { city: "Paris" } }]);
    const { id } = first.response_metadata.container as { id: string };
    const answer = new ToolMessage({
      tool_call_id: first.tool_calls![0]!.id!,
      content: "21 degrees",
    });
    const last = await connect(id).invoke([ask, first, answer]);
    expect(last.text).toContain("Warm in Paris.");
    expect(JSON.stringify(director.asked[2]?.messages)).toContain("21 degrees");
  });
});

test("an error has its status", async () => {
  const model = new ChatAnthropic({
    model: "claude-sonnet-4-5",
    apiKey: "any",
    anthropicApiUrl: server.url,
    maxRetries: 0,
    invocationKwargs: { container: "container_gone" },
  });
  await expect(model.bindTools([VERSIONS[0]!.declaration]).invoke("Hello")).rejects.toMatchObject({
    status: 404,
  });
});

function typesOf({ content }: { content: unknown }): string[] {
  return (content as { type: string }[]).map(({ type }) => type);
}
