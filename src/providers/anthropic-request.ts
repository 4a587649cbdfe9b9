/** A model request -> the body of `POST /v1/messages`. */
import { noteAttachments } from "./attachment-notes.ts";
import type { DocumentBlock, ModelBlock, ModelRequest } from "./provider.ts";

export interface AnthropicRequestOptions {
  model: string;
  /** As sent in `anthropic-version`. From 2026-10-21 on, the API refuses the sampling parameters. */
  version: string;
}

export function toAnthropicRequest(
  request: ModelRequest,
  { model, version }: AnthropicRequestOptions,
): Record<string, unknown> {
  const mayTune = version < "2026-10-21";
  const { system, tools, toolChoice, stopSequences, thinking, metadata } = request;
  return {
    model,
    max_tokens: request.maxTokens,
    stream: true,
    ...(system.length > 0 && { system: system.filter(isWorthSending) }),
    messages: noteAttachments(request, isReadable)
      .map(({ role, content }) => ({ role, content: content.filter(isWorthSending) }))
      .filter(({ content }) => content.length > 0),
    ...(tools.length > 0 && { tools }),
    ...(tools.length > 0 && toolChoice && { tool_choice: toolChoice }),
    ...(stopSequences.length > 0 && { stop_sequences: stopSequences }),
    ...(mayTune && request.temperature !== undefined && { temperature: request.temperature }),
    ...(mayTune && request.topP !== undefined && { top_p: request.topP }),
    ...(mayTune && request.topK !== undefined && { top_k: request.topK }),
    ...(thinking && { thinking }),
    ...(metadata && { metadata }),
  };
}

/** The API refuses empty text, and thinking that it did not sign itself. */
function isWorthSending(block: ModelBlock): boolean {
  if (block.type === "text") return block.text.trim() !== "";
  if (block.type === "thinking") return block.signature !== "";
  return true;
}

/** PDF and plain text are read by the API itself; of any other file the model sees a note. */
function isReadable({ source }: DocumentBlock): boolean {
  return source.type !== "base64" || source.media_type === "application/pdf";
}
