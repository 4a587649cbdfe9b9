/**
 * Uses whose input the end of an answer has cut.
 *
 * A client reads such an input as whole JSON, because its end was made up, and sends it back. It must not be run
 * then: half of `rm -rf /workspace/old` is a command, too. The ids of the last ones are known; a server that was
 * started anew has forgotten them.
 */
export interface CutUses {
  add(id: string): void;
  has(id: string): boolean;
}

const KEPT_MAX = 10_000;

export function createCutUses(): CutUses {
  const ids = new Set<string>();
  return {
    add(id) {
      ids.add(id);
      for (const oldest of ids) {
        if (ids.size <= KEPT_MAX) break;
        ids.delete(oldest);
      }
    },
    has: (id) => ids.has(id),
  };
}
