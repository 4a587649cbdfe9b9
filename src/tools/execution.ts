/** What every tool that runs something in the container has in common: run it, fold what comes, keep its files. */
import { GatewayError } from "../errors.ts";
import type { ExecuteOptions, ExecutionEvent } from "../sandbox/sandbox.ts";
import { createOutputFold, type ExecutionOutput } from "./execution-output.ts";
import { reject } from "./rejection.ts";
import type { FileStore, RejectionCode, ToolContext, ToolEvent } from "./tool.ts";

export interface ExecutionOptions {
  timeoutMs: number;
  /** Bound on what the model reads of one execution. */
  resultCharacters: number;
  /** Bound on what the client is sent of one execution. */
  answerBytes: number;
  /** Keeps files and charts under ids, for renderings that show ids instead of the bytes. */
  save?: FileStore["save"];
  /** Told of failures that are not the model's, before it reads a general sentence. */
  onFailure?: (cause: unknown) => void;
}

export interface ExecutionOutcome {
  output: ExecutionOutput;
  /** Names of the functions outside that the code has called. */
  called: ReadonlySet<string>;
  end: Extract<ExecutionEvent, { type: "done" }>;
}

/** Yields the events of the execution and returns its outcome, or null after a rejection. */
export async function* runExecution(
  request: Pick<ExecuteOptions, "code" | "language" | "functions">,
  context: ToolContext,
  options: ExecutionOptions,
): AsyncGenerator<ToolEvent, ExecutionOutcome | null> {
  const { timeoutMs, answerBytes } = options;
  const fold = createOutputFold({ timeoutMs, bytesMax: answerBytes });
  const fileIds: string[] = [];
  const called = new Set<string>();
  let end: ExecutionOutcome["end"] | null = null;
  try {
    const container = await context.container();
    for await (const event of container.execute(
      { ...request, timeoutMs, live: true },
      context.signal,
    )) {
      if (event.type === "calls") {
        for (const { name } of event.calls) called.add(name);
        yield event;
        continue;
      }
      if (event.type === "done") end = event;
      yield { type: "execution", event };
      const file = fold.add(event);
      if (file === null || options.save === undefined) continue;
      try {
        fileIds.push(await options.save(file));
      } catch (cause) {
        // The code has run: a full disk must not cost what it printed.
        fold.addNote(`[${file.filename} could not be kept: ${explainSaveFailure(cause, options)}]`);
      }
    }
  } catch (cause) {
    context.signal.throwIfAborted();
    if (!(cause instanceof GatewayError)) options.onFailure?.(cause);
    yield* reject(...toRejection(cause));
    return null;
  }
  if (end === null) {
    yield* reject(
      "unavailable",
      "The code was stopped while it waited for a tool: another call came.",
    );
    return null;
  }
  return { output: fold.finish(fileIds), called, end };
}

function explainSaveFailure(cause: unknown, { onFailure }: ExecutionOptions): string {
  if (cause instanceof GatewayError) return cause.message;
  onFailure?.(cause);
  return "Something went wrong while it was stored.";
}

function toRejection(cause: unknown): [RejectionCode, string] {
  if (!(cause instanceof GatewayError))
    return ["unavailable", "The code could not be run: the sandbox failed."];
  const busy = cause.code === "overloaded" || cause.code === "rate_limit";
  return [busy ? "too_many_requests" : "unavailable", `The code was not run: ${cause.message}`];
}
