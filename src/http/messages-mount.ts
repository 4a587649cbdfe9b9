/** Binds the Messages API's handler, which knows web standards only, to the routes. */
import type { AppHandler, Services } from "./services.ts";

export function mountMessages({ messages }: Services): AppHandler {
  return (context) => {
    context.set("logsItself", true);
    return messages(context.req.raw, { requestId: context.get("requestId") });
  };
}
