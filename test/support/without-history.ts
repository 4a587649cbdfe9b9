/** The history of a container that cannot go back. */
import type { ContainerHistory } from "../../src/sandbox/sandbox.ts";

const refuse = async (): Promise<never> => {
  throw new Error("This container cannot go back.");
};

export const withoutHistory: ContainerHistory = {
  create: refuse,
  list: () => [],
  restore: refuse,
  delete: refuse,
  branch: refuse,
  keep: refuse,
};
