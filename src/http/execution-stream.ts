/**
 * The direct API's server-sent events.
 *
 * The reader pulls: an execution goes on only as fast as its output is taken, and what lies between is
 * one event. A ping every few seconds keeps proxies from closing a connection that waits for code.
 * When the reader goes away, `abort` stops the code. An error after the first byte is an `error` event
 * with the usual envelope.
 */
import type { ExecutionPart } from "./execution.ts";
import type { ErrorEnvelope } from "./error-response.ts";

export const PING_MS = 15_000;

export interface ExecutionStreamOptions {
  abort: AbortController;
  toEnvelope: (error: unknown) => ErrorEnvelope;
  pingMs?: number;
}

export function streamExecution(
  parts: AsyncGenerator<ExecutionPart, void, void>,
  options: ExecutionStreamOptions,
): Response {
  const { abort, toEnvelope, pingMs = PING_MS } = options;
  const encoder = new TextEncoder();
  let ping: NodeJS.Timeout;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const bytes = encoder.encode(formatEvent("ping", { type: "ping" }));
      ping = setInterval(() => {
        // A slow reader needs no ping: it has something to read already.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(bytes);
      }, pingMs);
      ping.unref();
    },
    async pull(controller) {
      try {
        const next = await parts.next();
        if (!next.done) {
          controller.enqueue(encoder.encode(formatEvent(next.value.event, next.value.data)));
          return;
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        controller.enqueue(encoder.encode(formatEvent("error", toEnvelope(error))));
      }
      clearInterval(ping);
      controller.close();
    },
    cancel() {
      clearInterval(ping);
      abort.abort();
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
