/** Containers outlive what runs them: the server, killed or ended, and the sandbox's first process. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { killSandbox, startServeProcess, type ServeProcess } from "../fixtures/serve-process.ts";
import { createContainer, send, type TestContainer } from "./direct-client.ts";

let data: string;
let server: ServeProcess;

async function start(): Promise<void> {
  const cache = process.env.CURTA_CACHE;
  server = await startServeProcess({
    CURTA_DATA: data,
    // Nobody is asked: the direct API needs no model.
    CURTA_UPSTREAM_URL: "http://127.0.0.1:9",
    CURTA_UPSTREAM_API: "anthropic",
    ...(cache === undefined ? {} : { CURTA_CACHE: cache }),
  });
}

/** The same container, asked of the server that runs at the moment. */
async function execute(id: string, code: string) {
  const path = `/v1/containers/${id}/execute`;
  const response = await send(server as never, "POST", path, JSON.stringify({ code }));
  return (await response.json()) as { status: string; stdout: string; notice: string | null };
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "curta-restart-"));
  await start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
});

async function prepared(): Promise<TestContainer> {
  const container = await createContainer(server as never);
  await container.print(
    "import os\nx = 1\nos.makedirs('/workspace/deep/er')\nopen('/workspace/deep/er/ü.txt', 'w').write('kept')\nopen('/workspace/gone', 'w').write('')",
  );
  return container;
}

/** Until what was written is on disk. */
async function isKept(id: string, count: number): Promise<void> {
  await expect
    .poll(() => readdir(join(data, "kept", id)).catch(() => []), { timeout: 10_000 })
    .toHaveLength(count);
}

const LOOK =
  "import glob\nprint('x' in dir(), open('/workspace/deep/er/ü.txt').read(), *glob.glob('/workspace/*'))";

test("after kill -9 of the server a container is found again with its files, and says what is gone", async () => {
  const container = await prepared();
  const other = await createContainer(server as never);
  await isKept(container.id, 2);
  await container.print("os.remove('/workspace/gone')");
  await isKept(container.id, 1);
  const before = (await (
    await send(server as never, "GET", `/v1/containers/${container.id}`)
  ).json()) as { created_at: string };
  server.kill("SIGKILL");
  await server.ended;
  await start();
  const listed = await (await send(server as never, "GET", "/v1/containers")).text();
  expect(listed).toContain(container.id);
  const after = (await (
    await send(server as never, "GET", `/v1/containers/${container.id}`)
  ).json()) as { created_at: string };
  expect(after.created_at).toBe(before.created_at);
  const answer = await execute(container.id, LOOK);
  expect(answer).toMatchObject({ status: "ok", stdout: "False kept /workspace/deep\n" });
  expect(answer.notice).toMatch(/all variables, imports and functions are gone/);
  expect((await execute(container.id, "1")).notice).toBeNull();
  // One that had no files is found, too; one that is deleted is not, and leaves nothing.
  expect((await execute(other.id, "1")).status).toBe("ok");
  await send(server as never, "DELETE", `/v1/containers/${container.id}`);
  expect((await send(server as never, "GET", `/v1/containers/${container.id}`)).status).toBe(404);
  await expect.poll(() => readdir(join(data, "kept"))).not.toContain(container.id);
});

test("a server that is ended keeps what the last call wrote, and tells of what cannot be named", async () => {
  const container = await prepared();
  const nameless = await createContainer(server as never);
  await nameless.print("open('line\\nbreak', 'w').close()\nopen('fine', 'w').close()");
  server.kill("SIGTERM");
  await server.ended;
  await start();
  const files = await send(
    server as never,
    "GET",
    `/v1/containers/${container.id}/files/deep/er/ü.txt`,
  );
  expect(await files.text()).toBe("kept");
  expect((await execute(container.id, LOOK)).notice).toMatch(/files of \/workspace are back\.$/);
  const told = await execute(nameless.id, "import os\nprint(os.listdir())");
  expect(told.stdout).toBe("['fine']\n");
  expect(told.notice).toMatch(/Some could not be kept; check with os\.listdir/);
});

test("when the zygote dies, containers come back with their files and new ones are made", async () => {
  const container = await prepared();
  await isKept(container.id, 2);
  await killSandbox(server);
  let answer = await execute(container.id, LOOK);
  if (answer.status === "killed") {
    // It was sent into the sandbox that was just ending.
    expect(answer.notice).toMatch(/sandbox ended with this call/);
    answer = await execute(container.id, LOOK);
  }
  expect(answer).toMatchObject({ status: "ok" });
  expect(answer.stdout).toMatch(/^False kept /);
  expect(answer.notice).toMatch(/all variables, imports and functions are gone/);
  const fresh = await createContainer(server as never);
  expect(await fresh.print("print(1)")).toBe("1\n");
});
