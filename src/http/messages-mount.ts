/** What stands before the Messages API: its content type, its body limit and its number at once. */
import { GatewayError } from "../errors.ts";
import { readBody, requireJson } from "./body.ts";
import { createInFlight } from "./in-flight.ts";
import type { AppHandler, Services } from "./services.ts";

export function mountMessages({ config, messages }: Services): AppHandler {
  const inFlight = createInFlight();
  return async (context) => {
    const { raw } = context.req;
    requireJson(raw);
    if (inFlight.count >= config.requests) {
      throw new GatewayError(
        "overloaded",
        `${config.requests} requests to the model are under way already (requests).`,
        {
          retryAfterSeconds: 1,
        },
      );
    }
    const end = inFlight.begin();
    const outgoing = context.env?.outgoing;
    // A stream is under way until its last byte; only a connection tells when that is.
    outgoing?.once("close", end);
    try {
      const body = await readBody(raw, { mb: config.requestMb, setting: "requestMb" });
      const request = new Request(raw.url, {
        method: "POST",
        headers: raw.headers,
        body: new Uint8Array(body),
        signal: raw.signal,
      });
      return await messages(request, { requestId: context.get("requestId") });
    } finally {
      if (outgoing === undefined) end();
    }
  };
}
