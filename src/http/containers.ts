/** The direct API: sandboxes without a model. Shapes as the design gives them. */
import { z } from "zod";

import type { ContainerInfo } from "../sandbox/sandbox.ts";
import { readJson } from "./request-body.ts";
import { toErrorAnswer } from "../wire/errors.ts";
import { toGatewayError } from "./error-response.ts";
import { toExecutionBody } from "./execution-body.ts";
import { createExecuteSchema, runExecution, toExecuteOptions, withTexts } from "./execution.ts";
import { createEscape } from "./json-escape.ts";
import { streamExecution } from "./execution-stream.ts";
import type { AppHandler, Services } from "./services.ts";

const CreateSchema = z.strictObject({});

export function createContainer({ containers, config }: Services): AppHandler {
  return async (context) => {
    const request = context.req.raw;
    // `{}` is the only body there is, so none will do as well.
    if (
      request.headers.get("content-type") !== null ||
      Number(request.headers.get("content-length") ?? 0) > 0
    ) {
      await readJson(request, CreateSchema, { mb: config.requestMb, setting: "requestMb" });
    }
    return context.json(toContainerObject(await containers.create()));
  };
}

export function listContainers({ containers }: Services): AppHandler {
  return (context) => {
    const data = containers.list().map(toContainerObject);
    return context.json({
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: false,
    });
  };
}

export function getContainer({ containers }: Services): AppHandler {
  return async (context) =>
    context.json(toContainerObject(await containers.get(context.req.param("id")!)));
}

export function deleteContainer({ containers }: Services): AppHandler {
  return async (context) => {
    const id = context.req.param("id")!;
    await containers.delete(id);
    return context.json({ id, type: "container_deleted" });
  };
}

export function executeInContainer(services: Services): AppHandler {
  const { containers, config, log } = services;
  const schema = createExecuteSchema(config);
  const escape = createEscape();
  const limit = { mb: config.requestMb, setting: "requestMb" };
  return async (context) => {
    const request = await readJson(context.req.raw, schema, limit);
    const container = await containers.get(context.req.param("id")!);
    const options = toExecuteOptions(request);
    const requestId = context.get("requestId");
    if (!request.stream) {
      const body = await toExecutionBody(
        runExecution(container, options, services, context.req.raw.signal),
        { escape, onFailure: (error) => void toGatewayError(error, log, requestId) },
      );
      return new Response(body, { headers: { "content-type": "application/json" } });
    }
    const abort = new AbortController();
    const signal = AbortSignal.any([context.req.raw.signal, abort.signal]);
    return streamExecution(withTexts(runExecution(container, options, services, signal)), {
      abort,
      toEnvelope: (error) => toErrorAnswer(toGatewayError(error, log, requestId), requestId).body,
      pingMs: config.pingSeconds * 1000,
      stallMs: config.streamStallSeconds * 1000,
    });
  };
}

function toContainerObject(container: ContainerInfo) {
  return {
    type: "container",
    id: container.id,
    created_at: container.createdAt.toISOString(),
    expires_at: container.expiresAt.toISOString(),
  };
}
