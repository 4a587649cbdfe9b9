import { expect, test } from "vitest";

import { GatewayError } from "../errors.ts";
import type { ModelEvent, ModelRequest, ModelStopReason, Provider } from "../providers/provider.ts";
import type { Container, Containers } from "../sandbox/sandbox.ts";
import { withoutHistory } from "../../test/support/without-history.ts";
import type { Tool } from "../tools/tool.ts";
import type { TurnEvent } from "./events.ts";
import { runTurn } from "./loop.ts";
import { createCutUses } from "./cut-uses.ts";
import { createWaitingExecutions } from "./waiting-executions.ts";
import type { TurnDeps, TurnFile, TurnRequest } from "./turn.ts";

type Answer =
  | ModelEvent[]
  | ((request: ModelRequest, signal: AbortSignal) => AsyncIterable<ModelEvent>);

const USAGE = { inputTokens: 10, outputTokens: 5 };

function end(stopReason: ModelStopReason): ModelEvent {
  return { type: "end", stopReason, stopSequence: null, usage: USAGE };
}
const START: ModelEvent = {
  type: "start",
  model: "real-model",
  usage: { inputTokens: 10, outputTokens: 0 },
};
const say = (text: string): ModelEvent[] => [
  { type: "text-start" },
  { type: "text-delta", text },
  { type: "block-end" },
];
const call = (name: string, json: string, id = "call_1"): ModelEvent[] => [
  { type: "tool-use-start", id, name },
  { type: "tool-use-delta", partialJson: json },
  { type: "block-end" },
];
const answer = (text: string): ModelEvent[] => [START, ...say(text), end("end_turn")];
const calls = (...events: ModelEvent[][]): ModelEvent[] => [
  START,
  ...events.flat(),
  end("tool_use"),
];

/** A model that gives its answers in order, and remembers what it was asked. */
function scripted(answers: Answer[], seesImages = false): Provider & { asked: ModelRequest[] } {
  const asked: ModelRequest[] = [];
  return {
    kind: "scripted",
    model: null,
    seesImages,
    asked,
    async *stream(request, signal) {
      asked.push({ ...request, messages: structuredClone(request.messages) });
      const next = answers[asked.length - 1];
      if (next === undefined) throw new Error("The script is over.");
      yield* typeof next === "function" ? next(request, signal) : next;
    },
    countTokens: async () => 0,
    close: async () => {},
  };
}

/** A tool that says what it was given; `image` makes a picture, `container` asks for the container. */
function echo(): Tool & { inputs: unknown[] } {
  const inputs: unknown[] = [];
  return {
    definition: { name: "code_execution", description: "", input_schema: {} },
    inputs,
    async *run(input, context) {
      inputs.push(input);
      if (input.code === "container") await context.container();
      const image = {
        type: "image" as const,
        source: { type: "base64" as const, media_type: "image/gif", data: "R0lG" },
      };
      const content =
        input.code === "image"
          ? [image]
          : [{ type: "text" as const, text: `ran ${String(input.code)}` }];
      yield { type: "result", content, isError: false, output: null };
    },
  };
}

function memoryContainers(
  present: string[] = [],
): Containers & { written: string[]; created: number } {
  const written: string[] = [];
  const expiresAt = new Date("2026-11-22T12:00:00Z");
  const open = (id: string): Container => ({
    id,
    createdAt: expiresAt,
    expiresAt,
    execute: () => {
      throw new Error("not used here");
    },
    writeFile: async (path) => void written.push(path),
    readFile: async () => Buffer.alloc(0),
    history: withoutHistory,
    look: async () => ({ type: "folder", entries: [] }),
    edit: async () => false,
    listFiles: async () => present.map((path) => ({ path, sizeBytes: 0, modifiedMs: 0 })),
  });
  return {
    written,
    created: 0,
    async create() {
      this.created += 1;
      return open("container_new");
    },
    async get(id) {
      if (id !== "container_1") throw new GatewayError("not_found", `There is no container ${id}.`);
      return open(id);
    },
    list: () => [],
    delete: async () => {},
    close: async () => {},
  };
}

function request(
  more: Partial<TurnRequest> = {},
  prompt: Partial<TurnRequest["prompt"]> = {},
): TurnRequest {
  return {
    prompt: {
      model: "asked-model",
      system: [],
      messages: [{ role: "user", content: [{ type: "text", text: "q" }] }],
      maxTokens: 1000,
      stopSequences: [],
      ...prompt,
    },
    clientTools: [],
    serverTools: ["code_execution"],
    containerId: null,
    files: [],
    pending: [],
    codeTools: [],
    serverFunctions: [],
    onlyFunctions: [],
    serverToolMark: {},
    answers: new Map(),
    callers: new Set(),
    ...more,
  };
}

function setup(
  answers: Answer[],
  more: {
    seesImages?: boolean;
    executionsPerTurn?: number;
    webRequestsPerTurn?: number;
    containers?: Containers;
  } = {},
) {
  const provider = scripted(answers, more.seesImages);
  const tool = echo();
  let ids = 0;
  const deps: TurnDeps = {
    provider,
    containers: more.containers ?? memoryContainers(),
    tools: new Map([["code_execution", tool]]),
    cutUses: createCutUses(),
    waiting: createWaitingExecutions({ callMs: 1000, newId: (prefix) => `${prefix}_1` }),
    executionsPerTurn: more.executionsPerTurn ?? 10,
    webRequestsPerTurn: more.webRequestsPerTurn ?? 10,
    newId: (prefix) => `${prefix}_${++ids}`,
  };
  return { provider, tool, deps };
}

async function run(
  given: TurnRequest,
  deps: TurnDeps,
  signal = new AbortController().signal,
): Promise<TurnEvent[]> {
  const events: TurnEvent[] = [];
  for await (const event of runTurn(given, deps, signal)) events.push(event);
  return events;
}

const types = (events: TurnEvent[]) => events.map((event) => event.type);
const last = (events: TurnEvent[]) => events.at(-1);

test("an answer in words", async () => {
  const { deps, provider } = setup([answer("hello")]);
  const events = await run(request(), deps);
  expect(types(events)).toEqual([
    "turn-start",
    "text-start",
    "text-delta",
    "block-end",
    "usage",
    "turn-end",
  ]);
  expect(events[0]).toEqual({
    type: "turn-start",
    model: "asked-model",
    usage: START.usage,
    container: null,
  });
  expect(last(events)).toMatchObject({ stopReason: "end_turn", usage: USAGE, container: null });
  expect(provider.asked[0]).toMatchObject({
    model: "asked-model",
    tools: [{ name: "code_execution" }],
    attachments: [],
  });
});

test("code runs between two samplings, and usage adds up", async () => {
  const { deps, provider, tool } = setup([
    [START, ...say("I will compute."), ...call("code_execution", '{"code":"1"}'), end("tool_use")],
    answer("done"),
  ]);
  const events = await run(request(), deps);
  expect(tool.inputs).toEqual([{ code: "1" }]);
  expect(
    events.filter((event) => event.type === "tool-use-start" || event.type === "tool"),
  ).toMatchObject([
    { type: "tool-use-start", id: "srvtoolu_1", name: "code_execution", serverTool: true },
    { type: "tool", toolUseId: "srvtoolu_1", event: { type: "result" } },
  ]);
  expect(provider.asked[1]?.messages.slice(1)).toEqual([
    {
      role: "assistant",
      content: [
        { type: "text", text: "I will compute." },
        { type: "tool_use", id: "srvtoolu_1", name: "code_execution", input: { code: "1" } },
      ],
    },
    {
      role: "user",
      content: [
        {
          type: "tool_result",
          tool_use_id: "srvtoolu_1",
          content: [{ type: "text", text: "ran 1" }],
          is_error: false,
        },
      ],
    },
  ]);
  expect(last(events)).toMatchObject({ usage: { inputTokens: 20, outputTokens: 10 } });
  expect(provider.asked[1]?.maxTokens).toBe(995);
});

test("several uses of one sampling run in order, each once", async () => {
  const { deps, tool } = setup([
    calls(call("code_execution", '{"code":"a"}', "x"), call("code_execution", '{"code":"b"}', "x")),
    answer("done"),
  ]);
  const events = await run(request(), deps);
  expect(tool.inputs).toEqual([{ code: "a" }, { code: "b" }]);
  expect(events.flatMap((event) => (event.type === "tool" ? event.toolUseId : []))).toEqual([
    "srvtoolu_1",
    "srvtoolu_2",
  ]);
});

test("a client's tool ends the turn; a server's use beside it waits", async () => {
  const { deps, tool } = setup([
    calls(call("code_execution", '{"code":"1"}'), call("weather", "{}", "call_7")),
  ]);
  const clientTools = [{ name: "weather", description: "", input_schema: {} }];
  const events = await run(request({ clientTools }), deps);
  expect(tool.inputs).toEqual([]);
  expect(events.filter((event) => event.type === "tool-use-start")).toMatchObject([
    { id: "srvtoolu_1", serverTool: true },
    { id: "call_7", name: "weather", serverTool: false },
  ]);
  expect(last(events)).toMatchObject({ stopReason: "tool_use" });
});

test("what waited runs first, and its result joins the client's", async () => {
  const { deps, provider } = setup([answer("done")]);
  const pending = [
    { type: "tool_use" as const, id: "s1", name: "code_execution", input: { code: "late" } },
  ];
  const messages = [
    {
      role: "assistant" as const,
      content: [...pending, { type: "tool_use" as const, id: "t1", name: "weather", input: {} }],
    },
    {
      role: "user" as const,
      content: [{ type: "tool_result" as const, tool_use_id: "t1", content: "sunny" }],
    },
  ];
  const events = await run(request({ pending }, { messages }), deps);
  expect(types(events).slice(0, 2)).toEqual(["turn-start", "tool"]);
  expect(provider.asked[0]?.messages.at(-1)?.content).toMatchObject([
    { tool_use_id: "s1", content: [{ text: "ran late" }] },
    { tool_use_id: "t1", content: "sunny" },
  ]);
});

test("an id that a model's server gives again is replaced", async () => {
  const used = { type: "tool_use" as const, id: "call_0", name: "weather", input: {} };
  const messages = [
    { role: "assistant" as const, content: [used] },
    {
      role: "user" as const,
      content: [{ type: "tool_result" as const, tool_use_id: "call_0", content: "x" }],
    },
  ];
  const { deps } = setup([calls(call("weather", "{}", "call_0"))]);
  const clientTools = [{ name: "weather", description: "", input_schema: {} }];
  const events = await run(request({ clientTools }, { messages }), deps);
  expect(events).toContainEqual({
    type: "tool-use-start",
    id: "toolu_1",
    name: "weather",
    serverTool: false,
  });
});

test("after the last execution the model is asked for words, without tools", async () => {
  const one = calls(call("code_execution", '{"code":"1"}'));
  const { deps, provider, tool } = setup([one, one, answer("enough")], { executionsPerTurn: 2 });
  const events = await run(request(), deps);
  expect(tool.inputs).toHaveLength(2);
  expect(provider.asked.map((asked) => asked.toolChoice?.type)).toEqual([
    undefined,
    undefined,
    "none",
  ]);
  expect(last(events)).toMatchObject({ stopReason: "end_turn" });
});

test("a model that uses tools for ever is stopped, with a result for every use", async () => {
  const two = calls(call("code_execution", '{"code":"1"}'), call("code_execution", '{"code":"2"}'));
  const { deps, provider, tool } = setup([two, two, two, two], { executionsPerTurn: 3 });
  const events = await run(request(), deps);
  expect(tool.inputs).toHaveLength(3);
  expect(provider.asked).toHaveLength(3);
  const rejected = events.filter(
    (event) => event.type === "tool" && event.event.type === "rejected",
  );
  expect(rejected).toMatchObject(
    Array.from({ length: 3 }, () => ({ event: { errorCode: "too_many_requests" } })),
  );
  expect(last(events)).toMatchObject({ stopReason: "end_turn" });
});

test("searches have a bound of their own, and a model that searches for ever is stopped", async () => {
  const search = calls(call("web_search", '{"query":"x"}'));
  const { deps, provider, tool } = setup(Array(6).fill(search) as Answer[], {
    executionsPerTurn: 2,
    webRequestsPerTurn: 3,
  });
  const found = { ...tool, definition: { ...tool.definition, name: "web_search" } };
  const tools = new Map([...deps.tools, ["web_search", found]]);
  const events = await run(request({ serverTools: ["code_execution", "web_search"] }), {
    ...deps,
    tools,
  });
  expect(tool.inputs).toHaveLength(3);
  const choices = provider.asked.map((asked) => asked.toolChoice?.type ?? null);
  expect(choices).toEqual([null, null, null, null, null, "none"]);
  expect(last(events)).toMatchObject({ stopReason: "end_turn" });
});

test("a forced tool is forced once", async () => {
  const { deps, provider } = setup([calls(call("code_execution", '{"code":"1"}')), answer("done")]);
  await run(request({}, { toolChoice: { type: "tool", name: "code_execution" } }), deps);
  expect(provider.asked.map((asked) => asked.toolChoice?.type)).toEqual(["tool", "auto"]);
});

test("a tool that nobody declared is kept from the client, and the model is told", async () => {
  const { deps, provider } = setup([calls(call("python", '{"code":"1"}')), answer("sorry")]);
  const events = await run(request(), deps);
  expect(types(events)).toEqual([
    "turn-start",
    "usage",
    "text-start",
    "text-delta",
    "block-end",
    "usage",
    "turn-end",
  ]);
  expect(provider.asked[1]?.messages.at(-1)?.content).toMatchObject([
    {
      is_error: true,
      content: [{ text: 'There is no tool named "python". The tools are: code_execution.' }],
    },
  ]);
});

test("max_tokens inside a tool's input closes the input and runs nothing", async () => {
  const { deps, tool } = setup([
    [START, ...call("code_execution", '{"code":"impor'), end("max_tokens")],
  ]);
  const events = await run(request(), deps);
  const json = events
    .flatMap((event) => (event.type === "tool-use-delta" ? event.partialJson : []))
    .join("");
  expect(JSON.parse(json)).toEqual({ code: "impor" });
  expect(tool.inputs).toEqual([]);
  expect(last(events)).toMatchObject({ stopReason: "max_tokens" });
});

test("input that is not JSON is a rejection the model reads", async () => {
  const { deps, tool } = setup([calls(call("code_execution", "{code: 1")), answer("sorry")]);
  const events = await run(request(), deps);
  expect(tool.inputs).toEqual([]);
  expect(events).toContainEqual(
    expect.objectContaining({
      event: expect.objectContaining({ type: "rejected", errorCode: "invalid_tool_input" }),
    }),
  );
});

test("a call that the end of an answer has cut is not run when it comes back; a whole one is", async () => {
  const { deps, tool } = setup([
    [START, ...call("code_execution", '{"code":"rm -rf /workspace'), end("max_tokens")],
    answer("I write it again."),
    [START, ...call("code_execution", '{"code":"1"}'), end("max_tokens")],
    answer("Done."),
  ]);
  for (const [ran, errorCode] of [
    [0, "invalid_tool_input"],
    [1, undefined],
  ] as const) {
    const cut = await run(request(), deps);
    const { id } = cut.find((event) => event.type === "tool-use-start")!;
    const block = { type: "tool_use" as const, id, name: "code_execution", input: { code: "rm" } };
    const messages = [{ role: "assistant" as const, content: [block] }];
    const events = await run(request({ pending: [block] }, { messages }), deps);
    const rejected = events.find(
      (event) => event.type === "tool" && event.event.type === "rejected",
    );
    expect(rejected).toEqual(
      errorCode && expect.objectContaining({ event: expect.objectContaining({ errorCode }) }),
    );
    expect(tool.inputs).toHaveLength(ran);
    expect(last(events)).toMatchObject({ stopReason: "end_turn" });
  }
});

test("max_tokens bounds the whole turn, and leaves room for a thinking budget", async () => {
  const one = calls(call("code_execution", '{"code":"1"}'));
  const small = setup([one, answer("never asked")]);
  expect(last(await run(request({}, { maxTokens: 5 }), small.deps))).toMatchObject({
    stopReason: "max_tokens",
  });
  expect(small.provider.asked).toHaveLength(1);
  const thinking = setup([one, answer("done")]);
  await run(
    request({}, { maxTokens: 2050, thinking: { type: "enabled", budget_tokens: 2048 } }),
    thinking.deps,
  );
  expect(thinking.provider.asked.map((asked) => asked.maxTokens)).toEqual([2050, 2049]);
});

test.each<[ModelStopReason, ModelStopReason]>([
  ["end_turn", "end_turn"],
  ["stop_sequence", "stop_sequence"],
  ["refusal", "refusal"],
  ["max_tokens", "max_tokens"],
  ["tool_use", "end_turn"],
])("words that stop with %s end the turn with %s", async (given, told) => {
  const { deps } = setup([
    [START, ...say("a"), { type: "end", stopReason: given, stopSequence: "END", usage: USAGE }],
  ]);
  expect(last(await run(request(), deps))).toMatchObject({ stopReason: told, stopSequence: "END" });
});

test.each([
  [true, "image"],
  [false, "text"],
])("with sight %s a chart reaches the model as %s", async (seesImages, type) => {
  const { deps, provider } = setup(
    [calls(call("code_execution", '{"code":"image"}')), answer("done")],
    { seesImages },
  );
  await run(request(), deps);
  expect(provider.asked[1]?.messages.at(-1)?.content).toMatchObject([{ content: [{ type }] }]);
});

const file = (filename: string, isNew: boolean): TurnFile => ({
  attachment: { filename, mediaType: "text/csv", sizeBytes: 1, preview: "a" },
  bytes: Buffer.from("a"),
  isNew,
});

test("files are written before the first execution, once, and no container is made without need", async () => {
  const code = calls(call("code_execution", '{"code":"container"}'));
  const containers = memoryContainers();
  const { deps, provider } = setup([code, code, answer("done")], { containers });
  const events = await run(
    request({ files: [file("old.csv", false), file("new.csv", true)] }),
    deps,
  );
  expect(containers).toMatchObject({ created: 1, written: ["old.csv", "new.csv"] });
  expect(last(events)).toMatchObject({ container: { id: "container_new" } });
  expect(provider.asked[0]?.attachments.map((attachment) => attachment.filename)).toEqual([
    "old.csv",
    "new.csv",
  ]);
  const unused = memoryContainers();
  await run(
    request({ files: [file("a.csv", true)] }),
    setup([answer("hi")], { containers: unused }).deps,
  );
  expect(unused).toMatchObject({ created: 0, written: [] });
});

test("a container the client named keeps its own copies of earlier files", async () => {
  const containers = memoryContainers(["old.csv", "new.csv"]);
  const { deps } = setup([calls(call("code_execution", '{"code":"container"}')), answer("done")], {
    containers,
  });
  const files = [file("old.csv", false), file("gone.csv", false), file("new.csv", true)];
  const events = await run(request({ containerId: "container_1", files }), deps);
  expect(containers.written).toEqual(["gone.csv", "new.csv"]);
  expect(events[0]).toMatchObject({ type: "turn-start", container: { id: "container_1" } });
});

test("an unknown container fails before the first event", async () => {
  const { deps, provider } = setup([answer("never")]);
  await expect(run(request({ containerId: "container_9" }), deps)).rejects.toMatchObject({
    code: "not_found",
  });
  expect(provider.asked).toEqual([]);
});

test.each<[string, Answer]>([
  ["ends without an end", [START, ...say("half")]],
  ["ends without a word", []],
])("a model's server that %s is an upstream error", async (_, given) => {
  await expect(run(request(), setup([given]).deps)).rejects.toMatchObject({ code: "upstream" });
});

test("the end of the request's signal is thrown and closes the model's stream", async () => {
  const controller = new AbortController();
  let isClosed = false;
  const { deps } = setup([
    async function* (_, signal) {
      try {
        yield START;
        controller.abort(new Error("client gone"));
        signal.throwIfAborted();
      } finally {
        isClosed = true;
      }
    },
  ]);
  await expect(run(request(), deps, controller.signal)).rejects.toThrow("client gone");
  expect(isClosed).toBe(true);
});

test("a reader that stops closes the model's stream", async () => {
  let isClosed = false;
  const { deps } = setup([
    async function* () {
      try {
        yield* answer("hello");
      } finally {
        isClosed = true;
      }
    },
  ]);
  for await (const event of runTurn(request(), deps, new AbortController().signal)) {
    if (event.type === "text-delta") break;
  }
  expect(isClosed).toBe(true);
});
