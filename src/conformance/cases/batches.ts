/** Message Batches: create, wait, results, list, cancel, delete. */
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";

import type { Case, Context } from "../case.ts";
import { instruct } from "../instructions.ts";
import { NativeMessage } from "../message.ts";
import { Batch, BatchList, BatchResult } from "../objects.ts";
import { readEnvelope } from "../target.ts";
import { Skip, check, expectEqual, parse, shorten } from "../verdict.ts";

const group = "batches";
const PATH = "/v1/messages/batches";
const POLL_MS = 250;

type Batch = z.infer<typeof Batch>;

/** One case fails where there are no batches; the others have nothing to say then. */
async function create({ target }: Context, isFirst = false): Promise<Batch> {
  const params = {
    model: target.model,
    max_tokens: 64,
    messages: [{ role: "user", content: instruct([], { answer: "Seven" }) }],
  };
  const answer = await target.send("POST", PATH, {
    json: {
      requests: [
        { custom_id: "good", params },
        { custom_id: "bad", params: { ...params, messages: [] } },
      ],
    },
  });
  if ([404, 405].includes(answer.status) && !isFirst) throw new Skip("the server has no batches");
  check(answer.status === 200, `The status is ${answer.status}: ${shorten(answer.text)}`);
  return parse(Batch, answer.json, "batch");
}

async function get({ target }: Context, id: string): Promise<Batch> {
  return parse(Batch, (await target.send("GET", `${PATH}/${id}`)).json, "batch");
}

/** The case's own time limit ends the wait. */
async function waitForEnd(context: Context, id: string): Promise<Batch> {
  for (;;) {
    const batch = await get(context, id);
    if (batch.processing_status === "ended") return batch;
    await sleep(POLL_MS);
  }
}

export const batchCases: readonly Case[] = [
  {
    name: "batches/results",
    group,
    title: "a batch ends with one line a request: the message, or the error of that one",
    async run(context) {
      const { target } = context;
      const created = await create(context, true);
      expectEqual(created.results_url, null, "results_url before the end");
      const batch = await waitForEnd(context, created.id);
      check(batch.ended_at !== null, "ended_at is null.");
      check(
        batch.results_url?.endsWith(`${PATH}/${batch.id}/results`) === true,
        `results_url is ${batch.results_url}.`,
      );
      const { processing, succeeded, errored } = batch.request_counts;
      expectEqual([processing, succeeded, errored], [0, 1, 1], "The counts");
      const answer = await target.send("GET", `${PATH}/${batch.id}/results`);
      expectEqual(answer.status, 200, "The status of the results");
      const lines = answer.text.trim().split("\n");
      const results = lines.map((line) => parse(BatchResult, JSON.parse(line), "result"));
      expectEqual(results.map(({ custom_id }) => custom_id).toSorted(), ["bad", "good"], "The ids");
      for (const { custom_id, result } of results) {
        expectEqual(result.type, custom_id === "good" ? "succeeded" : "errored", custom_id);
        if (result.type === "succeeded") parse(NativeMessage, result.message, "message");
      }
      await target.send("DELETE", `${PATH}/${batch.id}`);
    },
  },
  {
    name: "batches/list",
    group,
    title: "a batch is in the list, newest first",
    async run(context) {
      const { id } = await create(context);
      const answer = await context.target.send("GET", `${PATH}?limit=5`);
      const { data } = parse(BatchList, answer.json, "list");
      check(
        data.some((batch) => batch.id === id),
        "The new batch is not among the first five.",
      );
      await waitForEnd(context, id);
      await context.target.send("DELETE", `${PATH}/${id}`);
    },
  },
  {
    name: "batches/cancel",
    group,
    title: "cancel is taken, and the batch ends",
    async run(context) {
      const { id } = await create(context);
      const answer = await context.target.send("POST", `${PATH}/${id}/cancel`);
      if (answer.status === 200) parse(Batch, answer.json, "batch");
      else check(answer.status === 400, `The status is ${answer.status}: ${shorten(answer.text)}`);
      const batch = await waitForEnd(context, id);
      const { processing, succeeded, errored, canceled } = batch.request_counts;
      expectEqual(processing, 0, "request_counts.processing");
      expectEqual(succeeded + errored + canceled, 2, "The requests that have ended");
      await context.target.send("DELETE", `${PATH}/${id}`);
    },
  },
  {
    name: "batches/delete",
    group,
    title: "a deleted batch is gone: 404",
    async run(context) {
      const { target } = context;
      const { id } = await create(context);
      await waitForEnd(context, id);
      const answer = await target.send("DELETE", `${PATH}/${id}`);
      expectEqual(answer.json, { id, type: "message_batch_deleted" }, "The answer");
      const gone = await target.send("GET", `${PATH}/${id}`);
      expectEqual(gone.status, 404, "The status afterwards");
      readEnvelope(gone);
    },
  },
  {
    name: "batches/invalid",
    group,
    title: "no requests, or one custom_id twice: 400",
    async run(context) {
      await create(context).then(({ id }) => waitForEnd(context, id));
      const params = { model: context.target.model, max_tokens: 64, messages: [] };
      const twice = { custom_id: "same", params };
      for (const requests of [[], [twice, twice]]) {
        const { status } = await context.target.refusal({ requests }, { path: PATH });
        expectEqual(status, 400, "The status");
      }
    },
  },
];
