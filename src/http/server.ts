/**
 * The listening server and its end.
 *
 * `shutdown` stops accepting, lets requests under way end within a bound, and then cuts what is left;
 * a cut connection aborts its request's signal, which stops the code it runs. Idle connections are
 * closed at once, the others as they become idle.
 */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";

import { getRequestListener } from "@hono/node-server";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import { newId } from "../store/id.ts";
import type { Logger } from "../telemetry/log.ts";
import { toErrorAnswer } from "../wire/errors.ts";
import { toErrorResponse } from "./error-response.ts";
import type { InFlight } from "./in-flight.ts";
import { checkListenAddress } from "./loopback.ts";
import type { AppFetch } from "./services.ts";

export interface ListeningServer {
  /** `http://127.0.0.1:4242`, with the port that was taken. */
  url: string;
  /** Resolves when the last connection is closed; true when every request could end. */
  shutdown(): Promise<boolean>;
}

/** Longer than the SDKs keep an idle connection, so that they never write into one that just closed. */
const KEEP_ALIVE_MS = 75_000;
/** A slow sender of a large body over a slow line; the head must come sooner. */
const REQUEST_MS = 300_000;
const HEAD_MS = 30_000;
const MAX_CONNECTIONS = 4096;

export async function listen(
  fetch: AppFetch,
  config: Pick<Config, "host" | "port" | "apiKeys" | "shutdownSeconds">,
  inFlight: InFlight,
  log: Logger,
): Promise<ListeningServer> {
  checkListenAddress(config);
  const listener = getRequestListener(
    (request, env) => fetch(request, env as Parameters<AppFetch>[1]),
    {
      errorHandler: (error) => {
        // Only what is wrong with the request line or the host header comes here; the app handles the rest.
        log.warn({ err: error }, "request refused");
        return toErrorResponse(
          new GatewayError("invalid_request", "The request line or the host header is not valid."),
          newId("req"),
        );
      },
    },
  );
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_MS,
    headersTimeout: HEAD_MS,
  });
  const connections = trackConnections(server, inFlight);
  server.on("request", (incoming, outgoing) => void listener(incoming, outgoing));
  server.maxConnections = MAX_CONNECTIONS;
  server.on("clientError", answerClientError);
  await bind(server, config);
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    shutdown: () => shutdown(server, inFlight, connections, config.shutdownSeconds * 1000),
  };
}

/** Throws when the address cannot be listened on, so that nobody waits for a set-up to learn that. */
export async function checkPort(config: Pick<Config, "host" | "port">): Promise<void> {
  const server = createServer();
  await bind(server, config);
  await new Promise((resolve) => server.close(resolve));
}

function bind(server: Server, { host, port }: Pick<Config, "host" | "port">): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(new GatewayError("invalid_request", explainBindError(cause, host, port), { cause }));
    });
    server.listen(port, host, resolve);
  });
}

function explainBindError(error: NodeJS.ErrnoException, host: string, port: number): string {
  if (error.code === "EADDRINUSE")
    return `Something else listens on ${host}:${port}; stop it or choose another port with CURTA_PORT.`;
  if (error.code === "EACCES")
    return `This user may not listen on port ${port}; choose one above 1023 with CURTA_PORT.`;
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND")
    return `${host} is not an address of this machine; see CURTA_HOST.`;
  return `The server cannot listen on ${host}:${port}: ${error.message}.`;
}

/** Requests under way on each connection. While draining, a connection closes with its last one. */
function trackConnections(server: Server, inFlight: InFlight): Map<Socket, number> {
  const connections = new Map<Socket, number>();
  server.on("connection", (socket: Socket) => {
    connections.set(socket, 0);
    socket.once("close", () => connections.delete(socket));
  });
  server.on("request", ({ socket }, outgoing) => {
    connections.set(socket, (connections.get(socket) ?? 0) + 1);
    outgoing.once("close", () => {
      const left = (connections.get(socket) ?? 1) - 1;
      if (connections.has(socket)) connections.set(socket, left);
      if (inFlight.draining && left === 0) socket.destroySoon();
    });
  });
  return connections;
}

async function shutdown(
  server: Server,
  inFlight: InFlight,
  connections: Map<Socket, number>,
  boundMs: number,
): Promise<boolean> {
  inFlight.drain();
  let cut = false;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Node's own closeIdleConnections leaves those alone that have not sent anything yet.
  for (const [socket, requests] of connections) if (requests === 0) socket.destroy();
  const bound = setTimeout(() => {
    cut = true;
    server.closeAllConnections();
  }, boundMs);
  try {
    await closed;
  } finally {
    clearTimeout(bound);
  }
  return !cut;
}

/** What the HTTP parser refuses gets the envelope too, as far as a broken connection can carry one. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const requestId = newId("req");
  const tooLong = error.code === "HPE_HEADER_OVERFLOW";
  const late = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
  const message = tooLong
    ? "The request's headers are too long."
    : late
      ? "The request took too long to arrive."
      : "The request is not valid HTTP.";
  const body = JSON.stringify(
    toErrorAnswer(new GatewayError("invalid_request", message), requestId).body,
  );
  const status = tooLong
    ? "431 Request Header Fields Too Large"
    : late
      ? "408 Request Timeout"
      : "400 Bad Request";
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nrequest-id: ${requestId}\r\nconnection: close\r\n\r\n${body}`,
  );
}
