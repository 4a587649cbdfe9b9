import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { FunctionAnswer } from "../sandbox/sandbox.ts";
import type { ToolEvent } from "../tools/tool.ts";
import type { ToolExecution } from "./tool-execution.ts";
import {
  createWaitingExecutions,
  type WaitingEvent,
  type WaitingExecution,
} from "./waiting-executions.ts";

beforeEach(() => vi.useFakeTimers({ now: 0 }));
afterEach(() => vi.useRealTimers());

const MINUTE = 60_000;
const RESULT: ToolEvent = { type: "result", content: [], isError: false, output: null };
const { signal: never } = new AbortController();

function setup(callMs = 2 * 60 * MINUTE) {
  const answers: FunctionAnswer[] = [];
  const left: string[] = [];
  let ids = 0;
  const executions = createWaitingExecutions({ callMs, newId: () => `toolu_${++ids}` });
  const container = { id: "container_1", expiresAt: new Date(60 * MINUTE) };
  const call = (name = "query") => ({
    name,
    input: {},
    answer: (answer: FunctionAnswer) => void answers.push(answer),
  });
  /** Code that says these events, one each time that it is let go on. */
  function put(
    name: string,
    says: ToolEvent[] = [RESULT],
    at = container,
    before: Promise<unknown> = Promise.resolve(),
  ) {
    const execution: ToolExecution = {
      next: async () => {
        await before;
        return says.shift() ?? null;
      },
      attach: () => {},
      detach: () => {},
      leave: () => left.push(name),
    };
    return executions.put(at, { toolUseId: name, calls: [call()], execution });
  }
  const answer = (waiting: WaitingExecution | null) =>
    waiting?.answer(
      new Map([...waiting.calls.keys()].map((id) => [id, { text: "yes", isError: false }])),
    );
  return { executions, container, put, call, answer, answers, left };
}

async function read(waiting: WaitingExecution | null): Promise<WaitingEvent[]> {
  const events: WaitingEvent[] = [];
  for await (const event of waiting!.follow(never)) {
    // Every call is the client's, save those that the server answers.
    if (event.type === "calls") waiting!.ask(event.calls.filter(({ name }) => name !== "here"));
    else events.push(event);
  }
  return events;
}

test("what code came to is there for everybody who asks, and nothing is answered twice", async () => {
  const { executions, put, answer, answers } = setup();
  put("one");
  answer(executions.find("container_1", "one"));
  expect(answers).toEqual([{ outcome: "result", text: "yes" }]);
  expect(await read(executions.find("container_1", "one"))).toEqual([RESULT]);
  answer(executions.find("container_1", "one"));
  expect(await read(executions.find("container_1", "one"))).toEqual([RESULT]);
  expect(answers).toHaveLength(1);
});

test("a follower that leaves does not stop the code; its next calls wait for the next one", async () => {
  const { executions, put, call, answer } = setup();
  put("one", [{ type: "calls", calls: [call("again")] }, RESULT]);
  const controller = new AbortController();
  answer(executions.find("container_1", "one"));
  const follower = executions.find("container_1", "one")!.follow(controller.signal);
  controller.abort(new Error("gone"));
  await expect(follower.next()).rejects.toThrow("gone");
  const [event] = await read(executions.find("container_1", "one"));
  expect(event).toMatchObject({ type: "open" });
  const { calls } = event as WaitingEvent & { type: "open" };
  expect([...calls]).toMatchObject([["toolu_2", { name: "again" }]]);
  // Asked again it says the same.
  expect(await read(executions.find("container_1", "one"))).toEqual([event]);
  answer(executions.find("container_1", "one"));
  expect(await read(executions.find("container_1", "one"))).toEqual([RESULT]);
});

test("new calls that the server has answered let the code go on", async () => {
  const { executions, put, call, answer } = setup();
  put("one", [{ type: "calls", calls: [call("here")] }, RESULT]);
  answer(executions.find("container_1", "one"));
  expect(await read(executions.find("container_1", "one"))).toEqual([RESULT]);
});

test("new calls that nobody sorts time out as well", async () => {
  const { executions, put, call, answer, answers } = setup(5000);
  put("one", [{ type: "calls", calls: [call("here")] }, RESULT]);
  answer(executions.find("container_1", "one"));
  await vi.advanceTimersByTimeAsync(5000);
  expect(answers.at(-1)).toMatchObject({ outcome: "timeout" });
  expect(await read(executions.find("container_1", "one"))).toEqual([RESULT]);
});

test("two followers at once: the second goes on, the first is let go", async () => {
  const { executions, put, answer } = setup();
  const done = Promise.withResolvers<null>();
  put("one", [RESULT], undefined, done.promise);
  answer(executions.find("container_1", "one"));
  const first = read(executions.find("container_1", "one"));
  await Promise.resolve();
  const second = read(executions.find("container_1", "one"));
  await expect(first).rejects.toMatchObject({ code: "conflict", mayRetry: false });
  done.resolve(null);
  expect(await second).toEqual([RESULT]);
});

test("a new one in the same container ends the one before", () => {
  const { executions, put, left } = setup();
  put("one");
  put("two");
  expect(left).toEqual(["one"]);
  expect(executions.find("container_1", "one")).toBeNull();
  expect(executions.find("container_1", "two")).not.toBeNull();
});

test("code that is let go while it is followed is a result all the same", async () => {
  const { executions, put, answer } = setup();
  put("one", []);
  const waiting = executions.find("container_1", "one");
  answer(waiting);
  expect(await read(waiting)).toMatchObject([
    { type: "rejected", errorCode: "unavailable" },
    { type: "result", isError: true },
  ]);
});

test("the results of so many containers are kept, those of the oldest go", async () => {
  const { executions, put, answer, container } = setup();
  for (let n = 0; n < 20; n++) {
    put("one", [RESULT], { ...container, id: `container_${n}` });
    answer(executions.find(`container_${n}`, "one"));
    await read(executions.find(`container_${n}`, "one"));
  }
  const kept = Array.from({ length: 20 }, (_, n) => executions.find(`container_${n}`, "one"));
  expect(kept.map((found) => found !== null)).toEqual([
    ...Array.from({ length: 4 }, () => false),
    ...Array.from({ length: 16 }, () => true),
  ]);
});

test("shortly before the container's end the calls time out, at its end all is let go", async () => {
  const { executions, put, container, answers, left } = setup();
  put("one");
  vi.advanceTimersByTime(59 * MINUTE - 1);
  expect(answers).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(answers).toEqual([
    {
      outcome: "timeout",
      text: "Calling tool ['query'] timed out (no response after 3540s).",
    },
  ]);
  expect(await read(executions.find("container_1", "one"))).toEqual([RESULT]);
  container.expiresAt = new Date(61 * MINUTE);
  vi.advanceTimersByTime(MINUTE);
  expect(left).toEqual([]);
  vi.advanceTimersByTime(MINUTE);
  expect(left).toEqual(["one"]);
  expect(executions.find("container_1", "one")).toBeNull();
});

test("the setting may end the wait earlier", () => {
  const { put, answers } = setup(5000);
  put("one");
  vi.advanceTimersByTime(5000);
  expect(answers).toHaveLength(1);
});
