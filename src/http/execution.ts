/**
 * One execution as the direct API shows it: the sandbox's events with files stored, and the object
 * that `done` carries. The answer without streaming is the same stream, folded; `execution-body.ts` has its JSON.
 */
import { z } from "zod";

import type { Config } from "../config.ts";
import { GatewayError } from "../errors.ts";
import type {
  Container,
  DisplayOutput,
  ExecuteOptions,
  ExecutionEvent,
} from "../sandbox/sandbox.ts";
import { newId } from "../store/id.ts";
import type { FilesStore, StoredFile } from "../store/files.ts";
import type { Ledger } from "../store/ledger.ts";
import { toExecutionEntry } from "./ledger-entry.ts";

export interface ExecutionFile {
  type: "file";
  id: string;
  filename: string;
  mime_type: string;
  size_bytes: number;
}

type DoneEvent = Extract<ExecutionEvent, { type: "done" }>;

export interface Execution extends Pick<
  DoneEvent,
  "status" | "return_code" | "error" | "usage" | "truncated" | "notice"
> {
  type: "execution";
  id: string;
  stdout: string;
  stderr: string;
  outputs: DisplayOutput[];
  files: ExecutionFile[];
}

/** Event name and data of the stream; every `data` has the shape that the whole answer has it in. */
export type ExecutionPart =
  | { event: "stdout" | "stderr"; data: { type: "stdout" | "stderr"; text: string } }
  | { event: "output"; data: DisplayOutput }
  | { event: "file"; data: ExecutionFile }
  | { event: "done"; data: ExecutionEnd };

/** As a stream shows it: its end has everything. */
export type WholePart =
  | Exclude<ExecutionPart, { event: "done" }>
  | { event: "done"; data: Execution };

/** An execution without what it printed. */
export type ExecutionEnd = Omit<Execution, "stdout" | "stderr">;

export type ExecuteRequest = z.output<ReturnType<typeof createExecuteSchema>>;

export function createExecuteSchema(config: Pick<Config, "timeoutSeconds" | "codeKb">) {
  const timeout = `must be a number of seconds from 1 to ${config.timeoutSeconds} (timeoutSeconds)`;
  return z.strictObject({
    code: z
      .string({
        error: (issue) =>
          issue.input === undefined ? "required: the program to run" : "must be a string",
      })
      .refine((code) => Buffer.byteLength(code) <= config.codeKb * 1024, {
        error: `is larger than ${config.codeKb} KiB (codeKb)`,
      }),
    language: z.enum(["python", "bash"], { error: 'must be "python" or "bash"' }).default("python"),
    timeout: z
      .number({ error: timeout })
      .min(1, timeout)
      .max(config.timeoutSeconds, timeout)
      .default(config.timeoutSeconds),
    stream: z.boolean({ error: "must be true or false" }).default(false),
    replay: z.boolean({ error: "must be true or false" }).optional(),
  });
}

export function toExecuteOptions(request: ExecuteRequest): ExecuteOptions {
  return {
    code: request.code,
    language: request.language,
    timeoutMs: request.timeout * 1000,
    live: request.stream,
    replay: request.replay,
  };
}

export interface ExecutionStores {
  files: FilesStore;
  ledger: Pick<Ledger, "append">;
}

/** Runs the code and yields exactly one `done` at the end. Aborting `signal` stops the code. */
export async function* runExecution(
  container: Pick<Container, "id" | "execute">,
  options: ExecuteOptions,
  { files, ledger }: ExecutionStores,
  signal: AbortSignal,
): AsyncGenerator<ExecutionPart, void, void> {
  const outputs: DisplayOutput[] = [];
  const stored: ExecutionFile[] = [];
  const notStored: string[] = [];
  let bytesOut = 0;
  for await (const event of container.execute(options, signal)) {
    switch (event.type) {
      case "stdout":
      case "stderr":
        bytesOut += Buffer.byteLength(event.text);
        yield { event: event.type, data: event };
        break;
      case "output":
        outputs.push(event.output);
        for (const part of Object.values(event.output.data)) bytesOut += Buffer.byteLength(part);
        yield { event: "output", data: event.output };
        break;
      case "file": {
        const { filename, mimeType, bytes } = event.file;
        bytesOut += bytes.length;
        try {
          const file = toExecutionFile(
            await files.add({ filename, mimeType, bytes, downloadable: true }),
          );
          stored.push(file);
          yield { event: "file", data: file };
        } catch (error) {
          // The code has run: its output must not be lost, nor the code run again, for a full disk.
          if (!(error instanceof GatewayError) || error.code === "internal") throw error;
          notStored.push(`${filename} was not kept: ${error.message}`);
        }
        break;
      }
      // Only an execution with functions makes calls, and none is given any here.
      case "calls":
        break;
      case "done": {
        const { status, return_code, error, usage, truncated, notice } = event;
        const data: ExecutionEnd = {
          type: "execution",
          id: newId("exec"),
          status,
          return_code,
          outputs,
          error,
          files: stored,
          usage,
          truncated,
          notice: [notice, ...notStored].filter(Boolean).join(" ") || null,
        };
        const sizes = { in: Buffer.byteLength(options.code), out: bytesOut };
        ledger.append(toExecutionEntry(data.id, container.id, usage, sizes));
        yield { event: "done", data };
        return;
      }
    }
  }
  throw new Error("The execution ended without its last event.");
}

/** The same parts, the last of them with what was printed. */
export async function* withTexts(
  parts: AsyncIterable<ExecutionPart>,
): AsyncGenerator<WholePart, void, void> {
  const texts = { stdout: [] as string[], stderr: [] as string[] };
  for await (const part of parts) {
    if (part.event !== "done") {
      if (part.event === "stdout" || part.event === "stderr")
        texts[part.event].push(part.data.text);
      yield part;
      continue;
    }
    const { type, id, status, ...rest } = part.data;
    const [stdout, stderr] = [texts.stdout.join(""), texts.stderr.join("")];
    yield { event: "done", data: { type, id, status, stdout, stderr, ...rest } };
  }
}

export async function collectExecution(parts: AsyncIterable<ExecutionPart>): Promise<Execution> {
  for await (const part of withTexts(parts)) if (part.event === "done") return part.data;
  throw new Error("The execution ended without its last event.");
}

function toExecutionFile(file: StoredFile): ExecutionFile {
  return {
    type: "file",
    id: file.id,
    filename: file.filename,
    mime_type: file.mimeType,
    size_bytes: file.sizeBytes,
  };
}
