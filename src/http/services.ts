/** What the handlers work with, and what Hono carries from the middleware to them. */
import type { HttpBindings } from "@hono/node-server";
import type { Context, MiddlewareHandler } from "hono";

import type { Config } from "../config.ts";
import type { Provider } from "../providers/provider.ts";
import type { Containers } from "../sandbox/sandbox.ts";
import type { BatchStore } from "../store/batches.ts";
import type { FilesStore } from "../store/files.ts";
import type { Ledger } from "../store/ledger.ts";
import type { Logger } from "../telemetry/log.ts";
import type { BatchRunner } from "./batch-runner.ts";
import type { InFlight } from "./in-flight.ts";
import type { WebServices } from "./web-tools.ts";

/** Reads the request's body itself, by the rules of `request-body.ts`. */
export type MessagesHandler = (
  request: Request,
  context: { requestId: string },
) => Promise<Response>;

export interface Services {
  config: Config;
  log: Logger;
  containers: Containers;
  provider: Provider;
  files: FilesStore;
  ledger: Ledger;
  messages: MessagesHandler;
  web: WebServices;
  batches: { store: BatchStore; runner: Pick<BatchRunner, "wake" | "isRunning"> };
  inFlight: InFlight;
  version: string;
  clock: () => number;
}

export interface AppEnv {
  /** Absent when the app is called inside the process, without a connection. */
  Bindings: Partial<HttpBindings> | undefined;
  /** `logsItself`: the handler has the request's line in the log. */
  Variables: { requestId: string; logsItself?: boolean };
}

export type AppContext = Context<AppEnv>;
export type AppMiddleware = MiddlewareHandler<AppEnv>;
export type AppHandler = (context: AppContext) => Response | Promise<Response>;

/** The whole app as a function, with a connection or without. */
export type AppFetch = (request: Request, env?: AppEnv["Bindings"]) => Promise<Response>;
