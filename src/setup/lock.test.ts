import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { acquireLock } from "./lock.ts";

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "curta-lock-"))));
afterEach(() => rm(folder, { recursive: true }));

test("the second waits, says for whom, and gets the lock when the first lets go", async () => {
  const signal = new AbortController().signal;
  const first = await acquireLock(folder, failIfWaiting, signal);
  const waiting = Promise.withResolvers<string>();
  const second = acquireLock(folder, waiting.resolve, signal);
  expect(await waiting.promise).toBe(`process ${process.pid}`);
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
});

test("a holder that is killed leaves no lock behind", async () => {
  const program = `
    import { acquireLock } from ${JSON.stringify(new URL("lock.ts", import.meta.url).href)};
    globalThis.lock = await acquireLock(${JSON.stringify(folder)}, () => {}, new AbortController().signal);
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const waiting = Promise.withResolvers<string>();
  const taken = acquireLock(folder, waiting.resolve, new AbortController().signal);
  expect(await waiting.promise).toBe(`process ${child.pid}`);
  child.kill("SIGKILL");
  (await taken)[Symbol.dispose]();
});

test("waiting ends when the signal aborts", async () => {
  using _held = await acquireLock(folder, failIfWaiting, new AbortController().signal);
  const stop = new AbortController();
  const waiting = acquireLock(folder, () => stop.abort(), stop.signal);
  await expect(waiting).rejects.toThrow(/abort/i);
});

function failIfWaiting(holder: string): void {
  throw new Error(`nobody should hold the lock, ${holder} does`);
}
