/** The named states of one container, under the queue of its calls. They end with the sandbox that they are of. */
import { createCheckpoints, type Checkpoints } from "./checkpoints.ts";
import type { Sandbox } from "./pool.ts";
import type { Container, ContainerHistory } from "./sandbox.ts";

export interface HistoryOptions {
  /** Of one container. */
  checkpointsMax: number;
  now: () => number;
  /** Does something to the container's sandbox when its turn has come. `execute` is for use inside. */
  inside<Result>(
    signal: AbortSignal,
    work: (sandbox: Sandbox, execute: Container["execute"]) => Promise<Result>,
  ): Promise<Result>;
  /** The state may be another one than before. */
  moved(): void;
}

export function createHistory(options: HistoryOptions): ContainerHistory {
  const never = new AbortController().signal;
  let present: { sandbox: Sandbox; checkpoints: Checkpoints } | null = null;

  return {
    create: (name) => using(never, (checkpoints) => checkpoints.create(name)),
    list: () => present?.checkpoints.list() ?? [],
    restore: (name) => moving(never, (checkpoints) => checkpoints.restore(name)),
    delete: (name) => using(never, (checkpoints) => checkpoints.delete(name)),
    keep: (id, index) => moving(never, (checkpoints) => checkpoints.keep(id, index)),
    branch: (count, run, signal) =>
      moving(signal, async (checkpoints, execute) => {
        const [branch, results] = await checkpoints.branch(count, (index) => run(index, execute));
        return [branch.id, results];
      }),
  };

  type Work<Result> = (checkpoints: Checkpoints, execute: Container["execute"]) => Promise<Result>;

  function using<Result>(signal: AbortSignal, work: Work<Result>): Promise<Result> {
    return options.inside(signal, (sandbox, execute) => work(checkpointsOf(sandbox), execute));
  }

  /** Of what may end in another state than it began in. */
  function moving<Result>(signal: AbortSignal, work: Work<Result>): Promise<Result> {
    return using(signal, async (checkpoints, execute) => {
      const result = await work(checkpoints, execute);
      options.moved();
      return result;
    });
  }

  function checkpointsOf(sandbox: Sandbox): Checkpoints {
    if (present?.sandbox !== sandbox) {
      const { checkpointsMax, now } = options;
      const checkpoints = createCheckpoints(sandbox.session, checkpointsMax, now);
      present = { sandbox, checkpoints };
    }
    return present.checkpoints;
  }
}
