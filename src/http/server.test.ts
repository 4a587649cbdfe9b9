/** What only a real connection can show: peers that leave, bodies that stop, hosts that lie, shutdown. */
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";

import { expect, test } from "vitest";

import { createTestApp } from "../../test/support/test-app.ts";
import type { TestApp, TestAppOptions } from "../../test/support/test-app.ts";
import { createLog } from "../telemetry/log.ts";
import { listen } from "./server.ts";
import type { ListeningServer } from "./server.ts";

const EXECUTE = "/v1/containers/container_1/execute";

test("a client that goes away stops its code, and the container stays", async () => {
  await using server = await start();
  const { containers } = server.app;
  for (const stream of [false, true]) {
    const waiting = once(containers.events, "waiting");
    const stopped = once(containers.events, "stopped");
    const socket = await open(server.url);
    socket.write(post(EXECUTE, JSON.stringify({ code: "print one\nwait", stream })));
    await waiting;
    socket.destroy();
    await stopped;
  }
  expect((await fetch(`${server.url}/v1/containers/container_1`)).status).toBe(200);
});

test.each<[string, (socket: Socket, body: string) => void]>([
  [
    "shorter than its declared length",
    (socket, body) => socket.write(post(EXECUTE, body, body.length + 10)),
  ],
  ["without its last chunk", (socket, body) => socket.write(postChunked(EXECUTE, body))],
])("a body %s is not carried out", async (_name, send) => {
  await using server = await start();
  const socket = await open(server.url);
  // Complete JSON, so that only the missing end can be the reason.
  send(socket, JSON.stringify({ code: "print one" }));
  await server.until(() => server.app.inFlight.count === 1);
  socket.end();
  await server.until(() => server.app.inFlight.count === 0);
  expect(server.app.containers.executed).toEqual([]);
});

test("a body over the limit is refused while it comes, without its end", async () => {
  await using server = await start({ config: { requestMb: 1 } });
  const socket = await open(server.url);
  socket.write(postChunked(EXECUTE, "x".repeat(1024 * 1024 + 1)));
  expect(await firstLine(socket)).toBe("HTTP/1.1 413 Payload Too Large");
  socket.destroy();
});

test("a name that points at this machine is refused, its own names are not", async () => {
  await using server = await start();
  const port = new URL(server.url).port;
  for (const [host, status] of [
    [`evil.example:${port}`, 403],
    [`localhost:${port}`, 200],
  ] as const) {
    const socket = await open(server.url);
    socket.write(`GET /healthz HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    expect(await firstLine(socket)).toContain(` ${status} `);
    socket.destroy();
  }
});

test.each([
  ["no HTTP at all", "hello\r\n\r\n", "HTTP/1.1 400 Bad Request"],
  [
    "headers without end",
    `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
    "HTTP/1.1 431 ",
  ],
  [
    "a host that is none",
    "GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n",
    "HTTP/1.1 400 Bad Request",
  ],
])("%s gets the envelope", async (_name, text, line) => {
  await using server = await start();
  const socket = await open(server.url);
  socket.write(text);
  const answer = await allText(socket);
  expect(answer.slice(0, line.length)).toBe(line);
  expect(answer).toContain('{"type":"error","error":{"type":"invalid_request_error"');
});

test("requests under way at shutdown end, new ones are turned away", async () => {
  await using server = await start();
  const { containers, inFlight } = server.app;
  const idle = await open(server.url);
  const waiting = once(containers.events, "waiting");
  const running = fetch(`${server.url}${EXECUTE}`, json({ code: "print one\nhold\nprint two" }));
  await waiting;
  const shutdown = server.shutdown();
  expect(inFlight.draining).toBe(true);
  await once(idle.resume(), "close");
  containers.events.emit("release");
  expect(await (await running).json()).toMatchObject({ status: "ok", stdout: "one\ntwo\n" });
  expect(await shutdown).toBe(true);
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow("fetch failed");
});

test("what does not end within the bound is stopped", async () => {
  await using server = await start({ config: { shutdownSeconds: 1 } });
  const { containers } = server.app;
  const waiting = once(containers.events, "waiting");
  const stopped = once(containers.events, "stopped");
  const running = fetch(`${server.url}${EXECUTE}`, json({ code: "wait" })).catch(
    (error: unknown) => error,
  );
  await waiting;
  expect(await server.shutdown()).toBe(false);
  await stopped;
  expect(await running).toBeInstanceOf(TypeError);
});

test("a taken port and an open address are one clear sentence", async () => {
  await using server = await start();
  const { app, config, inFlight } = server.app;
  const log = createLog({ log: "silent" });
  const taken = listen(
    app.fetch,
    { ...config, port: Number(new URL(server.url).port) },
    inFlight,
    log,
  );
  await expect(taken).rejects.toThrow(
    /^Something else listens on 127\.0\.0\.1:\d+; .*CURTA_PORT\.$/,
  );
  const exposed = listen(app.fetch, { ...config, host: "0.0.0.0" }, inFlight, log);
  await expect(exposed).rejects.toThrow(/does not start on 0\.0\.0\.0: set CURTA_API_KEYS/);
});

interface RunningServer extends ListeningServer, AsyncDisposable {
  app: TestApp;
  /** Resolves once `condition` holds; the test's own time limit bounds it. */
  until(condition: () => boolean): Promise<void>;
}

async function start(options: TestAppOptions = {}): Promise<RunningServer> {
  const app = await createTestApp({
    ...options,
    config: { shutdownSeconds: 5, ...options.config },
  });
  await app.send("POST", "/v1/containers");
  const server = await listen(
    app.app.fetch,
    app.config,
    app.inFlight,
    createLog({ log: "silent" }),
  );
  let shutdown: Promise<boolean> | undefined;
  const running: RunningServer = {
    ...server,
    app,
    shutdown: () => (shutdown ??= server.shutdown()),
    async until(condition) {
      while (!condition()) await new Promise((resolve) => setImmediate(resolve));
    },
    async [Symbol.asyncDispose]() {
      await running.shutdown();
      await app[Symbol.asyncDispose]();
    },
  };
  return running;
}

async function open(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {}); // A reset is what some of these tests are about.
  await once(socket, "connect");
  return socket;
}

function post(path: string, body: string, length = body.length): string {
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`;
}

function postChunked(path: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n`;
}

function json(body: unknown): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}

async function firstLine(socket: Socket): Promise<string> {
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return chunk.toString().split("\r\n")[0] ?? "";
}

async function allText(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}
