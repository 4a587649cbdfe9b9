/**
 * `POST /v1/messages`: from a request to a response, with web standards only.
 *
 * Streaming is the only path. A client that does not stream gets the same events, folded. The stream's
 * head is sent with its first event, so that a turn that cannot begin is answered with an HTTP status; a
 * model that takes long to begin gets its head earlier, because clients and proxies do not wait for ever.
 *
 * One abort signal spans the turn. It fires when the client goes away, when the request has taken too
 * long, when a reader stalls, and, harmlessly, when everything is done. The container outlives the turn.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { runTurn } from "../agent/loop.ts";
import { createCutUses, type CutUses } from "../agent/cut-uses.ts";
import { createWaitingExecutions, type WaitingExecutions } from "../agent/waiting-executions.ts";
import { meterTurn } from "../agent/metering.ts";
import type { Config } from "../config.ts";
import { ERRORS, GatewayError, type ErrorCode } from "../errors.ts";
import type { Provider } from "../providers/provider.ts";
import type { Containers } from "../sandbox/sandbox.ts";
import { SearchError } from "../search/engine.ts";
import { FetchError } from "../search/fetch-error.ts";
import { newId } from "../store/id.ts";
import type { Ledger } from "../store/ledger.ts";
import type { FileStore } from "../tools/tool.ts";
import { collectMessage } from "../wire/collect.ts";
import { encodeTurn } from "../wire/encode.ts";
import { toErrorAnswer } from "../wire/errors.ts";
import type { WireEvent } from "../wire/events.ts";
import { parseMessagesRequest, type MessagesRequest } from "../wire/request.ts";
import { readBetas } from "./betas.ts";
import { toMessageEntry } from "./ledger-entry.ts";
import { parseJson, readBody, requireJson } from "./request-body.ts";
import { toEventStream } from "./sse.ts";
import { createServerTools } from "./server-tools.ts";
import type { WebConfig, WebServices } from "./web-tools.ts";

export interface MessagesDeps {
  config: MessagesConfig;
  provider: Provider;
  containers: Containers;
  files?: FileStore;
  ledger: Pick<Ledger, "append">;
  web: WebServices;
  clock: { now(): number };
  log: Log;
}

export type MessagesConfig = WebConfig &
  Pick<
    Config,
    | "answerMb"
    | "attachmentMb"
    | "billing"
    | "clientToolSeconds"
    | "executionsPerTurn"
    | "filesMb"
    | "imagePixelsPerToken"
    | "pingSeconds"
    | "requestMb"
    | "requests"
    | "requestSeconds"
    | "resultCharacters"
    | "streamStallSeconds"
    | "timeoutSeconds"
    | "webRequestsPerTurn"
  >;

export interface Log {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type MessagesHandler = (
  request: Request,
  context: { requestId: string },
) => Promise<Response>;

/** The name of a request in the log. */
const ROUTE = "POST /v1/messages";
const MIB = 1024 * 1024;
const RETRY_AFTER_SECONDS = 5;

/** A model that has not begun by then gets its stream's head sent; its errors become events. */
const FIRST_EVENT_WAIT_MS = 20_000;

export function createMessagesHandler(deps: MessagesDeps): MessagesHandler {
  const { config, clock, log } = deps;
  const waiting = createWaitingExecutions({ callMs: config.clientToolSeconds * 1000, newId });
  const cutUses = createCutUses();
  let inFlight = 0;

  return async function handle(request, { requestId }) {
    if (inFlight >= config.requests) {
      const message = `${config.requests} requests are under way already.`;
      log.info({ requestId, outcome: "failed", ms: 0, ...describe("overloaded", message) }, ROUTE);
      return toErrorResponse(
        new GatewayError("overloaded", message, { retryAfterSeconds: RETRY_AFTER_SECONDS }),
        requestId,
      );
    }
    inFlight += 1;
    const startedMs = clock.now();
    const span = openSpan(request.signal, config.requestSeconds);

    function finish(outcome: string, cause?: unknown): void {
      if (!span.close()) return;
      inFlight -= 1;
      const fields = { requestId, outcome, ms: clock.now() - startedMs };
      if (isOurs(cause)) log.error({ ...fields, err: cause }, ROUTE);
      else if (cause instanceof GatewayError)
        log.info({ ...fields, ...describe(cause.code, cause.message) }, ROUTE);
      else log.info(fields, ROUTE);
    }

    try {
      requireJson(request);
      const json = parseJson(
        await readBody(request, { mb: config.requestMb, setting: "requestMb" }),
      );
      const parsed = await parseMessagesRequest(json, {
        betas: readBetas(request.headers),
        limits: {
          attachmentBytes: config.attachmentMb * MIB,
          workspaceBytes: config.filesMb * MIB,
          resultCharacters: config.resultCharacters,
        },
        files: deps.files,
      });
      const events = runRequest(parsed, { ...deps, waiting, cutUses }, requestId, span.signal);
      if (!parsed.stream) {
        const message = await collectMessage(events);
        finish("whole");
        return Response.json(message, { headers: { "request-id": requestId } });
      }
      const first = events.next();
      await Promise.race([first, sleep(FIRST_EVENT_WAIT_MS, undefined, { signal: span.signal })]);
      const stream = toEventStream(first, events, {
        pingMs: config.pingSeconds * 1000,
        stallMs: config.streamStallSeconds * 1000,
        toError: (thrown) => toErrorAnswer(span.reason() ?? thrown, requestId).body,
        onEnd: finish,
      });
      return new Response(stream, { headers: { ...STREAM_HEADERS, "request-id": requestId } });
    } catch (thrown) {
      const isGone = request.signal.aborted;
      const cause = span.reason() ?? thrown;
      finish(isGone ? "gone" : "failed", isGone ? undefined : cause);
      return toErrorResponse(cause, requestId);
    }
  };
}

const STREAM_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  // Proxies such as nginx hold streams back otherwise.
  "x-accel-buffering": "no",
};

function runRequest(
  request: MessagesRequest,
  deps: MessagesDeps & { waiting: WaitingExecutions; cutUses: CutUses },
  requestId: string,
  signal: AbortSignal,
): AsyncGenerator<WireEvent, void> {
  const { turn, rendering, caller, excluded, sources } = request;
  const { config, provider, containers, files, ledger, log, waiting, cutUses } = deps;
  // An engine that is down is news for the operator, a page that is gone is not a fault of ours.
  const onFailure = (err: unknown): void => {
    if (err instanceof SearchError || err instanceof FetchError)
      log.info({ requestId, code: err.code, reason: err.message }, "a web tool failed");
    else log.error({ requestId, err }, "a tool failed");
  };
  const tools = createServerTools(request, { config, web: deps.web, files, onFailure });
  const events = runTurn(
    turn,
    {
      provider,
      containers,
      waiting,
      cutUses,
      tools: new Map(tools.map((tool) => [tool.definition.name, tool])),
      executionsPerTurn: config.executionsPerTurn,
      webRequestsPerTurn: config.webRequestsPerTurn,
      newId,
    },
    signal,
  );
  const messageId = newId("msg");
  const metered = meterTurn(events, {
    model: turn.prompt.model,
    serverTools: turn.serverTools,
    pending: turn.pending,
    priceList: { policy: config.billing, imagePixelsPerToken: config.imagePixelsPerToken },
    record: (record) => ledger.append(toMessageEntry(messageId, record)),
  });
  return encodeTurn(metered, { messageId, rendering, caller, excluded, sources });
}

interface Span {
  signal: AbortSignal;
  /** Why the work was stopped; whoever was interrupted may have thrown something else. */
  reason(): unknown;
  /** Ends the span; true the first time. */
  close(): boolean;
}

/** The life of one request's work: ends with the client, with the time limit, or when it is closed. */
function openSpan(client: AbortSignal, seconds: number): Span {
  const controller = new AbortController();
  let isClosed = false;
  const onGone = (): void => controller.abort(client.reason);
  const timer = setTimeout(() => {
    controller.abort(
      new GatewayError("upstream_timeout", `The request took longer than ${seconds} seconds.`, {
        retry: false,
      }),
    );
  }, seconds * 1000);
  client.addEventListener("abort", onGone, { once: true });
  if (client.aborted) onGone();

  return {
    signal: controller.signal,
    reason() {
      return controller.signal.aborted ? controller.signal.reason : undefined;
    },
    close() {
      if (isClosed) return false;
      isClosed = true;
      clearTimeout(timer);
      client.removeEventListener("abort", onGone);
      controller.abort(new Error("The request has ended."));
      return true;
    },
  };
}

function toErrorResponse(thrown: unknown, requestId: string): Response {
  const { status, headers, body } = toErrorAnswer(thrown, requestId);
  return Response.json(body, { status, headers });
}

/**
 * What the log says of a failure. Below 500 the sentence may quote the request and is for its sender; above, it is
 * about the model's server or this machine, which is the operator's business.
 */
function describe(code: ErrorCode, message: string): Record<string, unknown> {
  const { status } = ERRORS[code];
  return { status, code, ...(status >= 500 && { reason: message }) };
}

/** Whether an error is a defect here rather than something a client or a model's server did. */
function isOurs(cause: unknown): boolean {
  if (cause === undefined) return false;
  return !(cause instanceof GatewayError) || cause.code === "internal";
}
