/** Answers for paths that do not exist, and for methods that a path does not have. */
import { ERRORS, GatewayError } from "../errors.ts";
import { toErrorAnswer } from "../wire/errors.ts";
import type { Route } from "./routes.ts";
import type { AppHandler } from "./services.ts";

export const unknownRoute: AppHandler = (context) => {
  const { method, path } = context.req;
  throw new GatewayError(
    "not_found",
    `There is nothing at ${method} ${path.slice(0, 200)}; ${adviceFor(path)}`,
  );
};

/** Clients differ in whether they add `/v1` to their base URL, and their users find out by this answer. */
function adviceFor(path: string): string {
  if (/^\/+v1\/+v1\//.test(path))
    return "this client adds /v1 itself, so leave it out of its base URL.";
  if (path.startsWith("//")) return "leave the slash at the end of the client's base URL out.";
  if (path.endsWith("/chat/completions"))
    return "this server speaks the Messages API: POST /v1/messages.";
  if (/^\/(messages|models|files)\b/.test(path))
    return "put /v1 at the end of the client's base URL.";
  return "GET / says what there is.";
}

/** One handler for each path of the table, to be mounted after the table's own. */
export function otherMethods(routes: readonly Route[]): Map<string, AppHandler> {
  const methods = Map.groupBy(routes, (route) => route.path);
  return new Map(
    [...methods].map(([path, ofPath]) => {
      const allow = ofPath
        .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]))
        .join(", ");
      return [
        path,
        (context) =>
          context.json(
            refusal(context.req.method, allow, context.get("requestId")),
            ERRORS.method_not_allowed.status,
            { allow },
          ),
      ];
    }),
  );
}

function refusal(method: string, allow: string, requestId: string) {
  return toErrorAnswer(
    new GatewayError(
      "method_not_allowed",
      `${method} is not a method of this path; it has ${allow}.`,
    ),
    requestId,
  ).body;
}
