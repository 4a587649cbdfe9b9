/** Curta as its users have it: `curta serve` as a process of its own, reached through the direct API. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createHttpClient } from "./http-client.ts";
import type { HttpClient } from "./http-client.ts";
import { startServerProcess } from "./server-process.ts";

/** The direct API needs no model: nothing listens there, and nobody asks. */
export const NO_MODEL = "http://127.0.0.1:9";

export interface Curta extends AsyncDisposable {
  url: string;
  processId: number;
  /** Uses the one connection that all timed calls share. */
  container(): Promise<BenchContainer>;
  client: HttpClient;
}

export interface BenchContainer {
  id: string;
  /** Runs a cell and returns the time; throws when it did not end well or printed something else. */
  run(code: string, stdout?: string): Promise<number>;
  /** The same with the whole answer. */
  execute(code: string, signal?: AbortSignal): Promise<{ ms: number; execution: Execution }>;
  /** Puts a file into the workspace. */
  put(path: string, text: string): Promise<void>;
  delete(): Promise<void>;
}

interface Execution {
  status: string;
  stdout: string;
  outputs: { data: Record<string, string> }[];
  error: { traceback: string } | null;
}

/** `settings` by the names of their variables; none of the user's own are taken over. */
export async function startCurta(
  cache: string,
  settings: Record<string, string> = {},
): Promise<Curta> {
  await using started = new AsyncDisposableStack();
  const data = await mkdtemp(join(tmpdir(), "curta-bench-"));
  started.defer(() => rm(data, { recursive: true, force: true }));
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("CURTA_"));
  const server = started.use(
    await startServerProcess("src/main.ts", ["serve"], {
      ...Object.fromEntries(inherited),
      CURTA_PORT: "0",
      CURTA_LOG: "warn",
      CURTA_UPSTREAM_URL: NO_MODEL,
      CURTA_CACHE: cache,
      CURTA_DATA: data,
      ...settings,
    }),
  );
  const client = started.adopt(createHttpClient(server.url), (opened) => opened.close());
  const running = started.move();
  return {
    url: server.url,
    processId: server.processId,
    client,
    container: () => createContainer(client),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

export async function createContainer(client: HttpClient): Promise<BenchContainer> {
  const { status, body } = await client.send("POST", "/v1/containers", "{}");
  if (status !== 200) throw new Error(`No container: ${body.toString()}`);
  return toContainer(client, (JSON.parse(body.toString()) as { id: string }).id);
}

function toContainer(client: HttpClient, id: string): BenchContainer {
  const path = `/v1/containers/${id}`;
  const container: BenchContainer = {
    id,
    async execute(code, signal) {
      const answer = await client.send("POST", `${path}/execute`, JSON.stringify({ code }), signal);
      const execution = JSON.parse(answer.body.toString()) as Execution;
      return { ms: answer.ms, execution };
    },
    async run(code, stdout) {
      const { ms, execution } = await container.execute(code);
      if (execution.status !== "ok" || (stdout !== undefined && execution.stdout !== stdout)) {
        throw new Error(`A cell went wrong: ${JSON.stringify(execution).slice(0, 2000)}`);
      }
      return ms;
    },
    async put(file, text) {
      const { status, body } = await client.send("PUT", `${path}/files/${file}`, text);
      if (status >= 300) throw new Error(`${file} was not taken: ${body.toString()}`);
    },
    async delete() {
      await client.send("DELETE", path);
    },
  };
  return container;
}
