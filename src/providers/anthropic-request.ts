/** A model request -> the body of `POST /v1/messages`. */
import { noteAttachments } from "./attachment-notes.ts";
import { askForAnswer } from "./answer-format.ts";
import type { DocumentBlock, ModelBlock, ModelRequest } from "./provider.ts";

export interface AnthropicRequestOptions {
  model: string;
  /** As sent in `anthropic-version`. From 2026-10-21 on, the API refuses the sampling parameters. */
  version: string;
  /** Whether the server is Anthropic's, which holds its models to the schema of an answer. */
  isAnthropic: boolean;
}

export function toAnthropicRequest(
  request: ModelRequest,
  { model, version, isAnthropic }: AnthropicRequestOptions,
): Record<string, unknown> {
  const mayTune = version < "2026-10-21";
  const { tools, toolChoice, stopSequences, thinking, metadata, serviceTier } = request;
  const asked = isAnthropic ? "" : askForAnswer(request);
  const system = [...request.system, { type: "text" as const, text: asked }].filter(isWorthSending);
  const outputConfig = toOutputConfig(request, model);
  return {
    model,
    max_tokens: request.maxTokens,
    stream: true,
    ...(system.length > 0 && { system }),
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
    ...(serviceTier && { service_tier: serviceTier }),
    ...(Object.keys(outputConfig).length > 0 && { output_config: outputConfig }),
  };
}

/** Another model than the client named may know no effort. */
function toOutputConfig({ answerSchema, effort, model: named }: ModelRequest, model: string) {
  return {
    ...(answerSchema && { format: { type: "json_schema", schema: answerSchema } }),
    ...(effort !== undefined && model === named && { effort }),
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
