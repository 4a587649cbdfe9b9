/**
 * A tool that Curta runs itself, as the agent loop knows it.
 *
 * The loop declares `definition` to the model as an ordinary client tool and calls `run` for each use.
 * `run` never throws for what the model or its code did wrong: that is a result the model can read.
 */
import type { ModelTool, TextBlock, ImageBlock } from "../providers/provider.ts";
import type { Container, ExecutionEvent } from "../sandbox/sandbox.ts";

export interface ToolContext {
  /** The turn's container, created on first use. */
  container(): Promise<Container>;
  signal: AbortSignal;
}

/** What the client is told of a use: execution events as they happen, then what the model reads. */
export type ToolEvent =
  | { type: "execution"; event: ExecutionEvent }
  /** The input does not fit the tool: `error_code` as the Messages API has it. */
  | { type: "rejected"; errorCode: "invalid_tool_input" | "unavailable" | "too_many_requests"; message: string }
  | { type: "result"; content: (TextBlock | ImageBlock)[]; isError: boolean };

export interface Tool {
  readonly definition: ModelTool;
  run(input: Record<string, unknown>, context: ToolContext): AsyncIterable<ToolEvent>;
}
