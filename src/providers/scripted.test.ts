import { expect, test } from "vitest";

import { fold } from "../../test/fixtures/upstream/fold.ts";
import type { ModelEvent, ModelRequest } from "./provider.ts";
import { ScriptedProvider, calls, ends, pauses, says, thinks } from "./scripted.ts";

const signal = new AbortController().signal;
const request: ModelRequest = {
  model: "m",
  system: [],
  messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
  tools: [],
  maxTokens: 100,
  stopSequences: [],
  attachments: [],
};

test("replays its samplings in order and keeps what it was asked", async () => {
  const model = new ScriptedProvider([
    [
      thinks("hm"),
      says("I'll run 😀 it.", { chunk: 3 }),
      calls("f", { a: "😀" }, { chunk: 2 }),
      calls("f", {}, { id: "mine" }),
    ],
    [says("done"), ends("max_tokens")],
  ]);
  const first = await fold(model.stream(request, signal));
  expect(first.blocks).toEqual([
    { type: "thinking", thinking: "hm", signature: "c2NyaXB0ZWQ=" },
    { type: "text", text: "I'll run 😀 it." },
    { type: "tool_use", id: "toolu_scripted1x1", name: "f", input: { a: "😀" } },
    { type: "tool_use", id: "mine", name: "f", input: {} },
  ]);
  expect(first.end?.stopReason).toBe("tool_use");
  expect(first.end?.usage.outputTokens).toBeGreaterThan(5);
  const changed = structuredClone(request);
  const second = await fold(model.stream(changed, signal));
  changed.messages.length = 0;
  expect(second.end?.stopReason).toBe("max_tokens");
  expect(model.requests).toEqual([request, request]);
  await expect(fold(model.stream(request, signal))).rejects.toThrow(
    "The script is over: it has no sampling number 3.",
  );
});

test("a script can be a function, fail and wait", async () => {
  const failure = new Error("broke");
  const model = new ScriptedProvider(({ messages }, index) => {
    if (index === 0) return [says(String(messages.length)), failure];
    return index === 1 ? [says("wait"), pauses(60_000)] : null;
  });
  const seen: ModelEvent["type"][] = [];
  const run = async (): Promise<void> => {
    for await (const { type } of model.stream(request, signal)) seen.push(type);
  };
  await expect(run()).rejects.toBe(failure);
  expect(seen).toEqual(["start", "text-start", "text-delta", "block-end"]);

  const gone = new AbortController();
  const waiting = (async () => {
    for await (const { type } of model.stream(request, gone.signal))
      if (type === "block-end") setImmediate(() => gone.abort("gone"));
  })();
  await expect(waiting).rejects.toBe("gone");
});
