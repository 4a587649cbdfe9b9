/**
 * A model that can only continue text: no tools, no images.
 *
 * The harness (`harness.ts`) makes a `Provider` of one. The embedded model is one, and so is any
 * Chat Completions server whose model declares no tool support (`openai-text-model.ts`).
 */
import type { ModelUsage } from "./provider.ts";

export interface TextMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface TextModelRequest {
  messages: TextMessage[];
  /**
   * The first characters of the reply, which the model goes on from, a Python fence for instance. They
   * are not repeated in the pieces that come out. Empty: the model begins by itself.
   */
  prefix: string;
  /** The reply ends before the first of these; none of them comes out. */
  stop: string[];
  maxTokens: number;
  /** 0 is greedy. */
  temperature: number;
  /** A JSON Schema that the reply is held to, by a model that can; only without a prefix. */
  schema?: Record<string, unknown>;
}

/** Pieces of text in order, then exactly one `done`. */
export type TextModelEvent =
  | { text: string; done?: undefined }
  | { done: true; stopReason: "stop" | "max_tokens"; usage: ModelUsage };

export interface TextModel {
  /** For logs and `doctor`: `embedded` or `openai`. */
  readonly kind: string;
  readonly model: string;
  /** Room for prompt and reply together; the harness trims the conversation to it. */
  readonly contextTokens: number;
  /**
   * Continues the conversation. Throws a `GatewayError` when the model fails, and the signal's reason
   * when it is aborted. Several calls may be made at once; whether they run at once is the model's affair.
   */
  complete(request: TextModelRequest, signal: AbortSignal): AsyncIterable<TextModelEvent>;
  /** Tokens of a text as this model counts them, or an estimate. */
  countTokens(text: string): Promise<number>;
}
