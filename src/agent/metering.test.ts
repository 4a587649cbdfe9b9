import { expect, test } from "vitest";

import { estimateTokens } from "../providers/tokens.ts";
import type { TurnEvent } from "./events.ts";
import { meterTurn, type MeterOptions, type TurnRecord } from "./metering.ts";

const CODE = "print('hello')";
const PNG = Buffer.concat([
  Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1"),
  Buffer.from([0, 0, 3, 232, 0, 0, 2, 238]),
]).toString("base64");
const USAGE = { inputTokens: 50, outputTokens: 7 };
const CONTAINER = { id: "container_1", expiresAt: new Date(0) };

const START: TurnEvent = { type: "turn-start", model: "m", usage: USAGE, container: null };
const END: TurnEvent = {
  type: "turn-end",
  stopReason: "end_turn",
  stopSequence: null,
  usage: USAGE,
  container: CONTAINER,
};
const use: TurnEvent[] = [
  { type: "tool-use-start", id: "srvtoolu_1", name: "code_execution", serverTool: true },
  { type: "tool-use-delta", partialJson: '{"code":"pri' },
  { type: "tool-use-delta", partialJson: `nt('hello')"}` },
  { type: "block-end" },
];

function execution(id: string): TurnEvent[] {
  const tool = (event: Extract<TurnEvent, { type: "tool" }>["event"]): TurnEvent => ({
    type: "tool",
    toolUseId: id,
    name: "code_execution",
    event,
  });
  return [
    tool({ type: "execution", event: { type: "stdout", text: "héllo\n" } }),
    tool({
      type: "execution",
      event: {
        type: "done",
        status: "ok",
        error: null,
        return_code: 0,
        usage: { wall_ms: 3, cpu_ms: 2, peak_memory_bytes: 4096 },
        truncated: false,
        notice: null,
      },
    }),
    tool({
      type: "result",
      content: [{ type: "text", text: "héllo" }],
      isError: false,
      output: {
        kind: "execution",
        parts: [
          { type: "text", text: "héllo", isError: false },
          { type: "image", mediaType: "image/png", data: PNG },
        ],
        stdout: "héllo\n",
        stderr: "",
        returnCode: 0,
        tookTooLong: false,
        fileIds: [],
      },
    }),
  ];
}

const EXPECTED = {
  toolUseId: "srvtoolu_1",
  name: "code_execution",
  status: "ok",
  wallMs: 3,
  cpuMs: 2,
  peakMemoryBytes: 4096,
  bytesIn: CODE.length,
  bytesOut: 7,
  codeTokens: estimateTokens(CODE),
  resultTokens: estimateTokens("héllo"),
  imageTokens: 1000,
};

async function* each(events: TurnEvent[]): AsyncGenerator<TurnEvent> {
  yield* events;
}

function setup(events: AsyncIterable<TurnEvent>, options: Partial<MeterOptions> = {}) {
  const records: TurnRecord[] = [];
  const metered = meterTurn(events, {
    model: "m",
    serverTools: ["code_execution"],
    pending: [],
    priceList: { policy: "lesson", imagePixelsPerToken: 750 },
    record: (record) => void records.push(record),
    ...options,
  });
  return { records, metered };
}

test("an execution is measured, and what the answer says is what is recorded", async () => {
  const { records, metered } = setup(each([START, ...use, ...execution("srvtoolu_1"), END]));
  const seen: TurnEvent[] = [];
  for await (const event of metered) {
    if (event.type === "turn-end") expect(records).toHaveLength(1);
    seen.push(event);
  }
  const billed = {
    isFree: false,
    inputTokens: 50 + EXPECTED.codeTokens,
    outputTokens: 7 + EXPECTED.resultTokens + 1000,
  };
  expect(records).toEqual([
    {
      outcome: "whole",
      web: { searches: 0, fetches: 0 },
      model: "m",
      containerId: "container_1",
      usage: USAGE,
      executions: [EXPECTED],
      billed,
    },
  ]);
  expect(seen.at(-1)).toEqual({
    ...END,
    metering: {
      usage: USAGE,
      executions: [EXPECTED],
      web: { searches: 0, fetches: 0 },
      billed,
    },
  });
});

test("a use that an earlier answer left open is measured with its own code", async () => {
  const { records, metered } = setup(each([START, ...execution("srvtoolu_1"), END]), {
    pending: [
      { type: "tool_use", id: "srvtoolu_1", name: "code_execution", input: { code: CODE } },
    ],
  });
  for await (const _event of metered);
  expect(records[0]?.executions).toEqual([EXPECTED]);
});

test("a use that did not run costs nothing", async () => {
  const rejected: TurnEvent[] = [
    { type: "rejected" as const, errorCode: "unavailable" as const, message: "no" },
    { type: "result" as const, content: [], isError: true, output: null },
  ].map((event) => ({ type: "tool", toolUseId: "srvtoolu_1", name: "code_execution", event }));
  const { records, metered } = setup(each([START, ...use, ...rejected, END]));
  for await (const _event of metered);
  expect(records[0]?.executions).toEqual([]);
});

test("a turn that fails is recorded with what was used by then", async () => {
  async function* broken(): AsyncGenerator<TurnEvent> {
    yield* [
      START,
      ...use,
      { type: "usage", usage: { inputTokens: 90, outputTokens: 30 } } as const,
    ];
    throw new Error("The model is gone.");
  }
  const { records, metered } = setup(broken());
  await expect(async () => {
    for await (const _event of metered);
  }).rejects.toThrow("The model is gone.");
  expect(records).toMatchObject([{ outcome: "cut", usage: { inputTokens: 90, outputTokens: 30 } }]);
});

test("a reader that leaves is recorded once", async () => {
  const { records, metered } = setup(each([START, ...use, END]));
  for await (const _event of metered) break;
  expect(records).toMatchObject([{ outcome: "cut", usage: USAGE }]);
});
