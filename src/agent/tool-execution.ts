/**
 * One run of a tool, which may outlive the request that began it.
 *
 * Its signal is its own: it follows the signal of the request that it is attached to, and nobody's while it is
 * detached. So a client that goes away during a request stops the code, and one that goes away between two
 * requests does not.
 */
import type { Tool, ToolContext, ToolEvent } from "../tools/tool.ts";

export interface ToolExecution {
  /** The next event; null when there are no more. */
  next(): Promise<ToolEvent | null>;
  attach(signal: AbortSignal): void;
  detach(): void;
  /** Stops the code and gives up what it has not said yet. */
  leave(): void;
}

export function startToolExecution(
  tool: Tool,
  input: Record<string, unknown>,
  workspace: Omit<ToolContext, "signal">,
): ToolExecution {
  const controller = new AbortController();
  const context = { ...workspace, signal: controller.signal };
  const events = tool.run(input, context)[Symbol.asyncIterator]();
  let detach: () => void = () => {};

  return {
    async next() {
      const { done, value } = await events.next();
      return done === true ? null : value;
    },
    attach(signal) {
      const onAbort = (): void => controller.abort(signal.reason);
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      detach = () => signal.removeEventListener("abort", onAbort);
    },
    detach() {
      detach();
    },
    leave() {
      controller.abort(new Error("Nobody waits for this execution any more."));
      // It stops in its own time; whatever it says to that matters to nobody.
      events.return?.().catch(() => {});
    },
  };
}
