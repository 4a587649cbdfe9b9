/** The direct API as a test uses it: a container, its cells, their answers. */
import type { Execution } from "../../src/http/execution.ts";
import type { TestServer } from "./server.ts";

export interface Answer extends Execution {
  /** Seconds from the request to the whole answer. */
  seconds: number;
}

export interface TestContainer {
  id: string;
  /** Runs a cell, whatever comes of it. */
  execute(code: string, timeout?: number, language?: "python" | "bash"): Promise<Answer>;
  /** Runs a cell that must succeed, and gives what it printed. */
  print(code: string, timeout?: number): Promise<string>;
  delete(): Promise<void>;
}

export async function createContainer(server: TestServer): Promise<TestContainer> {
  const created = (await (await send(server, "POST", "/v1/containers", "{}")).json()) as {
    id: string;
  };
  const path = `/v1/containers/${created.id}`;
  const execute: TestContainer["execute"] = async (code, timeout = 10, language = "python") => {
    const started = performance.now();
    const response = await send(
      server,
      "POST",
      `${path}/execute`,
      JSON.stringify({ code, timeout, language }),
    );
    const body = (await response.json()) as Execution;
    if (response.status !== 200)
      throw new Error(`${response.status}: ${JSON.stringify(body).slice(0, 500)}`);
    return { ...body, seconds: (performance.now() - started) / 1000 };
  };
  return {
    id: created.id,
    execute,
    async print(code, timeout) {
      const answer = await execute(code, timeout);
      if (answer.status !== "ok") {
        const { status, error, notice, stderr } = answer;
        throw new Error([status, error?.traceback, notice, stderr.slice(-2000)].join("\n"));
      }
      return answer.stdout;
    },
    async delete() {
      await send(server, "DELETE", path);
    },
  };
}

export function send(
  server: TestServer,
  method: string,
  path: string,
  body?: string | Uint8Array,
): Promise<Response> {
  return fetch(server.url + path, {
    method,
    headers: {
      "x-api-key": "test",
      "content-type": typeof body === "string" ? "application/json" : "application/octet-stream",
    },
    ...(body === undefined ? {} : { body: body as BodyInit }),
  });
}
