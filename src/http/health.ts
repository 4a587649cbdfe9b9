/** `GET /healthz`, for whoever waits for the server, and `GET /`, for whoever finds it. */
import type { CheckKey } from "./auth.ts";
import type { AppHandler, Services } from "./services.ts";

/** With keys configured, a caller without one learns whether the server works and nothing else. */
export function showHealth(services: Services, checkKey: CheckKey): AppHandler {
  const { config, containers, provider, inFlight, version } = services;
  return (context) => {
    const status = inFlight.draining ? "stopping" : "ok";
    const key = checkKey((name) => context.req.header(name));
    const detail =
      key === "open" || key === "valid"
        ? {
            version,
            model: { provider: provider.kind, name: provider.model },
            sandbox: {
              state: "ready",
              containers: containers.list().length,
              max_containers: config.containers,
            },
            requests_in_flight: inFlight.count,
          }
        : {};
    return context.json({ name: "curta", status, ...detail }, status === "ok" ? 200 : 503);
  };
}

export function showLanding({ config, version }: Services): AppHandler {
  const hasKeys = config.apiKeys !== "";
  return (context) => {
    const base = new URL(context.req.url).origin;
    const key = hasKeys ? " -H 'x-api-key: YOUR_KEY'" : "";
    return context.text(
      `Curta ${version}: the code execution tool for any language model.

This is the base URL of a Messages API. Point an official SDK at ${base}, or try:

${renderFirstRequest(base, hasKeys ? "YOUR_KEY" : "any")}

Python and a shell without a model:

  curl -s -X POST ${base}/v1/containers${key}

Also here: /v1/messages/batches, /v1/messages/count_tokens, /v1/models, /v1/files, /v1/usage,
and /healthz with the server's state. The documents are in the folder docs of Curta's checkout.
`,
    );
  };
}

/** The line to paste after the start: the lesson's first request. */
export function renderFirstRequest(base: string, key = "any"): string {
  return `  curl -s ${base}/v1/messages -H 'content-type: application/json' -H 'x-api-key: ${key}' -d '{
    "model": "claude-sonnet-4-20250514", "max_tokens": 4096,
    "tools": [{"type": "code_execution_20250522", "name": "code_execution"}],
    "messages": [{"role": "user", "content": "Calculate the standard deviation of: 4, 8, 15, 16, 23, 42"}]}'`;
}
