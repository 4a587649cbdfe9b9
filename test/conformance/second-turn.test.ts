/**
 * Whatever Curta answered, it takes back: every kind of block and error of every version of the tools, streamed
 * and not, whole and cut short, as clients send it, and also after the server has been started anew.
 *
 * A table of turns makes each kind at least once, and says so at the end; random turns mix them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";

import { LessonMessage, NativeMessage, type Message } from "../../src/conformance/message.ts";
import { foldStream, readStream } from "../../src/conformance/stream.ts";
import type { ModelEvent, ModelStopReason, Provider } from "../../src/providers/provider.ts";
import {
  ScriptedProvider,
  calls,
  ends,
  says,
  thinks,
  type ScriptStep,
} from "../../src/providers/scripted.ts";
import { FAMILIES } from "../../src/wire/code-execution/families.ts";
import { startSearchEngine, type SearchEngine } from "../fixtures/search-engine.ts";
import { isAlive, withDescendants } from "../fixtures/serve-process.ts";
import { startServer as startPages, type UpstreamServer } from "../fixtures/upstream/server.ts";
import { startServer, type TestServer } from "../real/server.ts";

const RUNS = 60;
const EXECUTIONS_PER_TURN = 3;

let engine: SearchEngine;
let pages: UpstreamServer;
let data: string;
let server: TestServer;
/** What the model does in the next turn, sampling by sampling. Behind them it says "Done.". */
let script: ScriptStep[][] = [];

/** A provider keeps what it was asked, so each turn gets one of its own. */
const model: Provider = {
  kind: "scripted",
  model: "scripted",
  stream(request, signal) {
    const steps = script.shift() ?? [says("Done.")];
    return new ScriptedProvider([steps]).stream(request, signal);
  },
  countTokens: () => Promise.resolve(1),
  close: () => Promise.resolve(),
};

function start(): Promise<TestServer> {
  return startServer({
    provider: model,
    data,
    env: {
      ...engine.env,
      CURTA_EXECUTIONS_PER_TURN: String(EXECUTIONS_PER_TURN),
      CURTA_TIMEOUT_SECONDS: "1",
      CURTA_OUTPUT_MB: "1",
      CURTA_FETCH_PRIVATE: "yes",
    },
  });
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "curta-second-turn-"));
  engine = await startSearchEngine();
  pages = await startPages([
    (response) => void response.setHeader("content-type", "text/plain").end("Seven pines."),
  ]);
  server = await start();
});

afterAll(async () => {
  await server?.close();
  await engine?.[Symbol.asyncDispose]();
  await pages?.[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
});

const CODE_CALLER = "code_execution_20260120";
const WEATHER = {
  name: "get_weather",
  input_schema: { type: "object", properties: { city: { type: "string" } } },
};
const ROWS = {
  name: "get_rows",
  input_schema: { type: "object", properties: { sql: { type: "string" } } },
  allowed_callers: [CODE_CALLER],
};

interface Setting {
  /** Of the code execution tool, and whether its beta header is sent. */
  version: string;
  hasBeta: boolean;
  stream: boolean;
}

interface Turn extends Setting {
  samplings: ScriptStep[][];
  thinking?: boolean;
}

const isNative = ({ version, hasBeta }: Setting): boolean =>
  hasBeta || version !== "code_execution_20250522";

const canCallTools = ({ version }: Setting): boolean => version > "code_execution_2026";

function toolsOf(setting: Setting): object[] {
  return [
    { type: setting.version, name: "code_execution" },
    { type: "web_search_20250305", name: "web_search", max_uses: 2 },
    { type: "web_fetch_20250910", name: "web_fetch" },
    WEATHER,
    ...(canCallTools(setting) ? [ROWS] : []),
  ];
}

interface Said {
  role: "user" | "assistant";
  content: unknown;
}

/** Asks, and reads the answer through the kit's schemas, which let nothing unknown pass. */
async function ask(
  setting: Setting,
  messages: readonly Said[],
  more: object = {},
): Promise<Message> {
  const response = await fetch(`${server.url}/v1/messages`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(isNative(setting) && { "anthropic-beta": "code-execution-2025-05-22" }),
    },
    body: JSON.stringify({
      model: "any",
      max_tokens: 4000,
      tools: toolsOf(setting),
      messages,
      stream: setting.stream,
      ...more,
    }),
  });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  if (setting.stream)
    return foldStream(await readStream(response.body!), isNative(setting) ? "native" : "lesson")
      .message;
  return (isNative(setting) ? NativeMessage : LessonMessage).parse(await response.json());
}

/** Answers to the client's open calls, or else a word of the user's. */
function replyTo({ content }: Message): Said {
  const answers = content.flatMap((block) =>
    block.type === "tool_use"
      ? [{ type: "tool_result", tool_use_id: block.id, content: "21 degrees" }]
      : [],
  );
  return {
    role: "user",
    content: answers.length > 0 ? answers : [{ type: "text", text: "And now?" }],
  };
}

const isOpen = ({ content }: Message): boolean => content.some(({ type }) => type === "tool_use");
const isWaiting = ({ content }: Message): boolean =>
  content.some((block) => block.type === "tool_use" && block.caller?.type === CODE_CALLER);

/** What clients make of an answer before they send it back. */
const DISTORTIONS: Record<string, (content: Message["content"]) => object[]> = {
  "as it came": (content) => content,
  "with the nulls of an SDK": (content) =>
    content.map((block) => ({
      text: null,
      citations: null,
      caller: null,
      cache_control: null,
      ...block,
    })),
  "without the results": (content) =>
    content.filter(({ type }) => !type.endsWith("_result")).map((block) => ({ ...block })),
  "with empty inputs": (content) =>
    content.map((block) => (block.type === "server_tool_use" ? { ...block, input: {} } : block)),
  "with marks for the cache": (content) =>
    content.map((block) =>
      block.type === "thinking" || block.type === "redacted_thinking"
        ? block
        : { ...block, cache_control: { type: "ephemeral" } },
    ),
};

const kinds = new Set<string>();

function notice({ content, stop_reason }: Message): void {
  kinds.add(`stop: ${stop_reason}`);
  for (const block of content) {
    const name = "name" in block ? `${block.type} ${block.name}` : block.type;
    const caller =
      "caller" in block && block.caller !== undefined ? ` by ${block.caller.type}` : "";
    kinds.add(name);
    kinds.add(`${name}${caller}`);
    if (!("content" in block)) continue;
    const inner = Array.isArray(block.content) ? "list" : block.content.type;
    const code =
      !Array.isArray(block.content) && "error_code" in block.content
        ? ` ${block.content.error_code}`
        : "";
    kinds.add(`${inner}${code}`);
  }
}

const question = (): Said => ({ role: "user", content: `Read ${pages.url}/page and go.` });

/** An answer that was given, with what a client needs to go on. */
interface Given {
  turn: Turn;
  messages: Said[];
  answer: Message;
}

/** The answer's container for the next request, unless somebody has ended it. */
async function containerOf({ container }: Message): Promise<{ container?: string }> {
  if (!container) return {};
  const { status } = await fetch(`${server.url}/v1/containers/${container.id}`);
  return status === 200 ? { container: container.id } : {};
}

/** The turn, until nothing waits for the client. Every answer on the way is given back and looked at. */
async function play(turn: Turn): Promise<Given[]> {
  script = turn.samplings.map((steps) => [...steps]);
  const given: Given[] = [];
  const messages: Said[] = [question()];
  const thinking = { thinking: { type: "enabled", budget_tokens: 1024 } };
  let container: { container?: string } = {};
  for (let round = 0; round < 6; round += 1) {
    const answer = await ask(turn, messages, { ...container, ...(turn.thinking && thinking) });
    notice(answer);
    given.push({ turn, messages: [...messages], answer });
    messages.push({ role: "assistant", content: answer.content });
    if (!isOpen(answer)) break;
    messages.push(replyTo(answer));
    container = await containerOf(answer);
    if (isWaiting(answer) && container.container === undefined) break;
  }
  return given;
}

/** Every way in which the answer may come back. */
async function takeBack({ turn, messages, answer }: Given): Promise<void> {
  script = [];
  const container = await containerOf(answer);
  // Without it there is no code that waits for these answers, and the request is refused.
  if (isWaiting(answer) && container.container === undefined) return;
  const said = (content: object[]): Said[] => [...messages, { role: "assistant", content }];
  for (const [name, distort] of Object.entries(DISTORTIONS)) {
    const again = [...said(distort(answer.content)), replyTo(answer)];
    await explain(name, ask(turn, again, container));
  }
  if (!isOpen(answer)) await explain("alone", ask(turn, said(answer.content), container));
  if (!isWaiting(answer))
    await explain("elsewhere", ask(turn, [...said(answer.content), replyTo(answer)]));
}

async function explain(how: string, asked: Promise<Message>): Promise<void> {
  await asked.then(notice, (cause: unknown) => {
    throw new Error(`sent back ${how}: ${String(cause)}`, { cause });
  });
}

const python = (code: string): ScriptStep => calls("code_execution", { code }, { chunk: 6 });
const bash = (command: string): ScriptStep =>
  calls("bash_code_execution", { command }, { chunk: 6 });
const edit = (input: Record<string, unknown>): ScriptStep =>
  calls("text_editor_code_execution", input, { chunk: 6 });
const search = (query: string): ScriptStep => calls("web_search", { query }, { chunk: 6 });
const fetchPage = (url: string): ScriptStep => calls("web_fetch", { url }, { chunk: 6 });
const weather: ScriptStep = calls("get_weather", { city: "Paris" }, { chunk: 6 });
const redacted: ScriptStep = [{ type: "redacted-thinking", data: "b3BhcXVl" }];
const broken = (name: string): ScriptStep => [
  { type: "tool-use-start", id: "", name },
  { type: "tool-use-delta", partialJson: '["no object"]' },
  { type: "block-end" },
];
/** A call that the end of the answer cuts. */
function cut(name: string, json: string, length: number): ScriptStep {
  const events: ModelEvent[] = [
    { type: "tool-use-start", id: "", name },
    { type: "tool-use-delta", partialJson: json.slice(0, length) },
    { type: "block-end" },
  ];
  return [...events, ...ends("max_tokens")];
}

/** Somebody else ends every container. */
const endContainers: ScriptStep = async () => {
  const list = await fetch(`${server.url}/v1/containers`);
  const { data: found } = (await list.json()) as { data: { id: string }[] };
  for (const { id } of found)
    await fetch(`${server.url}/v1/containers/${id}`, { method: "DELETE" });
};
/** For longer than an operation may take, no process of the sandbox does anything. */
const haltSandbox: ScriptStep = async () => {
  const [, ...pids] = withDescendants(process.pid);
  const signal = (name: NodeJS.Signals): void => {
    // Some have ended meanwhile.
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, name);
  };
  signal("SIGSTOP");
  setTimeout(() => signal("SIGCONT"), 1500);
};

const CALL = `rows = await get_rows({"sql": "SELECT 1"})\nprint(rows)`;
const FIGURE = "import matplotlib.pyplot as plt; plt.plot([1, 2])";
const FILE = `import os; open(os.path.join(os.environ["OUTPUT_DIR"], "a.csv"), "w").write("a")`;

const PYTHON_TURNS: ScriptStep[][][] = [
  [[thinks("Hm."), redacted, says("I run it."), python("print(6 * 7)")]],
  [[python("1/0"), python(FIGURE), python(FILE)]],
  [[python("import time; print('before'); time.sleep(9)")]],
  [[python("")], [broken("code_execution")]],
  [[python("1"), python("2"), python("3"), python("4")]],
  [[python("import os; os._exit(3)")]],
  [[python("1")], [endContainers, python("2")]],
];
const SHELL_TURNS: ScriptStep[][][] = [
  [[bash("echo hi; exit 3"), bash('echo a > "$OUTPUT_DIR/a.txt"')]],
  [[bash("echo before; sleep 9")]],
  [[bash("yes")]],
  [[bash("")], [broken("bash_code_execution")]],
  [[bash("1"), bash("2"), bash("3"), bash("4")]],
  [
    [
      edit({ command: "create", path: "a.txt", file_text: "one\ntwo\n" }),
      edit({ command: "view", path: "a.txt" }),
      edit({ command: "str_replace", path: "a.txt", old_str: "two", new_str: "three" }),
      edit({ command: "view", path: "." }),
    ],
  ],
  [
    [
      edit({ command: "view", path: "nowhere" }),
      edit({ command: "create", path: "a.txt", file_text: "one\n" }),
      edit({ command: "str_replace", path: "a.txt", old_str: "zero", new_str: "" }),
    ],
  ],
  [[edit({ command: "insert", path: "a" })]],
  [[bash("1")], [endContainers, bash("2"), edit({ command: "view", path: "." })]],
  [[bash("1")], [haltSandbox, edit({ command: "view", path: "." })]],
];
const CALLING_TURNS: ScriptStep[][][] = [
  [[says("I ask."), python(CALL)]],
  [[python(`${CALL}\n${CALL}`), bash("echo behind")]],
  [[python(`import asyncio\nawait asyncio.gather(*[get_rows({"sql": n}) for n in range(3)])`)]],
  [[weather, python(CALL)]],
];
const otherTurns = (): ScriptStep[][][] => [
  [[says("Hello.")]],
  [[]],
  [[says(" \n")]],
  [[thinks("Only thoughts.", { signature: "" })]],
  [[search("pines"), says("Pines are green [1].")], [says("Pines are green [1].")]],
  [[search("a"), search("b"), search("c")]],
  [[search("")], [search("x".repeat(5000))]],
  [[fetchPage(`${pages.url}/page`)], [fetchPage("https://elsewhere.example/")]],
  [[weather, weather]],
  [[calls("nobodys_tool", {})]],
  ...(["max_tokens", "pause_turn", "refusal", "model_context_window_exceeded"] as const).map(
    (reason) => [[says("I begin"), ends(reason)]],
  ),
  [[says("I begin"), ends("stop_sequence", { stopSequence: "STOP" })]],
  [[weather, ends("max_tokens")]],
];

/** A tool of each version, with the reply cut, paused or refused behind or inside of its call. */
function endingTurns(name: string, input: Record<string, unknown>): ScriptStep[][][] {
  const json = JSON.stringify(input);
  const reasons: ModelStopReason[] = ["max_tokens", "pause_turn", "refusal"];
  return [
    ...[0, 1, 4, json.length - 3].map((length) => [[says("So"), cut(name, json, length)]]),
    ...reasons.map((reason) => [[calls(name, input), ends(reason)]]),
    [[calls(name, input), weather]],
  ];
}

const SETTINGS: Omit<Setting, "stream">[] = [
  { version: "code_execution_20250522", hasBeta: false },
  { version: "code_execution_20250522", hasBeta: true },
  { version: "code_execution_20250825", hasBeta: true },
  { version: "code_execution_20260120", hasBeta: false },
  { version: "code_execution_20260521", hasBeta: false },
];

function turnsOf(setting: Setting): Turn[] {
  const hasShell = setting.version !== "code_execution_20250522";
  const hasPython = setting.version !== "code_execution_20250825";
  const scripts = [
    ...otherTurns(),
    ...(hasPython ? PYTHON_TURNS : []),
    ...(hasShell ? SHELL_TURNS : []),
    ...(canCallTools(setting) ? CALLING_TURNS : []),
    ...(hasPython ? endingTurns("code_execution", { code: "print('was cut')" }) : []),
    ...(hasShell ? endingTurns("bash_code_execution", { command: "echo was cut" }) : []),
    ...(hasShell
      ? endingTurns("text_editor_code_execution", { command: "view", path: "/workspace" })
      : []),
    ...endingTurns("web_search", { query: "was cut" }),
  ];
  return scripts.map((samplings, index) => ({ ...setting, samplings, thinking: index % 2 === 0 }));
}

/** Answers of the server before the last one. */
const old: Given[] = [];

for (const setting of SETTINGS)
  for (const stream of [false, true]) {
    const beta = setting.hasBeta ? " with its header" : "";
    test(`${setting.version}${beta}, ${stream ? "streamed" : "whole"}`, async () => {
      for (const turn of turnsOf({ ...setting, stream })) {
        const given = await play(turn);
        expect(given.length).toBeGreaterThan(0);
        for (const one of given) await takeBack(one);
        if (stream) old.push(...given);
      }
    });
  }

test("after a new start of the server, every answer of the one before", async () => {
  await server.close();
  server = await start();
  expect(old.length).toBeGreaterThan(100);
  for (const one of old) await takeBack(one);
});

const anyTurn: fc.Arbitrary<Turn> = fc
  .record({
    setting: fc.constantFrom(...SETTINGS),
    stream: fc.boolean(),
    thinking: fc.boolean(),
    picks: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
  })
  .map(({ setting, stream, thinking, picks }) => {
    const turn = { ...setting, stream };
    const all = turnsOf(turn).map(({ samplings }) => samplings);
    return { ...turn, thinking, samplings: picks.flatMap((pick) => all[pick % all.length]!) };
  });

test("random turns, mixed of all these", async () => {
  await fc.assert(
    fc.asyncProperty(anyTurn, async (turn) => {
      const given = await play(turn);
      expect(given.length).toBeGreaterThan(0);
      for (const one of given) await takeBack(one);
    }),
    { numRuns: RUNS },
  );
});

test("every kind of block and error was among them", () => {
  const families = Object.entries(FAMILIES).flatMap(
    ([name, { contents, error, errors, result }]) => [
      `server_tool_use ${name}`,
      result,
      ...contents,
      ...Object.keys(errors).map((code) => `${error} ${code}`),
    ],
  );
  const stops = ["end_turn", "tool_use", "pause_turn", "refusal", "max_tokens", "stop_sequence"];
  const wanted = [
    ...families,
    ...stops.map((reason) => `stop: ${reason}`),
    "stop: model_context_window_exceeded",
    "thinking",
    "redacted_thinking",
    "text",
    "code_execution_result",
    "tool_use get_weather",
    `tool_use get_rows by ${CODE_CALLER}`,
    "server_tool_use code_execution by direct",
    "server_tool_use web_search",
    "web_search_tool_result",
    "web_search_tool_result_error max_uses_exceeded",
    "web_search_tool_result_error query_too_long",
    "web_fetch_result",
    "web_fetch_tool_result_error url_not_in_prior_context",
  ];
  expect(wanted.filter((kind) => !kinds.has(kind))).toEqual([]);
});
