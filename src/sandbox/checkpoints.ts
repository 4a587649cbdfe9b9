/**
 * Named states of one container, and branches from the present one.
 *
 * A checkpoint is a sleeping copy of the Python session and a copy of the workspace, both inside the container
 * and its limits. Going back to one keeps it. A branch runs each of several cells from the same state: the
 * processes of a container share one view of its files, so they run one after the other, each undone before the
 * next; the state after each is kept until one of them is chosen.
 */
import { randomBytes } from "node:crypto";

import { GatewayError } from "../errors.ts";
import type { Checkpoint, ContainerHistory } from "./sandbox.ts";
import type { Session } from "./session.ts";

/** The states that a branch has led to. */
export interface Branch {
  id: string;
  count: number;
}

/** A container's history, but that whoever branches finds the way to execute by itself. */
export interface Checkpoints extends Omit<ContainerHistory, "branch"> {
  /** Calls `run` for each cell from the present state, and ends there again. */
  branch<Result>(
    count: number,
    run: (index: number) => Promise<Result>,
  ): Promise<[Branch, Result[]]>;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function createCheckpoints(session: Session, most: number, now: () => number): Checkpoints {
  const named = new Map<string, Checkpoint>();
  let branched: Branch | null = null;

  return {
    async create(name) {
      if (!NAME.test(name))
        throw new GatewayError(
          "invalid_request",
          "name: must have 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit.",
        );
      if (!named.has(name) && named.size >= most)
        throw new GatewayError(
          "invalid_request",
          `A container has ${most} checkpoints at most (checkpoints): delete one first.`,
        );
      await session.mark(`c:${name}`);
      const checkpoint = { name, createdAt: new Date(now()) };
      named.delete(name);
      named.set(name, checkpoint);
      return checkpoint;
    },
    list: () => [...named.values()],
    async restore(name) {
      require(name);
      await session.goBack(`c:${name}`);
    },
    async delete(name) {
      require(name);
      named.delete(name);
      await session.unmark(`c:${name}`);
    },
    async branch<Result>(count: number, run: (index: number) => Promise<Result>) {
      await forget(branched);
      const branch = { id: `branch_${randomBytes(12).toString("hex")}`, count };
      branched = branch;
      const results: Result[] = [];
      await session.mark(stateOf(branch, "base"));
      try {
        for (let index = 0; index < count; index += 1) {
          results.push(await run(index));
          await session.mark(stateOf(branch, index));
          await session.goBack(stateOf(branch, "base"));
        }
      } catch (error) {
        await forget(branch);
        branched = null;
        throw error;
      }
      await session.unmark(stateOf(branch, "base"));
      return [branch, results];
    },
    async keep(id, index) {
      const branch = branched;
      if (branch === null || branch.id !== id)
        throw new GatewayError(
          "not_found",
          `Branch \`${id.slice(0, 100)}\` not found: only the newest one of a container can be chosen from, once.`,
        );
      if (index !== null && index >= branch.count)
        throw new GatewayError("invalid_request", `index: the branch has ${branch.count} cells.`);
      if (index !== null) await session.goBack(stateOf(branch, index));
      await forget(branch);
      branched = null;
    },
  };

  function require(name: string): void {
    if (named.has(name)) return;
    throw new GatewayError(
      "not_found",
      `Checkpoint \`${name.slice(0, 100)}\` not found in this container.`,
    );
  }

  async function forget(branch: Branch | null): Promise<void> {
    if (branch === null) return;
    for (const state of ["base", ...Array.from({ length: branch.count }, (_, index) => index)])
      await session.unmark(stateOf(branch, state));
  }
}

function stateOf({ id }: Branch, state: number | string): string {
  return `${id}:${state}`;
}
