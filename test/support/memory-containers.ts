/**
 * Containers whose "programs" are lines like `print hello`, for tests of what stands before a sandbox.
 *
 * `wait` runs until it is stopped, and says so in `events`; a test waits for those, never for time.
 */
import { EventEmitter, once } from "node:events";

import { GatewayError } from "../../src/errors.ts";
import { withoutHistory } from "./without-history.ts";
import type {
  Container,
  Containers,
  ExecuteOptions,
  ExecutionEvent,
  ExecutionStatus,
  Place,
  WorkspaceFile,
} from "../../src/sandbox/sandbox.ts";

export class MemoryContainers implements Containers {
  /** `waiting` when a program waits, `stopped` when its signal aborted. */
  readonly events = new EventEmitter();
  readonly executed: ExecuteOptions[] = [];
  readonly #containers = new Map<string, Container>();

  async create(): Promise<Container> {
    const container = new MemoryContainer(`container_${this.#containers.size + 1}`, this);
    this.#containers.set(container.id, container);
    return container;
  }

  async get(id: string): Promise<Container> {
    const container = this.#containers.get(id);
    if (container === undefined)
      throw new GatewayError("not_found", `Container \`${id}\` not found.`);
    return container;
  }

  list(): Container[] {
    return [...this.#containers.values()];
  }

  async delete(id: string): Promise<void> {
    await this.get(id);
    this.#containers.delete(id);
  }

  async close(): Promise<void> {
    this.#containers.clear();
  }
}

class MemoryContainer implements Container {
  readonly history = withoutHistory;
  readonly id: string;
  readonly createdAt = new Date(0);
  readonly expiresAt = new Date(3_600_000);
  readonly #owner: MemoryContainers;
  readonly #files = new Map<string, Uint8Array>();

  constructor(id: string, owner: MemoryContainers) {
    this.id = id;
    this.#owner = owner;
  }

  async *execute(options: ExecuteOptions, signal: AbortSignal): AsyncGenerator<ExecutionEvent> {
    this.#owner.executed.push(options);
    let status: ExecutionStatus = "ok";
    for (const line of options.code.split("\n")) {
      const [verb, ...rest] = line.split(" ");
      const text = rest.join(" ");
      if (verb === "print") yield { type: "stdout", text: `${text}\n` };
      if (verb === "warn") yield { type: "stderr", text: `${text}\n` };
      if (verb === "show")
        yield {
          type: "output",
          output: { type: "display_data", data: { "text/plain": text }, metadata: {} },
        };
      if (verb === "file")
        yield {
          type: "file",
          file: {
            filename: text,
            mimeType: "text/csv",
            bytes: Buffer.from("a,b\n"),
            displayed: false,
          },
        };
      if (verb === "throw") throw new Error(`secret detail: ${text}`);
      if (verb === "wait") {
        this.#owner.events.emit("waiting");
        if (!signal.aborted) await once(signal, "abort");
        this.#owner.events.emit("stopped");
        status = "killed";
      }
      if (verb === "hold") {
        this.#owner.events.emit("waiting");
        await once(this.#owner.events, "release");
      }
    }
    yield {
      type: "done",
      status,
      error: null,
      return_code: status === "ok" ? 0 : 1,
      usage: { wall_ms: 1, cpu_ms: 1, peak_memory_bytes: 1 },
      truncated: false,
      notice: null,
    };
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    if (path.split("/").includes(".."))
      throw new GatewayError("invalid_request", `The path ${path} leaves the workspace.`);
    this.#files.set(path, bytes);
  }

  async readFile(path: string): Promise<Buffer> {
    const bytes = this.#files.get(path);
    if (bytes === undefined) throw new GatewayError("not_found", `There is no file ${path}.`);
    return Buffer.from(bytes);
  }

  async look(path: string): Promise<Place> {
    return { type: "file", bytes: await this.readFile(path) };
  }

  async edit(path: string, bytes: Uint8Array): Promise<boolean> {
    const existed = this.#files.has(path);
    this.#files.set(path, bytes);
    return existed;
  }

  async listFiles(): Promise<WorkspaceFile[]> {
    return [...this.#files].map(([path, bytes]) => ({
      path,
      sizeBytes: bytes.byteLength,
      modifiedMs: 0,
    }));
  }
}
