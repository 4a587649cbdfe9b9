/** The server-sent events of an answer, as name and parsed data. */
import { EventSourceParserStream } from "eventsource-parser/stream";
import { z } from "zod";

import { GatewayError } from "../errors.ts";

export interface ServerEvent {
  event: string;
  data: unknown;
}

/** `done` of a direct execution carries all its displays once more. */
const MAX_EVENT_CHARACTERS = 256 * 1024 * 1024;
const ErrorData = z.object({ error: z.object({ message: z.string() }) });

/** Throws the sentence of an `error` event; leaves out pings. */
export async function* readEvents(answer: Response): AsyncGenerator<ServerEvent, void, void> {
  if (answer.body === null) throw new GatewayError("upstream", "The server sent no answer.");
  const events = answer.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({ maxBufferSize: MAX_EVENT_CHARACTERS }));
  for await (const { event = "message", data } of events) {
    if (event === "ping") continue;
    const parsed: unknown = JSON.parse(data);
    if (event === "error") {
      const error = ErrorData.safeParse(parsed);
      throw new GatewayError(
        "upstream",
        error.success ? error.data.error.message : "The server reported an error.",
      );
    }
    yield { event, data: parsed };
  }
}
