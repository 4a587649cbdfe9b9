/**
 * Bytes of a `text/event-stream` -> events, bounded.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html, with two tolerances: a last event whose
 * empty line is missing counts, and a line `error: …`, which older llama.cpp servers send, is an event.
 */
import { createParser } from "eventsource-parser";
import type { EventSourceMessage } from "eventsource-parser";

import { UpstreamError } from "./upstream-error.ts";

/** A whole tool call may come in one event. */
const MAX_EVENT_CHARACTERS = 8 * 1024 * 1024;

export async function* parseServerSentEvents(
  body: AsyncIterable<Uint8Array>,
  maxEventCharacters = MAX_EVENT_CHARACTERS,
): AsyncGenerator<EventSourceMessage> {
  let ready: EventSourceMessage[] = [];
  let tooLong = false;
  const parser = createParser({
    maxBufferSize: maxEventCharacters,
    onEvent: (event) => ready.push(event),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") tooLong = true;
      if (error.field === "error") ready.push({ event: "error", data: error.value ?? "" });
    },
  });
  const decoder = new TextDecoder();
  let last = "";
  for await (const bytes of body) {
    const text = decoder.decode(bytes, { stream: true });
    parser.feed(text);
    if (tooLong) {
      throw new UpstreamError(
        "upstream",
        `The model's server sent a line longer than ${maxEventCharacters} characters.`,
      );
    }
    last = text.at(-1) ?? last;
    const events = ready;
    ready = [];
    yield* events;
  }
  if (last === "\n" || last === "\r") parser.feed("\n");
  yield* ready;
}
