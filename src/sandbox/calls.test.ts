import { expect, test } from "vitest";

import { ChannelError } from "../kernel/channel.ts";
import type { KernelCall } from "../kernel/protocol.ts";
import { createCalls } from "./calls.ts";

const FUNCTIONS = [{ name: "query", functionName: "query", doc: "", parameters: [] }];

function setup(most = 10) {
  const sent: [number, string, string][] = [];
  const calls = createCalls(FUNCTIONS, most, (id, { outcome, text }) =>
    sent.push([id, outcome, text]),
  );
  return { calls, sent };
}

const call = (id: number, more: Partial<KernelCall> = {}): KernelCall => ({
  id,
  name: "query",
  input: {},
  bytes: 2,
  ...more,
});

test("a call is answered once, and is open until then", () => {
  const { calls, sent } = setup();
  const [taken] = calls.take([call(7, { input: { sql: "S" } })]);
  expect(taken).toMatchObject({ name: "query", input: { sql: "S" } });
  expect(calls.open).toBe(1);
  taken?.answer({ outcome: "result", text: "rows" });
  taken?.answer({ outcome: "error", text: "again" });
  expect(sent).toEqual([[7, "result", "rows"]]);
  expect(calls.open).toBe(0);
});

test("nothing is sent to a cell that has ended", () => {
  const { calls, sent } = setup();
  const [taken] = calls.take([call(1)]);
  calls.close();
  taken?.answer({ outcome: "result", text: "late" });
  expect(sent).toEqual([]);
});

test.each([
  ["a name that nobody declared", call(2, { name: "os.system" }), /no tool "os.system"/],
  ["an input that is no object", call(2, { input: null }), /JSON object/],
  ["a number that is in use", call(1), /in use/],
  ["inputs too large together", call(2, { bytes: 8 << 20 }), /too large together/],
])("%s is told to the code, not to the client", (_, wrong, sentence) => {
  const { calls, sent } = setup();
  calls.take([call(1)]);
  expect(calls.take([wrong])).toEqual([]);
  expect(sent).toEqual([[wrong.id, "error", expect.stringMatching(sentence)]]);
  expect(calls.open).toBe(1);
});

test("calls beyond the bound are refused, those before them are not", () => {
  const { calls, sent } = setup(2);
  expect(calls.take([call(1), call(2), call(3)])).toHaveLength(2);
  expect(sent).toEqual([[3, "error", expect.stringContaining("2 calls")]]);
});

test("a flood of calls is no session's word any more", () => {
  const { calls, sent } = setup(1);
  const many = Array.from({ length: 600 }, (_, id) => call(id, { name: "other" }));
  calls.take(many);
  expect(() => calls.take(many)).toThrow(ChannelError);
  expect(sent.length).toBeLessThanOrEqual(1001);
});
