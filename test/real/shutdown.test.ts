/** SIGTERM to a real `curta serve` while requests are under way: they end, within a bound. */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { calls, says } from "../../src/providers/scripted.ts";
import { CODE_EXECUTION, parseEvents, post } from "../fixtures/messages-client.ts";
import { speakMessages, startModelServer, type ModelServer } from "../fixtures/model-servers.ts";
import { isAlive, startServeProcess, type ServeProcess } from "../fixtures/serve-process.ts";

const BOUND_SECONDS = 3;

async function start(
  model: ModelServer,
  data: string,
  options: { ownGroup?: boolean } = {},
): Promise<ServeProcess> {
  const env = {
    CURTA_UPSTREAM_URL: model.url,
    CURTA_UPSTREAM_API: "anthropic",
    CURTA_SHUTDOWN_SECONDS: String(BOUND_SECONDS),
    CURTA_DATA: data,
  };
  return await startServeProcess(env, options);
}

/** A model that runs code which takes so long, and then says "Done." */
function playSleep(model: ModelServer, seconds: number): void {
  const code = `import time\ntime.sleep(${seconds})\nprint("slept")`;
  model.play(
    speakMessages(({ lastOutput }) =>
      lastOutput === null ? [calls("code_execution", { code })] : [says("Done.")],
    ),
  );
}

/** Begins a streaming request; resolves when its code has been written and runs. */
async function begin(url: string): Promise<{ rest: Promise<string> }> {
  const body = {
    model: "m",
    max_tokens: 1000,
    stream: true,
    tools: [CODE_EXECUTION],
    messages: [{ role: "user", content: "Sleep." }],
  };
  const response = await post(url, JSON.stringify(body));
  const running = Promise.withResolvers<void>();
  const rest = (async () => {
    let text = "";
    try {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (text.includes("event: content_block_stop")) running.resolve();
      }
    } catch {
      text += "[cut]";
    }
    running.resolve();
    return text;
  })();
  await running.promise;
  return { rest };
}

test("requests under way end whole, new ones are turned away, and nothing is left behind", async () => {
  await using model = await startModelServer();
  const data = await mkdtemp(join(tmpdir(), "curta-shutdown-"));
  await using curta = await start(model, data);
  playSleep(model, 1.5);
  const { rest } = await begin(curta.url);
  const family = curta.family();
  expect(family.length).toBeGreaterThan(3);
  curta.kill("SIGTERM");

  const events = parseEvents(await rest);
  expect(events.map(({ type }) => type)).toContain("message_stop");
  expect(JSON.stringify(events)).toContain('"text":"slept"');
  expect(await curta.ended).toBe(0);
  await expect(post(curta.url, "{}")).rejects.toThrow("fetch failed");
  await expectGone(family);

  // The same data folder serves again.
  playSleep(model, 0);
  await using again = await start(model, data);
  const { rest: answer } = await begin(again.url);
  expect(await answer).toContain("event: message_stop");
  again.kill("SIGTERM");
  expect(await again.ended).toBe(0);
  expect((await readdir(data)).length).toBeGreaterThan(0);
  await rm(data, { recursive: true, force: true });
  expect(existsSync(data)).toBe(false);
});

test("a request that takes longer than the bound is cut, and its code stopped", async () => {
  await using model = await startModelServer();
  const data = await mkdtemp(join(tmpdir(), "curta-shutdown-"));
  await using curta = await start(model, data);
  playSleep(model, 25);
  const { rest } = await begin(curta.url);
  const family = curta.family();
  const startedMs = performance.now();
  curta.kill("SIGTERM");
  expect(await curta.ended).toBe(0);
  const tookMs = performance.now() - startedMs;
  expect(tookMs).toBeGreaterThan(BOUND_SECONDS * 1000 - 100);
  expect(tookMs).toBeLessThan((BOUND_SECONDS + 8) * 1000);
  expect(await rest).not.toContain("message_stop");
  await expectGone(family);
  expect(curta.stderr()).toContain("did not end in time");
  await rm(data, { recursive: true, force: true });
});

/** What has been killed may take a moment to end. */
async function expectGone(pids: readonly number[]): Promise<void> {
  await expect.poll(() => pids.filter(isAlive), { timeout: 3000 }).toEqual([]);
}

test("Ctrl-C in a terminal, which reaches the whole process group, lets requests end whole, too", async () => {
  await using model = await startModelServer();
  const data = await mkdtemp(join(tmpdir(), "curta-shutdown-"));
  await using curta = await start(model, data, { ownGroup: true });
  playSleep(model, 1.5);
  const { rest } = await begin(curta.url);
  const family = curta.family();
  process.kill(-curta.pid, "SIGINT");
  const events = parseEvents(await rest);
  expect(events.map(({ type }) => type)).toContain("message_stop");
  expect(JSON.stringify(events)).toContain('"text":"slept"');
  expect(await curta.ended).toBe(0);
  expect(curta.stderr()).toBe("");
  await expectGone(family);
  await rm(data, { recursive: true, force: true });
});

test("a server whose sandbox has just died ends in order", async () => {
  await using model = await startModelServer();
  const data = await mkdtemp(join(tmpdir(), "curta-shutdown-"));
  await using curta = await start(model, data);
  const family = curta.family();
  process.kill(family[1]!, "SIGKILL");
  curta.kill("SIGTERM");
  expect(await curta.ended).toBe(0);
  expect(curta.stderr()).not.toContain("unsettled");
  await expectGone(family);
  await rm(data, { recursive: true, force: true });
});
