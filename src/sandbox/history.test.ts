/** Named states over a stand-in for the session, whose state is a number that cells add to. */
import { expect, test } from "vitest";

import { createHistory } from "./history.ts";
import type { Sandbox } from "./pool.ts";
import type { Container } from "./sandbox.ts";

function standIn() {
  const marks = new Map<string, number>();
  const machine = { state: 0, marks };
  const session = {
    mark: async (name: string) => void marks.set(name, machine.state),
    goBack: async (name: string) => void (machine.state = marks.get(name)!),
    unmark: async (name: string) => void marks.delete(name),
  };
  return { machine, sandbox: { session } as unknown as Sandbox };
}

function setup() {
  const first = standIn();
  const host = { ...first, turns: 0, moves: [] as number[] };
  const execute: Container["execute"] = async function* ({ code }) {
    host.machine.state += Number(code);
    yield { type: "stdout", text: String(host.machine.state) };
  };
  const history = createHistory({
    checkpointsMax: 2,
    now: () => 0,
    inside(_signal, work) {
      host.turns += 1;
      return work(host.sandbox, execute);
    },
    moved: () => void host.moves.push(host.machine.state),
  });
  return { host, history };
}

const { signal } = new AbortController();

test("going back says that it moved; giving and taking names does not", async () => {
  const { host, history } = setup();
  await history.create("a");
  host.machine.state = 5;
  await history.restore("a");
  await history.delete("a");
  expect(host.moves).toEqual([0]);
  expect(host.turns).toBe(3);
  await expect(history.restore("a")).rejects.toThrow(/not found/);
  expect(host.moves).toEqual([0]);
});

test("every cell of a branch begins in the same state, and one of the outcomes can be kept", async () => {
  const { host, history } = setup();
  host.machine.state = 1;
  const [id, results] = await history.branch(
    2,
    async (index, execute) => {
      const texts: string[] = [];
      const code = String(10 * (index + 1));
      for await (const event of execute(
        { code, language: "python", timeoutMs: 1, live: false },
        signal,
      ))
        if (event.type === "stdout") texts.push(event.text);
      return texts.join("");
    },
    signal,
  );
  expect(results).toEqual(["11", "21"]);
  expect(host.machine.state).toBe(1);
  await history.keep(id, 1);
  expect(host.machine.state).toBe(21);
  expect(host.moves).toEqual([1, 21]);
  expect(host.machine.marks.size).toBe(0);
});

test("the names end with the sandbox that they are of", async () => {
  const { host, history } = setup();
  await history.create("a");
  expect(history.list().map(({ name }) => name)).toEqual(["a"]);
  Object.assign(host, standIn());
  await expect(history.restore("a")).rejects.toThrow(/not found/);
  expect(history.list()).toEqual([]);
});
