/** The one HTTP client of all contestants: kept-alive connections without Nagle's delay, timed to the last byte. */
import { Agent, request } from "node:http";

export interface Answer {
  status: number;
  body: Buffer;
  /** From the first byte of the request to the last one of the answer. */
  ms: number;
}

export interface HttpClient {
  send(method: string, path: string, body?: string, signal?: AbortSignal): Promise<Answer>;
  close(): void;
}

export function createHttpClient(url: string, connections = 1): HttpClient {
  // Node turns Nagle's algorithm off for the connections of an agent.
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const { hostname, port } = new URL(url);
  return {
    send(method, path, body, signal) {
      return new Promise((resolve, reject) => {
        const headers =
          body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
        const startedAt = performance.now();
        const outgoing = request(
          { agent, hostname, port, method, path, headers, signal },
          (incoming) => {
            const chunks: Buffer[] = [];
            incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
            incoming.on("error", reject);
            incoming.on("end", () => {
              const ms = performance.now() - startedAt;
              resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks), ms });
            });
          },
        );
        outgoing.on("error", reject);
        outgoing.end(body);
      });
    },
    close() {
      agent.destroy();
    },
  };
}
