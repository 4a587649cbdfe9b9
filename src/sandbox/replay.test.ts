/** Running cells again in a stand-in for the sandbox, from real stores: what is run, what is told, and how it may end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

import { openDatabase } from "../store/database.ts";
import { openJournal, type MissingCell } from "../store/journal.ts";
import { openKeptContainers } from "../store/kept-containers.ts";
import { createJournal } from "./journal.ts";
import type { Sandbox } from "./pool.ts";
import { describeReplay, replay } from "./replay.ts";
import type { ExecutionStatus } from "./sandbox.ts";

const folder = mkdtempSync(join(tmpdir(), "curta-replay-"));
const database = openDatabase(folder);
const containers = await openKeptContainers(database, folder, 1 << 20);
const TIMEOUT_MS = 30_000;
const FRESH = { last: 0, base: 0, standing: 0 };

afterAll(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

type Row = [string, number, number, number];

/** A cell's code is what comes of it: a status, `dies`, or `hangs` until its caller leaves. `slow` needs all of its time. */
function standIn() {
  const ran: string[] = [];
  const cells = { ...FRESH };
  const files = new Map<string, string>();
  let clock = 0;
  const session = {
    alive: true,
    cells,
    async *run({ code, timeoutMs }: { code: string; timeoutMs: number }, signal: AbortSignal) {
      cells.base = cells.standing;
      cells.last += 1;
      ran.push(code);
      if (code === "hangs")
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      if (code === "dies") session.alive = false;
      if (code.startsWith("write ")) files.set(code.slice(6), `changed ${(clock += 1)}`);
      if (code.startsWith("drop ")) files.delete(code.slice(5));
      const known: string[] = ["error", "timeout", "killed"] satisfies ExecutionStatus[];
      const late = code === "slow" && timeoutMs < TIMEOUT_MS;
      const status = late ? "timeout" : known.includes(code) ? code : "ok";
      if (status !== "killed") cells.standing = cells.last;
      const error = status === "ok" ? null : { name: "Oops", message: `${status}\nmore` };
      yield { type: "done", status, error };
    },
    close() {
      session.alive = false;
    },
  };
  const keeper = {
    async request(operation: string, { path = "" } = {}, payload?: Buffer) {
      if (operation === "put") files.set(path, String(payload));
      if (operation === "remove") files.delete(path);
      const rows = [...files].map(([name, text]): Row => [name, text.length, 0, text.length]);
      return { fields: { files: rows } };
    },
  };
  return { sandbox: { session, keeper } as unknown as Sandbox, ran, files };
}

let made = 0;
function setup(codes: readonly (string | { missing: MissingCell } | { failed: string })[]) {
  made += 1;
  const id = `container_${made}`;
  containers.add(id, 0);
  const store = openJournal(database, { cells: 10, bytes: 10_000, totalBytes: 1 << 20 });
  const journal = createJournal(store, id);
  for (const [index, entry] of codes.entries()) {
    const missing = typeof entry === "object" && "missing" in entry ? entry.missing : null;
    const failed = typeof entry === "object" && "failed" in entry;
    const code = typeof entry === "string" ? entry : failed ? entry.failed : "";
    journal.note(
      { last: index + 1, base: index, standing: index + 1 },
      { code, timeoutMs: TIMEOUT_MS, failed, missing },
    );
  }
  journal.begin();
  const stand = standIn();
  const run = (ms = 60_000, signal = new AbortController().signal) =>
    replay(stand.sandbox, journal, containers, id, ms, signal);
  return { id, journal, ...stand, run };
}

test("what fails anew, cannot be run or leaves no trace is told by its number", async () => {
  const { run, ran, journal, sandbox } = setup([
    "ok",
    { missing: "calls" },
    { failed: "error" },
    "error",
    { missing: "stopped" },
    { missing: "space" },
    "killed",
    "timeout",
  ]);
  const notice = describeReplay(await run(), 60);
  expect(ran).toEqual(["ok", "error", "error", "killed", "timeout"]);
  expect(notice).toBe(
    [
      "The interpreter was started anew and 5 calls were run again, in order: the variables, imports and functions that they made are there again.",
      "What depends on time, chance or files that have changed since may differ.",
      "Not run again, because their code called tools: call 2.",
      "Not run again, because they were stopped before their end: call 5.",
      "Not run again, because there was no room to keep them: call 6.",
      "Failed this time: call 4 (Oops: error), call 7 (Oops: killed), call 8 (Oops: timeout).",
      "The files of /workspace are as they were after the last call.",
    ].join(" "),
  );
  expect(journal.isBehind(sandbox.session.cells)).toBe(false);
});

test("the first cells that were too many are told, and so it is when none is left", async () => {
  const { run } = setup(Array.from({ length: 13 }, () => "ok"));
  expect(describeReplay(await run(), 60)).toMatch(
    /10 calls were run again.* The first 3 calls were too many to be kept, and not run again\./,
  );
  const none = setup([{ missing: "calls" }]);
  expect(describeReplay(await none.run(), 60)).toMatch(
    /^The container's interpreter had to be started anew since the last call, and no call could be run again: .* because their code called tools: call 1\./,
  );
  expect(none.journal.isBehind(FRESH)).toBe(false);
});

test("when the time is over the state is that of the cells that ran", async () => {
  const { run, ran, journal } = setup(["ok", "slow", "ok"]);
  const result = await run(TIMEOUT_MS - 1);
  expect(ran).toEqual(["ok", "slow"]);
  expect(describeReplay(result, 60)).toMatch(
    /1 call was run again.* The 60 s for this were over at call 2 of 3: that one and those after it are not rebuilt\./,
  );
  expect(journal.length).toBe(1);
});

test("a caller who leaves ends the sandbox, whose state is nobody's; the next call may begin again", async () => {
  const { run, journal, sandbox } = setup(["ok", "hangs"]);
  const abort = new AbortController();
  const running = run(60_000, abort.signal);
  setImmediate(() => abort.abort());
  await expect(running).rejects.toThrow(/abort/);
  expect(sandbox.session.alive).toBe(false);
  journal.begin();
  expect(journal.isBehind(FRESH)).toBe(true);
});

test("a cell that ends the sandbox is told, and none is tried another time", async () => {
  const { run, ran, journal } = setup(["ok", "dies", "ok"]);
  expect(describeReplay(await run(), 60)).toMatch(
    /all variables, imports and functions are gone\. Running its calls again ended the sandbox at call 2, so that is not tried another time/,
  );
  expect(ran).toEqual(["ok", "dies"]);
  journal.begin();
  expect(journal.isBehind(FRESH)).toBe(false);
});

test("the workspace is what it was before, save where not all of it could be kept", async () => {
  for (const isWhole of [true, false]) {
    const { run, id, files } = setup(["write a", "drop b", "write new", "write unkept"]);
    for (const path of ["a", "b"]) {
      await containers.save(id, path, "", Buffer.from(path));
      files.set(path, path);
    }
    files.set("unkept", "mine");
    containers.setIncomplete(id, !isWhole);
    await run();
    const names = ["a", "b", ...(isWhole ? [] : ["new"]), "unkept"];
    expect([...files.keys()].toSorted()).toEqual(names);
    expect([files.get("a"), files.get("b")]).toEqual(["a", "b"]);
  }
});
