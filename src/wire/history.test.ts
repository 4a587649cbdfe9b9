import { expect, test } from "vitest";

import { createSources } from "../search/sources.ts";
import { createAttachments } from "./attachments.ts";
import { toHistory } from "./history.ts";
import type { WireMessage } from "./schema.ts";

function history(messages: unknown[]) {
  const attachments = createAttachments({
    attachmentBytes: 1000,
    workspaceBytes: 10_000,
    hasWorkspace: true,
    stored: new Map(),
  });
  return toHistory(messages as WireMessage[], attachments, 24_000, createSources());
}

const user = (...content: unknown[]) => ({ role: "user", content });
const assistant = (...content: unknown[]) => ({ role: "assistant", content });
const text = (value: string) => ({ type: "text", text: value });
const serverUse = (id: string, code = "1") => ({
  type: "server_tool_use",
  id,
  name: "code_execution",
  input: { code },
});
const modelUse = (id: string, code = "1") => ({
  type: "tool_use",
  id,
  name: "code_execution",
  input: { code },
});
const clientUse = (id: string) => ({ type: "tool_use", id, name: "weather", input: {} });
const clientResult = (id: string, content = "sunny") => ({
  type: "tool_result",
  tool_use_id: id,
  content,
});
const lesson = (id: string | null, value: string, isError = false) => ({
  type: "code_execution_result",
  tool_use_id: id,
  output: { type: "text", text: value },
  text: null,
  citations: null,
  is_error: isError,
});
const lessonImage = (id: string | null) => ({
  type: "code_execution_result",
  tool_use_id: id,
  output: { type: "image", media_type: "image/png", data: "iVBORw0KGgo=" },
  text: "[Chart generated]",
  is_error: false,
});
const native = (id: string, stdout: string, stderr = "", code = 0) => ({
  type: "code_execution_tool_result",
  tool_use_id: id,
  content: { type: "code_execution_result", stdout, stderr, return_code: code, content: [] },
});
const result = (id: string, value: string, isError = false) => ({
  type: "tool_result",
  tool_use_id: id,
  content: [text(value)],
  is_error: isError,
});
const lost = (id: string) => ({
  type: "tool_result",
  tool_use_id: id,
  content: expect.stringContaining("not part of the conversation"),
  is_error: true,
});

test.each<[string, unknown[], unknown[]]>([
  ["a string is a text block", [{ role: "user", content: "hi" }], [user(text("hi"))]],
  [
    "the lesson's rendering, results by id",
    [
      user(text("q")),
      assistant(text("Let me see."), serverUse("s1"), lesson("s1", "42"), text("It is 42.")),
      user(text("thanks")),
    ],
    [
      user(text("q")),
      assistant(text("Let me see."), modelUse("s1")),
      user(result("s1", "42")),
      assistant(text("It is 42.")),
      user(text("thanks")),
    ],
  ],
  [
    "the native rendering",
    [user(text("q")), assistant(serverUse("s1"), native("s1", "42\n"), text("42"))],
    [user(text("q")), assistant(modelUse("s1")), user(result("s1", "42")), assistant(text("42"))],
  ],
  [
    "a failed native run",
    [
      user(text("q")),
      assistant(serverUse("s1"), native("s1", "a\n", "Traceback\n", 1), text("no")),
    ],
    [
      user(text("q")),
      assistant(modelUse("s1")),
      user(result("s1", "a\nTraceback", true)),
      assistant(text("no")),
    ],
  ],
  [
    "several rounds in one message",
    [
      user(text("q")),
      assistant(
        serverUse("s1"),
        lesson("s1", "E", true),
        serverUse("s2"),
        lesson("s2", "2"),
        text("2"),
      ),
    ],
    [
      user(text("q")),
      assistant(modelUse("s1")),
      user(result("s1", "E", true)),
      assistant(modelUse("s2")),
      user(result("s2", "2")),
      assistant(text("2")),
    ],
  ],
  [
    "uses in a row, then their results",
    [
      user(text("q")),
      assistant(serverUse("s1"), serverUse("s2"), native("s1", "1"), native("s2", "2"), text("ok")),
    ],
    [
      user(text("q")),
      assistant(modelUse("s1"), modelUse("s2")),
      user(result("s1", "1"), result("s2", "2")),
      assistant(text("ok")),
    ],
  ],
  [
    "text and image of one use are one result, without ids as well",
    [
      user(text("q")),
      assistant(
        serverUse("s1"),
        lesson(null, "a"),
        lessonImage(null),
        serverUse("s2"),
        lesson(null, "b"),
        text("ok"),
      ),
    ],
    [
      user(text("q")),
      assistant(modelUse("s1")),
      user({
        ...result("s1", "a"),
        content: [
          text("a"),
          {
            type: "image",
            source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" },
          },
        ],
      }),
      assistant(modelUse("s2")),
      user(result("s2", "b")),
      assistant(text("ok")),
    ],
  ],
  [
    "a use whose result the client lost",
    [user(text("q")), assistant({ ...serverUse("s1"), input: {} }, text("42")), user(text("more"))],
    [
      user(text("q")),
      assistant({ ...modelUse("s1"), input: {} }),
      user(lost("s1")),
      assistant(text("42")),
      user(text("more")),
    ],
  ],
  [
    "a use without a result before a new question",
    [user(text("q")), assistant(serverUse("s1")), user(text("never mind"))],
    [user(text("q")), assistant(modelUse("s1")), user(lost("s1"), text("never mind"))],
  ],
  [
    "a result whose use the client lost",
    [user(text("q")), assistant(lesson("s9", "42"), text("It is 42."))],
    [user(text("q")), assistant(text("Output of the code:\n42"), text("It is 42."))],
  ],
  [
    "a deferred tool's result stands in the answer after the client's results",
    [
      user(text("q")),
      assistant(serverUse("s1"), clientUse("t1")),
      user(clientResult("t1")),
      assistant(lesson("s1", "42"), text("done")),
    ],
    [
      user(text("q")),
      assistant(modelUse("s1"), clientUse("t1")),
      user({ ...clientResult("t1"), is_error: false }, result("s1", "42")),
      assistant(text("done")),
    ],
  ],
  [
    "a paused answer and its continuation as two messages",
    [
      user(text("q")),
      assistant(text("a"), serverUse("s1")),
      assistant(native("s1", "1"), text("b")),
    ],
    [
      user(text("q")),
      assistant(text("a"), modelUse("s1")),
      user(result("s1", "1")),
      assistant(text("b")),
    ],
  ],
  [
    "thinking under either name, with its signature",
    [
      user(text("q")),
      assistant(
        { type: "thinking", thinking: "", text: "old words", signature: null },
        { type: "thinking", thinking: "signed", signature: "sig" },
        { type: "redacted_thinking", data: "x" },
        text("a"),
      ),
    ],
    [
      user(text("q")),
      assistant(
        { type: "thinking", thinking: "old words", signature: "" },
        { type: "thinking", thinking: "signed", signature: "sig" },
        { type: "redacted_thinking", data: "x" },
        text("a"),
      ),
    ],
  ],
  [
    "tools that a client's own search has found",
    [
      user(text("q")),
      assistant(clientUse("t1")),
      user({
        ...clientResult("t1"),
        content: [{ type: "tool_reference", tool_name: "mcp__shop__orders" }],
      }),
    ],
    [
      user(text("q")),
      assistant(clientUse("t1")),
      user({
        ...clientResult("t1"),
        content: [text("The tool mcp__shop__orders can be called.")],
        is_error: false,
      }),
    ],
  ],
  [
    "blocks of other hosted tools keep their words",
    [
      user(text("q")),
      assistant(
        { type: "server_tool_use", id: "w1", name: "web_search", input: { query: "x" } },
        { type: "web_search_tool_result", tool_use_id: "w1", content: [] },
        text("nothing"),
      ),
    ],
    [
      user(text("q")),
      assistant({ type: "tool_use", id: "w1", name: "web_search", input: { query: "x" } }),
      user(result("w1", "Nothing was found. Try other words.")),
      assistant(text("nothing")),
    ],
  ],
  [
    "empty text goes, neighbours of one role join",
    [user(text("a"), text("")), user(text("b")), assistant(text("")), assistant(text("c"))],
    [user(text("a"), text("b")), assistant(text("c"))],
  ],
])("%s", (_, given, messages) => {
  const { pending, messages: made } = history(given);
  expect(made).toEqual(messages);
  expect(pending).toEqual([]);
});

test("an unanswered use at the end is pending", () => {
  const { messages, pending } = history([
    user(text("q")),
    assistant(text("a"), serverUse("s1"), serverUse("s2")),
  ]);
  expect(messages).toEqual([user(text("q")), assistant(text("a"), modelUse("s1"), modelUse("s2"))]);
  expect(pending).toEqual([modelUse("s1"), modelUse("s2")]);
});

test("a deferred use is pending when only the client's results follow", () => {
  const given = [user(text("q")), assistant(serverUse("s1"), clientUse("t1"))];
  expect(history([...given, user(clientResult("t1"))]).pending).toEqual([modelUse("s1")]);
  const { pending, messages } = history([...given, user(clientResult("t1"), text("and now?"))]);
  expect(pending).toEqual([]);
  expect(messages.at(-1)).toEqual(
    user({ ...clientResult("t1"), is_error: false }, lost("s1"), text("and now?")),
  );
});

test("system messages join the system prompt", () => {
  const { system, messages } = history([{ role: "system", content: "Be brief." }, user(text("q"))]);
  expect(system).toEqual([text("Be brief.")]);
  expect(messages).toEqual([user(text("q"))]);
});

test.each<[string, unknown[], RegExp]>([
  [
    "a client's use without its result",
    [user(text("q")), assistant(clientUse("t1")), user(text("hm"))],
    /^messages\.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1\./,
  ],
  [
    "a result of nothing",
    [user(clientResult("t9"))],
    /^messages\.0\.content\.0: unexpected `tool_use_id` .*: t9\./,
  ],
  [
    "the same use twice",
    [user(text("q")), assistant(serverUse("s1"), serverUse("s1"))],
    /must be unique/,
  ],
  [
    "an image in a system message",
    [{ role: "system", content: [{ type: "image" }] }],
    /'text' in a system message/,
  ],
])("%s is refused", (_, given, message) => {
  expect(() => history(given)).toThrow(message);
});
