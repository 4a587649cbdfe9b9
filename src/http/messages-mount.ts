/** What stands before the Messages API: a body that is JSON by its type, within the limit, and whole. */
import { readBody, requireJson } from "./request-body.ts";
import type { AppHandler, Services } from "./services.ts";

export function mountMessages({ config, messages }: Services): AppHandler {
  return async (context) => {
    const { raw } = context.req;
    requireJson(raw);
    const body = await readBody(raw, { mb: config.requestMb, setting: "requestMb" });
    const request = new Request(raw.url, {
      method: "POST",
      headers: raw.headers,
      body: new Uint8Array(body),
      signal: raw.signal,
    });
    return messages(request, { requestId: context.get("requestId") });
  };
}
