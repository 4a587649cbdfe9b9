/** The Messages API on a real server with the real sandbox; only the model is scripted. */
import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { calls, ends, says, thinks, type Script } from "../../src/providers/scripted.ts";
import type { ModelEvent } from "../../src/providers/provider.ts";
import { createDirector } from "../fixtures/director.ts";
import {
  CODE_EXECUTION,
  NATIVE,
  askMessages,
  askStream,
  type Answered,
  type WireAnswer,
  type WireEvent,
} from "../fixtures/messages-client.ts";
import { isPng } from "./requests.ts";
import { startServer, type TestServer } from "./server.ts";

const EXECUTIONS = 4;
const director = createDirector();
let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    provider: director.provider,
    env: { CURTA_PING_SECONDS: "1", CURTA_EXECUTIONS_PER_TURN: String(EXECUTIONS) },
  });
});

afterAll(() => server?.close());

interface Block {
  type: string;
  [field: string]: unknown;
}

/** Every answer that was given, for the test that sends them all back. */
const given: WireAnswer[] = [];

const QUESTION = { role: "user", content: "Please." };

async function ask(scene: Script, fields: object = {}, headers = {}): Promise<Answered> {
  director.play(scene);
  const answered = await askMessages(server.url, { messages: [QUESTION], ...fields }, headers);
  if (answered.status === 200) given.push(answered.message);
  return answered;
}

async function stream(scene: Script, fields: object = {}, headers = {}): Promise<WireEvent[]> {
  director.play(scene);
  const answer = await askStream(server.url, { messages: [QUESTION], ...fields }, headers);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^text\/event-stream/);
  expect(answer.headers.get("request-id")).toMatch(/^req_/);
  return answer.events;
}

/** Runs code once and says a word; gives the results' blocks. */
async function run(code: string, fields: object = {}, headers = {}): Promise<Block[]> {
  const { message, status } = await ask(
    [[calls("code_execution", { code })], [says("Done.")]],
    fields,
    headers,
  );
  expect(status).toBe(200);
  return resultsOf(message);
}

function resultsOf(message: WireAnswer): Block[] {
  const blocks = message.content as unknown as Block[];
  return blocks.filter(({ type }) => /code_execution(_tool)?_result$/.test(type));
}

/** An event in a few words: `start 0 text`, `delta 0 text_delta`. */
function outline(event: WireEvent): string {
  const { index, content_block, delta } = event as {
    index?: number;
    content_block?: Block;
    delta?: { type?: string };
  };
  const kind = event.type.replace("content_block_", "");
  return [kind, index, content_block?.type ?? delta?.type]
    .filter((word) => word !== undefined)
    .join(" ");
}

describe("streaming", () => {
  const CODE = "print('hi')\nimport matplotlib.pyplot as plt\nline = plt.plot([1, 2])";
  const SCENE = [
    [
      thinks("Let me think.", { chunk: 7 }),
      says("I will compute.", { chunk: 8 }),
      calls("code_execution", { code: CODE }, { chunk: 60 }),
    ],
    [says("Done.")],
  ];
  const BEFORE = [
    "message_start",
    "start 0 thinking",
    "delta 0 thinking_delta",
    "delta 0 thinking_delta",
    "delta 0 signature_delta",
    "stop 0",
    "start 1 text",
    "delta 1 text_delta",
    "delta 1 text_delta",
    "stop 1",
    "start 2 server_tool_use",
    "delta 2 input_json_delta",
    "delta 2 input_json_delta",
    "stop 2",
  ];
  const END = ["message_delta", "message_stop"];

  test("lesson rendering: every event in its place, results whole", async () => {
    const events = await stream(SCENE);
    expect(events.map(outline)).toEqual([
      ...BEFORE,
      "start 3 code_execution_result",
      "stop 3",
      "start 4 code_execution_result",
      "stop 4",
      "start 5 text",
      "delta 5 text_delta",
      "stop 5",
      ...END,
    ]);
    const [start] = events as unknown as { message: WireAnswer }[];
    expect(start?.message).toMatchObject({
      id: expect.stringMatching(/^msg_/),
      role: "assistant",
      model: "any-model",
      content: [],
      stop_reason: null,
      usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
    });
    expect(start?.message).not.toHaveProperty("container");
    const starts = blocksOf(events);
    expect(starts[0]).toEqual({ type: "thinking", thinking: "", text: "", signature: "" });
    expect(starts[2]).toMatchObject({ name: "code_execution", input: {} });
    expect(starts[3]).toMatchObject({ output: { type: "text", text: "hi" }, is_error: false });
    expect(starts[4]).toMatchObject({ output: { type: "image", media_type: "image/png" } });
    expect(events.at(-2)).toMatchObject({
      delta: {
        stop_reason: "end_turn",
        stop_sequence: null,
        container: { id: expect.stringMatching(/^container_/), expires_at: expect.any(String) },
      },
      usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
    });
  });

  test("native rendering: one result for each use, charts as files", async () => {
    const events = await stream(SCENE, {}, NATIVE);
    expect(events.map(outline)).toEqual([
      ...BEFORE,
      "start 3 code_execution_tool_result",
      "stop 3",
      "start 4 text",
      "delta 4 text_delta",
      "stop 4",
      ...END,
    ]);
    const blocks = blocksOf(events);
    expect(blocks[0]).toEqual({ type: "thinking", thinking: "", signature: "" });
    expect(blocks[3]).toEqual({
      type: "code_execution_tool_result",
      tool_use_id: blocks[2]?.id,
      content: {
        type: "code_execution_result",
        stdout: "hi\n",
        stderr: "",
        return_code: 0,
        content: [{ type: "code_execution_output", file_id: expect.stringMatching(/^file_/) }],
      },
    });
  });

  test("the input's pieces make its JSON, and the first begins with a brace", async () => {
    for (const chunk of [1, 3, 1000]) {
      const events = await stream([
        [calls("code_execution", { code: 'print("ä\\n{}")' }, { chunk })],
        [says("Done.")],
      ]);
      const pieces = events
        .map(({ delta }) => (delta as { partial_json?: string } | undefined)?.partial_json)
        .filter((piece) => piece !== undefined);
      expect(pieces[0]).toMatch(/^\{./);
      expect(JSON.parse(pieces.join(""))).toEqual({ code: 'print("ä\\n{}")' });
    }
  });

  test("pings come while code runs, and text before it is not held back", async () => {
    director.play([
      [says("Wait."), calls("code_execution", { code: "import time\ntime.sleep(1.6)\nprint(1)" })],
      [says("Done.")],
    ]);
    const response = await fetch(`${server.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "m",
        max_tokens: 100,
        stream: true,
        tools: [CODE_EXECUTION],
        messages: [QUESTION],
      }),
    });
    let text = "";
    let whenText = 0;
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (whenText === 0 && text.includes('"Wait."')) whenText = performance.now();
    }
    expect(performance.now() - whenText).toBeGreaterThan(1500);
    const waiting = text.slice(
      text.indexOf("server_tool_use"),
      text.indexOf("code_execution_result"),
    );
    expect(waiting).toContain('event: ping\ndata: {"type":"ping"}');
  });

  test("a container that exists is named at the start, too", async () => {
    const { message } = await ask([[calls("code_execution", { code: "x = 1" })], [says("Done.")]]);
    const { id } = message.container!;
    const events = await stream([[says("Hello.")]], { container: id });
    expect(events[0]).toMatchObject({ message: { container: { id } } });
    expect(events.at(-2)).toMatchObject({ delta: { container: { id } } });
  });
});

describe("executions", () => {
  test("text and charts come in the order the code made them; a saved chart counts once", async () => {
    const results = await run(
      [
        "import matplotlib.pyplot as plt, os",
        "print('first')",
        "plt.plot([1, 2]); plt.show()",
        "print('second')",
        "fig, ax = plt.subplots(); ax.bar([1, 2], [3, 4])",
        "fig.savefig(os.path.join(os.environ['OUTPUT_DIR'], 'bars.png'))",
        "plt.show()",
        "print('third')",
        "40 + 2",
      ].join("\n"),
    );
    const seen = results.map(({ output }) => {
      const { type, text } = output as { type: string; text?: string };
      return type === "image" ? "image" : text;
    });
    expect(seen).toEqual(["first", "image", "second", "image", "third\n42"]);
    const pictures = results.flatMap(({ output }) => (output as { data?: string }).data ?? []);
    expect(pictures.map((data) => isPng(Buffer.from(data, "base64")))).toEqual([true, true]);
  });

  test("silence is said in words", async () => {
    expect(await run("x = 1")).toMatchObject([{ output: { type: "text", text: "(no output)" } }]);
  });

  test("a failed one is shown to the client and to the model, which tries again", async () => {
    const scene = [
      [calls("code_execution", { code: "total = 6\nprint('before')\nprint(total / 0)" })],
      [says("I divide by two."), calls("code_execution", { code: "print(total / 2)" })],
      [says("It is 3.")],
    ];
    const { message } = await ask(scene);
    expect(message.content.map(({ type }) => type)).toEqual([
      "server_tool_use",
      "code_execution_result",
      "code_execution_result",
      "text",
      "server_tool_use",
      "code_execution_result",
      "text",
    ]);
    const [printed, failed, right] = resultsOf(message);
    expect(printed).toMatchObject({ output: { type: "text", text: "before" }, is_error: false });
    expect(failed).toMatchObject({
      output: { type: "text", text: expect.stringContaining("ZeroDivisionError") },
      is_error: true,
    });
    expect(right).toMatchObject({ output: { text: "3.0" }, is_error: false });
    const told = director.asked[1]?.messages.at(-1)?.content[0];
    expect(told).toMatchObject({ type: "tool_result", is_error: true });
    expect(JSON.stringify(told)).toMatch(/before.*line 3.*print\(total \/ 0\).*ZeroDivisionError/);

    const native = await ask(scene, {}, NATIVE);
    expect(resultsOf(native.message)[0]).toMatchObject({
      content: {
        stdout: "before\n",
        stderr: expect.stringContaining("ZeroDivisionError"),
        return_code: 1,
      },
    });
  });

  test("several in one breath run in order and share their variables", async () => {
    const { message } = await ask([
      [
        calls("code_execution", { code: "a = 2" }),
        calls("code_execution", { code: "print(a * 3)" }),
      ],
      [says("Six.")],
    ]);
    const uses = message.content.filter(({ type }) => type === "server_tool_use");
    const results = resultsOf(message);
    expect(results.map(({ tool_use_id }) => tool_use_id)).toEqual(
      uses.map((use) => (use as unknown as Block).id),
    );
    expect(results[1]).toMatchObject({ output: { text: "6" } });
  });

  test("when they are used up, the answer ends in words", async () => {
    const { message } = await ask((request, index) =>
      request.toolChoice?.type === "none"
        ? [says("That is all I know.")]
        : [calls("code_execution", { code: `print(${index})` })],
    );
    expect(resultsOf(message)).toHaveLength(EXECUTIONS);
    expect(message.content.at(-1)).toMatchObject({ type: "text", text: "That is all I know." });
    expect(message.stop_reason).toBe("end_turn");
  });

  test("input that is no program is told to the model and the client, in both renderings", async () => {
    const scene = [[calls("code_execution", { program: "print(1)" })], [says("Sorry.")]];
    const lesson = await ask(scene);
    expect(resultsOf(lesson.message)).toMatchObject([
      { is_error: true, output: { type: "text", text: expect.stringContaining('{"code":') } },
    ]);
    const native = await ask(scene, {}, NATIVE);
    expect(resultsOf(native.message)).toMatchObject([
      { content: { type: "code_execution_tool_result_error", error_code: "invalid_tool_input" } },
    ]);
  });
});

describe("containers", () => {
  test("variables, imports and files stay when the id is sent, as string or object", async () => {
    const { message } = await ask([
      [
        calls("code_execution", {
          code: "import math\nr = 2\nopen('note.txt', 'w').write('kept')",
        }),
      ],
      [says("Done.")],
    ]);
    const { id } = message.container!;
    for (const container of [id, { id }]) {
      expect(
        await run("print(round(math.pi * r, 2), open('note.txt').read())", { container }),
      ).toMatchObject([{ output: { text: "6.28 kept" } }]);
    }
    const fresh = await run("print('r' in globals())");
    expect(fresh).toMatchObject([{ output: { text: "False" } }]);
  });

  test("an answer without code has none; an unknown one is an error before the model is asked", async () => {
    const { message } = await ask([[says("Hello.")]]);
    expect(message).not.toHaveProperty("container");
    const gone = await ask([[says("Never said.")]], { container: "container_nowhere" });
    expect(gone).toMatchObject({ status: 404, error: { type: "not_found_error" } });
    expect(gone.error?.message).toMatch(/container_nowhere/);
    expect(director.asked).toHaveLength(0);
  });
});

describe("attachments", () => {
  const sum = "print(df['score'].sum())";
  const words = "print(sum(int(w) for w in text.split() if w.isdigit()))";
  const EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
  const WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
  const files = new Map<string, Buffer>();

  beforeAll(async () => {
    const code = await readFile(new URL("../fixtures/make-files.py", import.meta.url), "utf8");
    const post = async (path: string, json: object): Promise<{ id: string; files: Block[] }> => {
      const response = await fetch(`${server.url}/v1/containers${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(json),
      });
      return (await response.json()) as { id: string; files: Block[] };
    };
    const { id } = await post("", {});
    const made = await post(`/${id}/execute`, { code });
    for (const file of made.files) {
      const response = await fetch(`${server.url}/v1/files/${String(file.id)}/content`);
      files.set(String(file.filename), Buffer.from(await response.arrayBuffer()));
    }
    files.set("scores.xls", await readFile(new URL("../fixtures/scores.xls", import.meta.url)));
  });

  test.each([
    ["scores.csv", "text/csv", `df = pd.read_csv('scores.csv')\n${sum}`],
    [
      "scores.tsv",
      "text/tab-separated-values",
      `df = pd.read_csv('scores.tsv', sep='\\t')\n${sum}`,
    ],
    ["scores.json", "application/json", `df = pd.read_json('scores.json')\n${sum}`],
    ["scores.xlsx", EXCEL, `df = pd.read_excel('scores.xlsx')\n${sum}`],
    ["scores.xls", "application/vnd.ms-excel", `df = pd.read_excel('scores.xls')\n${sum}`],
    [
      "scores.parquet",
      "application/vnd.apache.parquet",
      `df = pd.read_parquet('scores.parquet')\n${sum}`,
    ],
    ["scores.txt", "text/plain", `text = open('scores.txt').read()\n${words}`],
    [
      "scores.pdf",
      "application/pdf",
      `import pypdf\ntext = pypdf.PdfReader('scores.pdf').pages[0].extract_text()\n${words}`,
    ],
    [
      "scores.docx",
      WORD,
      `import docx\ntext = ' '.join(p.text for p in docx.Document('scores.docx').paragraphs)\n${words}`,
    ],
  ])("%s lies in the workspace and is readable", async (title, media_type, code) => {
    const data = files.get(title)!.toString("base64");
    const document = { type: "document", title, source: { type: "base64", media_type, data } };
    const results = await run(`import pandas as pd\n${code}`, {
      messages: [{ role: "user", content: [{ type: "text", text: "Add up." }, document] }],
    });
    expect(results).toMatchObject([{ output: { type: "text", text: "42" }, is_error: false }]);
    expect(director.asked[0]?.attachments).toMatchObject([
      { filename: title, mediaType: media_type },
    ]);
    expect(JSON.stringify(director.asked[0]?.messages)).toContain("Add up.");
  });

  test("an image is shown to the model and lies in the workspace", async () => {
    const data = files.get("scores.png")!.toString("base64");
    const source = { type: "base64", media_type: "image/png", data };
    const results = await run(
      "from PIL import Image\nimport glob\nprint(Image.open(glob.glob('*.png')[0]).size)",
      {
        messages: [{ role: "user", content: [{ type: "image", source }] }],
      },
    );
    expect(results).toMatchObject([{ output: { text: "(19, 23)" } }]);
    expect(JSON.stringify(director.asked[0]?.messages)).toContain(data);
  });

  test("a plain text source and an uploaded file arrive the same way", async () => {
    const form = new FormData();
    form.set(
      "file",
      new File([new Uint8Array(files.get("scores.csv")!)], "up.csv", { type: "text/csv" }),
    );
    const uploaded = await fetch(`${server.url}/v1/files`, { method: "POST", body: form });
    const { id } = (await uploaded.json()) as { id: string };
    const plain = { type: "text", media_type: "text/plain", data: "hello" };
    const results = await run(
      "import os\nprint(sorted(os.listdir()), open('note.txt').read(), len(open('up.csv').read()))",
      {
        messages: [
          {
            role: "user",
            content: [
              { type: "document", title: "note.txt", source: plain },
              { type: "container_upload", file_id: id },
            ],
          },
        ],
      },
    );
    expect(results).toMatchObject([
      { output: { text: `['note.txt', 'up.csv'] hello ${files.get("scores.csv")!.length}` } },
    ]);
  });

  test("$INPUT_DIR is where they lie, and a change made by code is kept in later turns", async () => {
    const data = Buffer.from("v\n1\n").toString("base64");
    const source = { type: "base64", media_type: "text/csv", data };
    const first = { role: "user", content: [{ type: "document", title: "t.csv", source }] };
    const { message } = await ask(
      [
        [
          calls("code_execution", {
            code: "import os\np = os.path.join(os.environ['INPUT_DIR'], 't.csv')\nopen(p, 'a').write('2\\n')",
          }),
        ],
        [says("Done.")],
      ],
      { messages: [first] },
    );
    const results = await run("print(open('t.csv').read().split())", {
      container: message.container!.id,
      messages: [first, { role: "assistant", content: message.content }, QUESTION],
    });
    expect(results).toMatchObject([{ output: { text: "['v', '1', '2']" } }]);
  });
});

describe("turns", () => {
  test("thinking goes to the model's server as asked, and comes back with its signature", async () => {
    const thinking = { type: "enabled", budget_tokens: 2000 };
    const redacted: ModelEvent[] = [{ type: "redacted-thinking", data: "c2VjcmV0" }];
    const { message } = await ask(
      [[thinks("Hm.", { signature: "sig-1" }), redacted, says("Hello.")]],
      { thinking },
    );
    expect(director.asked[0]?.thinking).toEqual(thinking);
    expect(message.content).toMatchObject([
      { type: "thinking", thinking: "Hm.", text: "Hm.", signature: "sig-1" },
      { type: "redacted_thinking", data: "c2VjcmV0" },
      { type: "text", text: "Hello." },
    ]);
    await ask([[says("Again.")]], {
      thinking,
      messages: [QUESTION, { role: "assistant", content: message.content }, QUESTION],
    });
    expect(director.asked[0]?.messages[1]?.content).toMatchObject([
      { type: "thinking", thinking: "Hm.", signature: "sig-1" },
      { type: "redacted_thinking", data: "c2VjcmV0" },
      { type: "text", text: "Hello." },
    ]);
  });

  test.each([
    ["lesson", {}],
    ["native", NATIVE],
  ])("client tools beside ours wait for the client, %s rendering", async (_name, headers) => {
    const tools = [
      CODE_EXECUTION,
      { name: "get_rate", description: "A rate", input_schema: { type: "object", properties: {} } },
    ];
    const first = await ask(
      [
        [
          calls("code_execution", { code: "base = 20\nprint(base)" }),
          calls("get_rate", { of: "EUR" }),
        ],
      ],
      { tools },
      headers,
    );
    expect(first.message.stop_reason).toBe("tool_use");
    expect(first.message.content.map(({ type }) => type)).toEqual(["server_tool_use", "tool_use"]);
    const use = first.message.content[1] as unknown as { id: string; input: object };
    expect(use.input).toEqual({ of: "EUR" });
    // Nothing has run, and the client knows where it will.
    const container = first.message.container?.id;
    expect(container).toMatch(/^container_/);

    const result = { type: "tool_result", tool_use_id: use.id, content: "2.1" };
    const second = await ask(
      [[calls("code_execution", { code: "print(base * 2.1)" })], [says("42.")]],
      {
        tools,
        container,
        messages: [
          QUESTION,
          { role: "assistant", content: first.message.content },
          { role: "user", content: [result] },
        ],
      },
      headers,
    );
    expect(second.message.container?.id).toBe(container);
    // It begins with the result of the use that had waited.
    const types = second.message.content.map(({ type }) => type);
    expect(types[0]).toMatch(/^code_execution(_tool)?_result$/);
    expect(resultsOf(second.message)[0]?.tool_use_id).toBe(
      (first.message.content[0] as unknown as Block).id,
    );
    expect(JSON.stringify(resultsOf(second.message)[0])).toContain("20");
    expect(JSON.stringify(resultsOf(second.message)[1])).toContain("42.0");
    expect(JSON.stringify(director.asked[0]?.messages)).toContain("2.1");
  });

  test("a client tool alone ends the turn at once, and its result is passed on", async () => {
    const tools = [{ name: "now", description: "The time", input_schema: { type: "object" } }];
    const { message } = await ask([[says("One moment."), calls("now", {})]], { tools });
    expect(message).toMatchObject({ stop_reason: "tool_use" });
    const use = message.content.at(-1) as unknown as { id: string; input: object };
    expect(use.input).toEqual({});
    const content = [
      { type: "tool_result", tool_use_id: use.id, content: [{ type: "text", text: "noon" }] },
    ];
    const after = await ask([[says("It is noon.")]], {
      tools,
      messages: [
        QUESTION,
        { role: "assistant", content: message.content },
        { role: "user", content },
      ],
    });
    expect(after.message.content).toEqual([{ type: "text", text: "It is noon." }]);
    expect(JSON.stringify(director.asked[0]?.messages)).toContain("noon");
  });

  test("stop_sequences and sampling settings go along, and the sequence is told", async () => {
    const { message } = await ask(
      [[says("One "), ends("stop_sequence", { stopSequence: "STOP" })]],
      { stop_sequences: ["STOP"], temperature: 0.3, top_p: 0.9, top_k: 5 },
    );
    expect(message).toMatchObject({ stop_reason: "stop_sequence", stop_sequence: "STOP" });
    expect(director.asked[0]).toMatchObject({
      stopSequences: ["STOP"],
      temperature: 0.3,
      topP: 0.9,
      topK: 5,
    });
  });

  test("max_tokens inside a tool's input: whole JSON for the client, no code run", async () => {
    const half: ModelEvent[] = [
      { type: "tool-use-start", id: "toolu_1", name: "code_execution" },
      { type: "tool-use-delta", partialJson: '{"code":"print(\\"cut of' },
      { type: "block-end" },
    ];
    const scene = [[half, ends("max_tokens")]];
    const { message } = await ask(scene);
    expect(message.stop_reason).toBe("max_tokens");
    expect(message.content).toMatchObject([
      { type: "server_tool_use", input: { code: 'print("cut of' } },
    ]);
    expect(message).not.toHaveProperty("container");
    const events = await stream(scene);
    const json = events
      .map(({ delta }) => (delta as { partial_json?: string } | undefined)?.partial_json ?? "")
      .join("");
    expect(JSON.parse(json)).toEqual({ code: 'print("cut of' });

    // The client goes on with words of its own: the model is told that nothing ran.
    await ask([[says("Sorry.")]], {
      messages: [QUESTION, { role: "assistant", content: message.content }, QUESTION],
    });
    expect(director.asked[0]?.messages.at(-1)?.content[0]).toMatchObject({
      type: "tool_result",
      is_error: true,
    });
  });

  test.each([
    ["lesson", {}],
    ["native", NATIVE],
  ])("a use left unanswered at the end is run first, %s rendering", async (_name, headers) => {
    const use = {
      type: "server_tool_use",
      id: "srvtoolu_01waiting",
      name: "code_execution",
      input: { code: "print(6 * 7)" },
    };
    const { message } = await ask(
      [[says("It was 42.")]],
      { messages: [QUESTION, { role: "assistant", content: [use] }] },
      headers,
    );
    expect(message.content.map(({ type }) => type)).toEqual([
      expect.stringMatching(/^code_execution(_tool)?_result$/),
      "text",
    ]);
    expect(resultsOf(message)[0]).toMatchObject({ tool_use_id: use.id });
    expect(JSON.stringify(director.asked[0]?.messages.at(-1))).toContain("42");
  });

  test("old and new headers, keys and queries of real clients are accepted", async () => {
    const variants: Record<string, string>[] = [
      { "x-api-key": "any", "anthropic-version": "2023-06-01" },
      { authorization: "Bearer any", "anthropic-version": "2026-10-21" },
      {
        "anthropic-beta": "code-execution-2025-08-25,skills-2025-10-02,message-threads-2026-08-12",
      },
    ];
    for (const headers of variants) {
      director.play([[says("Hello.")]]);
      const response = await fetch(`${server.url}/v1/messages?beta=true`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ model: "m", max_tokens: 1, messages: [QUESTION] }),
      });
      expect(response.status).toBe(200);
    }
  });
});

test("every answer that was given is accepted back, in both renderings", async () => {
  expect(given.length).toBeGreaterThan(30);
  const tools = [
    CODE_EXECUTION,
    { name: "get_rate", input_schema: { type: "object" } },
    { name: "now", input_schema: { type: "object" } },
  ];
  for (const headers of [{}, NATIVE]) {
    for (const { content } of given) {
      const open = content.filter(({ type }) => type === "tool_use") as unknown as { id: string }[];
      const results = open.map(({ id }) => ({
        type: "tool_result",
        tool_use_id: id,
        content: "1",
      }));
      const { status, error } = await askOnly(
        [
          QUESTION,
          { role: "assistant", content: nulled(content) },
          { role: "user", content: [...results, { type: "text", text: "And now?" }] },
        ],
        tools,
        headers,
      );
      expect({ status, error, content: status === 200 ? null : content }).toEqual({
        status: 200,
        error: undefined,
        content: null,
      });
    }
  }
});

function askOnly(messages: unknown[], tools: unknown[], headers: object): Promise<Answered> {
  director.play([[says("Fine.")]]);
  return askMessages(server.url, { messages, tools }, { ...headers });
}

/** As the Python SDK sends blocks back: with the fields of its models that were not set, as nulls. */
function nulled(content: WireAnswer["content"]): unknown[] {
  return content.map((block) =>
    block.type === "text" || block.type === "code_execution_result"
      ? { citations: null, ...block, parsed_output: null }
      : { ...block, caller: null },
  );
}

function blocksOf(events: readonly WireEvent[]): Block[] {
  return events
    .filter(({ type }) => type === "content_block_start")
    .map(({ content_block }) => content_block as Block);
}
