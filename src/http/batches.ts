/**
 * The Message Batches API: `/v1/messages/batches`.
 * https://platform.claude.com/docs/en/build-with-claude/batch-processing
 */
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import type { Batch } from "../store/batches.ts";
import { readBetas } from "./betas.ts";
import { parsePage } from "./page-query.ts";
import { readJson } from "./request-body.ts";
import type { AppContext, AppHandler, Services } from "./services.ts";

const PATH = "/v1/messages/batches";
const RESULTS_PAGE = 100;

export function createBatch({ batches, config }: Services): AppHandler {
  const Body = z.object({
    requests: z
      .array(
        z.object({
          custom_id: z
            .string()
            .regex(/^[\w-]{1,64}$/, "must be 1 to 64 letters, digits, underscores and hyphens"),
          params: z.record(z.string(), z.unknown()),
        }),
      )
      .min(1)
      .max(config.batchRequests),
  });
  return async (context) => {
    const request = context.req.raw;
    const { requests } = await readJson(request, Body, {
      mb: config.requestMb,
      setting: "requestMb",
    });
    const ids = new Set<string>();
    for (const [index, { custom_id }] of requests.entries()) {
      if (ids.has(custom_id)) {
        throw new GatewayError(
          "invalid_request",
          `requests.${index}.custom_id: must be unique, ${custom_id} is there twice.`,
        );
      }
      ids.add(custom_id);
    }
    const batch = batches.store.create(
      requests.map(({ custom_id: customId, params }) => ({
        customId,
        params: JSON.stringify(params),
      })),
      [...readBetas(request.headers)].join(","),
    );
    batches.runner.wake();
    return context.json(toObject(batch, context));
  };
}

export function listBatches({ batches }: Services): AppHandler {
  return (context) => {
    const page = batches.store.list(parsePage(context.req.query()));
    const data = page.batches.map((batch) => toObject(batch, context));
    return context.json({
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: page.hasMore,
    });
  };
}

export function getBatch({ batches }: Services): AppHandler {
  return (context) => context.json(toObject(batches.store.get(context.req.param("id")!), context));
}

export function cancelBatch({ batches }: Services): AppHandler {
  return (context) => {
    const id = context.req.param("id")!;
    const batch = batches.store.cancel(id, (position) => batches.runner.isRunning(id, position));
    return context.json(toObject(batch, context));
  };
}

export function deleteBatch({ batches }: Services): AppHandler {
  return (context) => {
    const id = context.req.param("id")!;
    batches.store.delete(id);
    return context.json({ id, type: "message_batch_deleted" });
  };
}

/** One line a request, in the order they were sent. */
export function getBatchResults({ batches }: Services): AppHandler {
  return (context) => {
    const id = context.req.param("id")!;
    if (batches.store.get(id).endedAt === null) {
      throw new GatewayError(
        "invalid_request",
        `Batch \`${id}\` has no results yet; they are there when its processing_status is ended.`,
      );
    }
    let last = -1;
    const encoder = new TextEncoder();
    const lines = new ReadableStream<Uint8Array>({
      pull(controller) {
        const page = batches.store.results(id, last, RESULTS_PAGE);
        for (const { position, customId, result } of page) {
          last = position;
          controller.enqueue(
            encoder.encode(`{"custom_id":${JSON.stringify(customId)},"result":${result}}\n`),
          );
        }
        if (page.length < RESULTS_PAGE) controller.close();
      },
    });
    return context.body(lines, 200, { "content-type": "application/x-jsonl" });
  };
}

function toObject(batch: Batch, context: AppContext) {
  const { id, counts, endedAt, cancelInitiatedAt } = batch;
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  // Every request counts as processing until the last one has ended, as the hosted API has it.
  const pending = { processing: total, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  const origin = new URL(context.req.url).origin;
  return {
    id,
    type: "message_batch",
    processing_status:
      endedAt !== null ? "ended" : cancelInitiatedAt !== null ? "canceling" : "in_progress",
    request_counts: endedAt === null ? pending : counts,
    created_at: toTime(batch.createdAt),
    expires_at: toTime(batch.expiresAt),
    ended_at: endedAt === null ? null : toTime(endedAt),
    cancel_initiated_at: cancelInitiatedAt === null ? null : toTime(cancelInitiatedAt),
    archived_at: null,
    results_url: endedAt === null ? null : `${origin}${PATH}/${id}/results`,
  };
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}
