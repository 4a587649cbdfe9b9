/**
 * One turn as it happens: the model's own events and the events of the tools that Curta ran, in order.
 *
 * `tool` events follow the sampling that asked for them, one use after the other in source order; the
 * events of one use end with its `result`, and between them stand the calls that its code makes. A turn that goes on with uses of an earlier answer begins with
 * theirs. Exactly one `turn-start` opens the stream, exactly one `turn-end` closes it; an error is thrown,
 * never an event.
 */
import type { ModelEvent, ModelStopReason, ModelUsage } from "../providers/provider.ts";
import type { ToolEvent } from "../tools/tool.ts";
import type { TurnMetering } from "./metering.ts";

export interface TurnContainer {
  id: string;
  expiresAt: Date;
}

export type TurnEvent =
  | { type: "turn-start"; model: string; usage: ModelUsage; container: TurnContainer | null }
  /** Events of a sampling, less its `start` and `end`. `serverTool` marks a tool that Curta runs. */
  | Exclude<ModelEvent, { type: "start" } | { type: "end" } | { type: "tool-use-start" }>
  | { type: "tool-use-start"; id: string; name: string; serverTool: boolean }
  /** After each sampling: what the turn has used so far. */
  | { type: "usage"; usage: ModelUsage }
  /** Code has called a tool of the client's; the turn ends after these. `callerId` is the code's own use. */
  | {
      type: "client-call";
      id: string;
      name: string;
      input: Record<string, unknown>;
      callerId: string;
    }
  /** Code has called a tool that Curta runs; its `tool` events follow, and the code goes on. */
  | {
      type: "server-call";
      id: string;
      name: string;
      input: Record<string, unknown>;
      callerId: string;
    }
  /** `callerId` is there when code made the use. */
  | { type: "tool"; toolUseId: string; name: string; event: ToolEvent; callerId?: string }
  | {
      type: "turn-end";
      stopReason: ModelStopReason;
      stopSequence: string | null;
      usage: ModelUsage;
      container: TurnContainer | null;
      /** Set by `meterTurn`. */
      metering?: TurnMetering;
    };
