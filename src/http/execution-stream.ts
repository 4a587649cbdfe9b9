/**
 * The direct API's server-sent events.
 *
 * The reader pulls: an execution goes on only as fast as its output is taken, and what lies between is
 * one event. A reader that takes nothing for `stallMs` is given up, so that it does not hold a container.
 * While the code has nothing to say, a ping keeps proxies from closing the connection. When the reader
 * goes away, `abort` stops the code. An error after the first byte is an `error` event with the usual
 * envelope.
 */
import type { WireError } from "../wire/events.ts";
import type { WholePart } from "./execution.ts";

export interface ExecutionStreamOptions {
  abort: AbortController;
  toEnvelope: (error: unknown) => WireError;
  pingMs: number;
  stallMs: number;
}

export function streamExecution(
  parts: AsyncGenerator<WholePart, void, void>,
  options: ExecutionStreamOptions,
): Response {
  const { abort, toEnvelope, pingMs, stallMs } = options;
  const encoder = new TextEncoder();
  let ping: NodeJS.Timeout;
  let stall: NodeJS.Timeout | undefined;
  const end = (): void => {
    clearInterval(ping);
    clearTimeout(stall);
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const bytes = encoder.encode(formatEvent("ping", { type: "ping" }));
      ping = setInterval(() => {
        // A slow reader needs no ping: it has something to read already.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(bytes);
      }, pingMs);
    },
    async pull(controller) {
      clearTimeout(stall);
      try {
        const next = await parts.next();
        if (!next.done) {
          controller.enqueue(encoder.encode(formatEvent(next.value.event, next.value.data)));
          stall = setTimeout(() => {
            end();
            abort.abort();
            void parts.return();
            controller.error(new Error("The reader took nothing for too long."));
          }, stallMs);
          return;
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        controller.enqueue(encoder.encode(formatEvent("error", toEnvelope(error))));
      }
      end();
      controller.close();
    },
    async cancel() {
      end();
      abort.abort();
      // Nobody pulls any more: the execution is run to its end here, which frees the container.
      await parts.return();
    },
  });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      // Sends the head at once instead of waiting for the first events; proxies are told the same.
      "transfer-encoding": "chunked",
      "x-accel-buffering": "no",
    },
  });
}

function formatEvent(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
