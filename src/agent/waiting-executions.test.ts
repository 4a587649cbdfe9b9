import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { FunctionAnswer } from "../sandbox/sandbox.ts";
import type { ToolExecution } from "./tool-execution.ts";
import { createWaitingExecutions, type WaitingExecution } from "./waiting-executions.ts";

beforeEach(() => vi.useFakeTimers({ now: 0 }));
afterEach(() => vi.useRealTimers());

const MINUTE = 60_000;

function setup(callMs = 2 * 60 * MINUTE) {
  const answers: FunctionAnswer[] = [];
  const left: string[] = [];
  const execution = (name: string): ToolExecution => ({
    next: async () => null,
    attach: () => {},
    detach: () => {},
    leave: () => left.push(name),
  });
  const waiting = (name: string): WaitingExecution => {
    const call = {
      name: "query",
      input: {},
      answer: (answer: FunctionAnswer) => void answers.push(answer),
    };
    return { toolUseId: name, calls: new Map([["toolu_1", call]]), execution: execution(name) };
  };
  const container = { id: "container_1", expiresAt: new Date(60 * MINUTE) };
  return { executions: createWaitingExecutions(callMs), waiting, container, answers, left };
}

test("is taken once", () => {
  const { executions, waiting, container } = setup();
  executions.put(container, waiting("one"));
  expect(executions.find("container_1")?.toolUseId).toBe("one");
  expect(executions.take("container_1")?.toolUseId).toBe("one");
  expect(executions.take("container_1")).toBeNull();
});

test("a new one in the same container ends the one before", () => {
  const { executions, waiting, container, left } = setup();
  executions.put(container, waiting("one"));
  executions.put(container, waiting("two"));
  expect(left).toEqual(["one"]);
  expect(executions.find("container_1")?.toolUseId).toBe("two");
});

test("shortly before the container's end the calls time out, at its end the code is let go", () => {
  const { executions, waiting, container, answers, left } = setup();
  executions.put(container, waiting("one"));
  vi.advanceTimersByTime(59 * MINUTE - 1);
  expect(answers).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(answers).toEqual([
    {
      outcome: "timeout",
      text: "Calling tool ['query'] timed out (no response after 3540s).",
    },
  ]);
  expect(executions.find("container_1")).not.toBeNull();
  container.expiresAt = new Date(61 * MINUTE);
  vi.advanceTimersByTime(MINUTE);
  expect(left).toEqual([]);
  vi.advanceTimersByTime(MINUTE);
  expect(left).toEqual(["one"]);
  expect(executions.find("container_1")).toBeNull();
});

test("the setting may end the wait earlier", () => {
  const { executions, waiting, container, answers } = setup(5000);
  executions.put(container, waiting("one"));
  vi.advanceTimersByTime(5000);
  expect(answers).toHaveLength(1);
});
