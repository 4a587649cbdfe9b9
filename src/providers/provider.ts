/**
 * What the agent loop knows of a model.
 *
 * Messages, content blocks and tools have the shapes of the Messages API, reduced to what a model
 * accepts: server tools have already become client tools, so a provider sees `tool_use` and
 * `tool_result` only, never `server_tool_use`.
 */
/** Where a Messages upstream may cache up to, as the client marked it; other upstreams leave it out. */
interface Cacheable {
  cache_control?: unknown;
}

export interface TextBlock extends Cacheable {
  type: "text";
  text: string;
}

export interface ImageBlock extends Cacheable {
  type: "image";
  source: { type: "base64"; media_type: string; data: string } | { type: "url"; url: string };
}

export interface DocumentBlock extends Cacheable {
  type: "document";
  source: { type: string; [key: string]: unknown };
  title?: string | null;
  context?: string | null;
}

export interface ThinkingBlock {
  type: "thinking";
  thinking: string;
  /** Empty when the model's server gave none. Blocks that came from elsewhere are not sent upstream. */
  signature: string;
}

export interface RedactedThinkingBlock {
  type: "redacted_thinking";
  data: string;
}

export interface ToolUseBlock extends Cacheable {
  type: "tool_use";
  id: string;
  name: string;
  input: Record<string, unknown>;
}

export interface ToolResultBlock extends Cacheable {
  type: "tool_result";
  tool_use_id: string;
  content: string | (TextBlock | ImageBlock | DocumentBlock)[];
  is_error?: boolean;
}

export type ModelBlock =
  | TextBlock
  | ImageBlock
  | DocumentBlock
  | ThinkingBlock
  | RedactedThinkingBlock
  | ToolUseBlock
  | ToolResultBlock;

export interface ModelMessage {
  role: "user" | "assistant";
  content: ModelBlock[];
}

export interface ModelTool extends Cacheable {
  name: string;
  description: string;
  input_schema: Record<string, unknown>;
}

/** A file that lies in the sandbox's workspace for this conversation. */
export interface Attachment {
  /** Name in the workspace, already sanitised and unique. */
  filename: string;
  mediaType: string;
  sizeBytes: number;
  /** First bytes as text (at most 2,000 characters) for text-like files; null for binary ones. */
  preview: string | null;
}

export interface ModelRequest {
  /** The model the client named. A provider with a model of its own may ignore it. */
  model: string;
  system: TextBlock[];
  messages: ModelMessage[];
  tools: ModelTool[];
  /**
   * Tools of Curta's that only code is meant to call. A model that writes such calls knows them from the
   * description of code execution; a harness for one that does not may use them as it uses `tools`.
   */
  codeTools?: ModelTool[];
  /** The Messages API's `tool_choice`; absent means `{ type: "auto" }`. */
  toolChoice?: {
    type: "auto" | "any" | "none" | "tool";
    name?: string;
    disable_parallel_tool_use?: boolean;
  };
  maxTokens: number;
  stopSequences: string[];
  temperature?: number;
  topP?: number;
  topK?: number;
  /** The request's `thinking` object, passed through to a Messages upstream. */
  thinking?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  /** A JSON Schema that the answer is to be valid against; absent means that any text will do. */
  answerSchema?: Record<string, unknown>;
  /** How much the model should do for its answer, for a Messages upstream. */
  effort?: string;
  /** As the request has it, passed through to a Messages upstream. */
  serviceTier?: string;
  /** Files that user messages carried, oldest first. Document blocks of them stay in `messages` too. */
  attachments: Attachment[];
}

export interface ModelUsage {
  inputTokens: number;
  outputTokens: number;
  cacheCreationInputTokens?: number;
  cacheReadInputTokens?: number;
}

export type ModelStopReason =
  | "end_turn"
  | "max_tokens"
  | "stop_sequence"
  | "tool_use"
  | "pause_turn"
  | "refusal"
  | "model_context_window_exceeded";

/**
 * One sampling of the model. Blocks do not overlap: every `…-start` is followed by its deltas and one
 * `block-end` before the next start. Exactly one `end` closes the stream.
 */
export type ModelEvent =
  | { type: "start"; model: string; usage: ModelUsage }
  | { type: "text-start" }
  | { type: "text-delta"; text: string }
  | { type: "thinking-start" }
  | { type: "thinking-delta"; thinking: string }
  | { type: "thinking-signature"; signature: string }
  | { type: "redacted-thinking"; data: string }
  | { type: "tool-use-start"; id: string; name: string }
  /** Pieces of the input's JSON text; joined they parse to an object, the first begins with `{`. */
  | { type: "tool-use-delta"; partialJson: string }
  | { type: "block-end" }
  | { type: "end"; stopReason: ModelStopReason; stopSequence: string | null; usage: ModelUsage };

/** A model that a client may name. */
export interface ListedModel {
  id: string;
  displayName?: string;
  /** RFC 3339. */
  createdAt?: string;
  /** Tokens that a request may have. */
  maxInputTokens?: number;
  /** Tokens that an answer may have. */
  maxTokens?: number;
}

export interface Provider {
  /** For logs and `doctor`: `embedded`, `anthropic`, `openai`, `scripted`. */
  readonly kind: string;
  /** The model that answers when it is not the one the client named. */
  readonly model: string | null;
  /** Whether images in tool results reach the model. Absent means no: it reads a short text instead. */
  readonly seesImages?: boolean;
  /**
   * Samples the model once. Throws a `GatewayError` (`upstream`, `upstream_timeout`, `rate_limit`,
   * `overloaded`, `invalid_request`) before or between events when the model's server fails; retries
   * have then been made already. An aborted signal ends the iteration with the signal's reason.
   */
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
  /** Tokens of the request as this model counts them, or an estimate. */
  countTokens(request: ModelRequest, signal: AbortSignal): Promise<number>;
  /** The models that there are, and what is known of each; empty when their server does not tell. */
  listModels?(signal: AbortSignal): Promise<ListedModel[]>;
  close(): Promise<void>;
}
