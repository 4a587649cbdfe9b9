/**
 * Server-sent events: a stream of wire events as bytes.
 *
 * The reader pulls. As long as it does not take what is there, the turn is not advanced, so a slow reader
 * slows its own turn and nothing piles up; one that takes nothing for `stallMs` is given up. While the turn
 * has nothing to say (code runs, a model thinks), a `ping` every `pingMs` keeps proxies and clients from
 * hanging up. An error after the first event is an `error` event, the last of its stream.
 */
import type { WireError, WireEvent } from "../wire/events.ts";

export type StreamEnd = "whole" | "failed" | "gone" | "stalled";

export interface EventStreamOptions {
  pingMs: number;
  stallMs: number;
  toError(thrown: unknown): WireError;
  /** Called once, when nothing more will be sent; `cause` is what was thrown. */
  onEnd(end: StreamEnd, cause?: unknown): void;
}

/** Waiting to be read; beyond it the turn pauses. One event may be larger. */
const BUFFER_BYTES = 64 * 1024;

/** `first` is the iterator's first step, which the caller has taken to see whether the turn begins at all. */
export function toEventStream(
  first: Promise<IteratorResult<WireEvent, void>>,
  iterator: AsyncGenerator<WireEvent, void>,
  options: EventStreamOptions,
): ReadableStream<Uint8Array> {
  let next: Promise<IteratorResult<WireEvent, void>> | null = first;
  let pingTimer: NodeJS.Timeout | undefined;
  let stallTimer: NodeJS.Timeout | undefined;
  let isEnded = false;

  function end(how: StreamEnd, cause?: unknown): void {
    if (isEnded) return;
    isEnded = true;
    clearInterval(pingTimer);
    clearTimeout(stallTimer);
    options.onEnd(how, cause);
    // What it throws while it is closed has no reader any more; `onEnd` has stopped its work.
    iterator.return().catch(() => {});
  }

  type Controller = ReadableStreamDefaultController<Uint8Array>;

  function send(controller: Controller, event: WireEvent | WireError | { type: "ping" }): void {
    controller.enqueue(toBytes(event));
    pingTimer?.refresh();
    if ((controller.desiredSize ?? 0) > 0 || stallTimer !== undefined) return;
    stallTimer = setTimeout(() => {
      end("stalled");
      controller.error(new Error("The reader took nothing for too long."));
    }, options.stallMs);
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        pingTimer = setInterval(() => {
          if ((controller.desiredSize ?? 0) > 0) send(controller, { type: "ping" });
        }, options.pingMs);
      },
      async pull(controller) {
        clearTimeout(stallTimer);
        stallTimer = undefined;
        try {
          const step = await (next ?? iterator.next());
          next = null;
          if (isEnded) return;
          if (step.done !== true) {
            send(controller, step.value);
            return;
          }
          end("whole");
        } catch (thrown) {
          if (isEnded) return;
          send(controller, options.toError(thrown));
          end("failed", thrown);
        }
        controller.close();
      },
      cancel() {
        end("gone");
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BUFFER_BYTES }),
  );
}

const encoder = new TextEncoder();

function toBytes(event: WireEvent | WireError | { type: "ping" }): Uint8Array {
  return encoder.encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}
