/**
 * The JSON of an execution's answer, made while the code runs on.
 *
 * What is printed is escaped a piece at a time as it comes: doing so to ten megabytes afterwards costs half as much as
 * the cell that prints them. For the same reason an answer that grows large begins to leave before its end is known,
 * with what was printed to stdout in front of everything else. Its reader sets no pace: the code runs on as
 * for a small answer, and what was not read yet is held, within the limit on output. A failure after the beginning
 * cuts the connection, so that nobody takes half an answer for a whole one.
 */
import type { ExecutionEnd, ExecutionPart } from "./execution.ts";
import type { Escape } from "./json-escape.ts";

/** More of stdout than this begins to leave; a smaller answer comes with its length. */
const EARLY_BYTES = 1 << 20;
/** What leaves at once: joining bytes costs less than passing them on one by one. */
const CHUNK_BYTES = 1 << 18;

export interface ExecutionBodyOptions {
  escape: Escape;
  /** Hears of what failed when the answer had begun to leave; before that it is thrown. */
  onFailure: (error: unknown) => void;
}

export async function toExecutionBody(
  parts: AsyncGenerator<ExecutionPart, void, void>,
  options: ExecutionBodyOptions,
): Promise<Buffer<ArrayBuffer> | ReadableStream<Uint8Array>> {
  const escaped = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let size = 0;
  while (size <= EARLY_BYTES) {
    const part = await nextOf(parts);
    if (part.event === "done") {
      await parts.return();
      const { type, id, status, ...rest } = part.data;
      return Buffer.concat([
        Buffer.from(`${JSON.stringify({ type, id, status }).slice(0, -1)},"stdout":"`),
        ...escaped.stdout,
        Buffer.from('","stderr":"'),
        ...escaped.stderr,
        toTail(rest),
      ]);
    }
    if (part.event !== "stdout" && part.event !== "stderr") continue;
    const piece = options.escape(part.data.text);
    escaped[part.event].push(piece);
    if (part.event === "stdout") size += piece.length;
  }
  return toEarlyBody(parts, escaped, options);
}

function toEarlyBody(
  parts: AsyncGenerator<ExecutionPart, void, void>,
  { stdout, stderr }: { stdout: Buffer[]; stderr: Buffer[] },
  { escape, onFailure }: ExecutionBodyOptions,
): ReadableStream<Uint8Array> {
  let isRead = true;

  async function send(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    let held = [Buffer.from('{"type":"execution","stdout":"'), ...stdout];
    let heldBytes = EARLY_BYTES;
    for (;;) {
      if (heldBytes >= CHUNK_BYTES) {
        if (isRead) controller.enqueue(Buffer.concat(held));
        held = [];
        heldBytes = 0;
      }
      const part = await nextOf(parts);
      if (part.event === "stdout") {
        const piece = escape(part.data.text);
        held.push(piece);
        heldBytes += piece.length;
      }
      if (part.event === "stderr") stderr.push(escape(part.data.text));
      if (part.event !== "done") continue;
      await parts.return();
      const { type: _, ...rest } = part.data;
      if (!isRead) return;
      controller.enqueue(
        Buffer.concat([...held, Buffer.from('","stderr":"'), ...stderr, toTail(rest)]),
      );
      controller.close();
      return;
    }
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      send(controller).catch((error: unknown) => {
        // A client that has gone has stopped the code itself.
        if (!isRead) return;
        onFailure(error);
        controller.error(error);
      });
    },
    cancel() {
      isRead = false;
    },
  });
}

async function nextOf(parts: AsyncGenerator<ExecutionPart, void, void>): Promise<ExecutionPart> {
  const step = await parts.next();
  if (step.done === true) throw new Error("The execution ended without its last event.");
  return step.value;
}

/** Closes the string before it. */
function toTail(rest: Partial<ExecutionEnd>): Buffer {
  return Buffer.from(`",${JSON.stringify(rest).slice(1)}`);
}
