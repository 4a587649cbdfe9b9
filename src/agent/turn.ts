/** What a turn is given, and what it knows while it runs. */
import type {
  Attachment,
  ModelMessage,
  ModelRequest,
  ModelTool,
  ModelUsage,
  Provider,
  ToolUseBlock,
} from "../providers/provider.ts";
import type { Containers } from "../sandbox/sandbox.ts";
import type { Tool } from "../tools/tool.ts";
import type { CutUses } from "./cut-uses.ts";
import type { WaitingExecutions } from "./waiting-executions.ts";
import type { Workspace } from "./workspace.ts";

/** A file of the conversation that belongs into the workspace. */
export interface TurnFile {
  attachment: Attachment;
  bytes: Uint8Array;
  /** It came with the message that is answered now, not with an earlier one. */
  isNew: boolean;
}

/** What the client's last message says to a call. */
export interface CallAnswer {
  text: string;
  isError: boolean;
}

export interface TurnRequest {
  /** What the model is asked, before tools and files are added. */
  prompt: Omit<ModelRequest, "tools" | "attachments">;
  /** Tools that the client runs; a use of one ends the turn. */
  clientTools: ModelTool[];
  /** Tools that the client runs and that only code may call; the model is told of them as functions. */
  codeTools: ModelTool[];
  /** Names of the tools that Curta runs. */
  serverTools: string[];
  /** Those of them that code may call. */
  serverFunctions: string[];
  /** Those of them that only code is meant to call. */
  onlyFunctions: string[];
  /** The client's mark for prompt caching behind them. */
  serverToolMark: { cache_control?: object };
  containerId: string | null;
  files: TurnFile[];
  /**
   * Uses of server tools that the last assistant message left unanswered; they run before the model is
   * asked. The messages then end with that assistant message, or with the client's own tool results.
   */
  pending: ToolUseBlock[];
  /** By the id of the `tool_use` that they answer; whether code or the model had made it. */
  answers: ReadonlyMap<string, CallAnswer>;
  /** Uses of server tools whose code has called the client's tools. */
  callers: ReadonlySet<string>;
}

export interface TurnDeps {
  provider: Provider;
  containers: Containers;
  /** The tools that Curta runs, by name. */
  tools: ReadonlyMap<string, Tool>;
  /** Code that waits for the client, from one request to the next. */
  waiting: WaitingExecutions;
  /** Uses that must not be run when they come back. */
  cutUses: CutUses;
  /** Runs of code; after them the model is asked once more, without tools. */
  executionsPerTurn: number;
  /** Searches and fetches, the model's and its code's. */
  webRequestsPerTurn: number;
  /** A fresh id with that prefix: `srvtoolu_…`. */
  newId: (prefix: string) => string;
}

export interface Turn {
  readonly request: TurnRequest;
  readonly deps: TurnDeps;
  readonly signal: AbortSignal;
  readonly workspace: Workspace;
  /** The conversation so far, this turn's own samplings and results included. */
  readonly messages: ModelMessage[];
  /** Every tool use id of the conversation: servers of models give the same one again. */
  readonly useIds: Set<string>;
  usage: ModelUsage;
  executions: number;
  webRequests: number;
  isStarted: boolean;
}

export function addUsage(left: ModelUsage, right: ModelUsage): ModelUsage {
  return {
    inputTokens: left.inputTokens + right.inputTokens,
    outputTokens: left.outputTokens + right.outputTokens,
    cacheCreationInputTokens:
      (left.cacheCreationInputTokens ?? 0) + (right.cacheCreationInputTokens ?? 0),
    cacheReadInputTokens: (left.cacheReadInputTokens ?? 0) + (right.cacheReadInputTokens ?? 0),
  };
}
