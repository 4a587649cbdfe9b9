/** The direct API's undo: named states of a container, and several cells tried from the same one. */
import { z } from "zod";

import type { Checkpoint } from "../sandbox/sandbox.ts";
import {
  collectExecution,
  createExecuteSchema,
  runExecution,
  toExecuteOptions,
  type Execution,
} from "./execution.ts";
import { readJson } from "./request-body.ts";
import type { AppHandler, Services } from "./services.ts";

const CreateSchema = z.strictObject({
  name: z.string({ error: "required: what the present state is to be called" }),
});

export function createCheckpoint({ containers, config }: Services): AppHandler {
  return async (context) => {
    const limit = { mb: config.requestMb, setting: "requestMb" };
    const { name } = await readJson(context.req.raw, CreateSchema, limit);
    const container = await containers.get(context.req.param("id")!);
    return context.json(toCheckpointObject(await container.history.create(name)));
  };
}

export function listCheckpoints({ containers }: Services): AppHandler {
  return async (context) => {
    const container = await containers.get(context.req.param("id")!);
    return context.json({ data: container.history.list().map(toCheckpointObject) });
  };
}

export function restoreCheckpoint({ containers }: Services): AppHandler {
  return async (context) => {
    const container = await containers.get(context.req.param("id")!);
    const name = context.req.param("name")!;
    await container.history.restore(name);
    return context.json({ type: "checkpoint_restored", name });
  };
}

export function deleteCheckpoint({ containers }: Services): AppHandler {
  return async (context) => {
    const container = await containers.get(context.req.param("id")!);
    const name = context.req.param("name")!;
    await container.history.delete(name);
    return context.json({ type: "checkpoint_deleted", name });
  };
}

/** Runs every cell from the present state. `keep: "first_ok"` goes on from the first that ended well. */
export function branchContainer(services: Services): AppHandler {
  const { containers, config } = services;
  const cell = createExecuteSchema(config).omit({ stream: true, replay: true });
  const schema = z.strictObject({
    cells: z
      .array(cell, { error: "required: a list of cells" })
      .min(1, "must have at least one cell")
      .max(config.branches, `must have ${config.branches} cells at most (branches)`),
    keep: z.enum(["first_ok"], { error: 'must be "first_ok", or left out' }).optional(),
  });
  return async (context) => {
    const limit = { mb: config.requestMb, setting: "requestMb" };
    const { cells, keep } = await readJson(context.req.raw, schema, limit);
    const container = await containers.get(context.req.param("id")!);
    const { signal } = context.req.raw;
    const [id, executions] = await container.history.branch(
      cells.length,
      (index, execute) => {
        const options = toExecuteOptions({ ...cells[index]!, stream: false });
        return collectExecution(
          runExecution({ id: container.id, execute }, options, services, signal),
        );
      },
      signal,
    );
    const kept = keep === undefined ? null : findKept(executions);
    if (keep !== undefined) await container.history.keep(id, kept);
    return context.json({
      type: "branch",
      id,
      kept,
      outcomes: executions.map((execution, index) => ({ index, execution })),
    });
  };
}

const KeepSchema = z.strictObject({
  index: z
    .number({ error: "required: which cell's state to go on from, from 0, or null for none" })
    .int()
    .min(0)
    .nullable(),
});

export function keepBranch({ containers, config }: Services): AppHandler {
  return async (context) => {
    const limit = { mb: config.requestMb, setting: "requestMb" };
    const { index } = await readJson(context.req.raw, KeepSchema, limit);
    const container = await containers.get(context.req.param("id")!);
    const id = context.req.param("branch")!;
    await container.history.keep(id, index);
    return context.json({ type: "branch_kept", id, index });
  };
}

function findKept(executions: readonly Execution[]): number | null {
  const index = executions.findIndex(
    ({ status, return_code }) => status === "ok" && return_code === 0,
  );
  return index < 0 ? null : index;
}

function toCheckpointObject({ name, createdAt }: Checkpoint) {
  return { type: "checkpoint", name, created_at: createdAt.toISOString() };
}
