/**
 * A model request -> the body of `POST /chat/completions`.
 *
 * Text goes as plain strings wherever there is no image: some servers take a list of parts for several
 * messages, others refuse it outside user messages. One system message comes first, since many chat
 * templates allow no other. Images of tool results follow the tool messages in a user message, since tool
 * messages are text only.
 */
import { askForAnswer } from "./answer-format.ts";
import { describeDocument, noteAttachments } from "./attachment-notes.ts";
import type {
  ImageBlock,
  ModelMessage,
  ModelRequest,
  ToolResultBlock,
  ToolUseBlock,
} from "./provider.ts";

interface ChatMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: string | ChatPart[];
  tool_calls?: { id: string; type: "function"; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
  /** Of the tool; Ollama's templates want it. */
  name?: string;
}

type ChatPart = { type: "text"; text: string } | { type: "image_url"; image_url: { url: string } };

/** What a server or model turned out not to take; found by its refusals. */
export interface Abilities {
  tools: boolean;
  images: boolean;
  streamOptions: boolean;
  /** `temperature`, `top_p` and `top_k`. */
  sampling: boolean;
  /** `max_tokens`; newer hosted models want `max_completion_tokens`. */
  maxTokens: boolean;
  /** `response_format` with a schema. */
  answerFormat: boolean;
}

export function toChatRequest(
  request: ModelRequest,
  model: string,
  abilities: Abilities,
): Record<string, unknown> {
  const { temperature, topP, topK, stopSequences, toolChoice, answerSchema } = request;
  // Some servers ignore `tool_choice`, so "none" is said by offering no tools.
  const tools = toolChoice?.type === "none" ? [] : request.tools;
  return {
    model,
    stream: true,
    ...(abilities.streamOptions && { stream_options: { include_usage: true } }),
    [abilities.maxTokens ? "max_tokens" : "max_completion_tokens"]: request.maxTokens,
    messages: toChatMessages(request, abilities),
    ...(tools.length > 0 && {
      tools: tools.map(({ name, description, input_schema }) => ({
        type: "function",
        function: { name, description, parameters: input_schema },
      })),
    }),
    ...(tools.length > 0 && toolChoice && toToolChoice(toolChoice)),
    ...(stopSequences.length > 0 && { stop: stopSequences }),
    ...(abilities.answerFormat &&
      answerSchema && {
        response_format: {
          type: "json_schema",
          json_schema: { name: "answer", schema: answerSchema },
        },
      }),
    ...(abilities.sampling && temperature !== undefined && { temperature }),
    ...(abilities.sampling && topP !== undefined && { top_p: topP }),
    ...(abilities.sampling && topK !== undefined && { top_k: topK }),
  };
}

function toChatMessages(
  request: ModelRequest,
  { images }: Pick<Abilities, "images">,
): ChatMessage[] {
  const messages: ChatMessage[] = [];
  const system = [...request.system.map(({ text }) => text), askForAnswer(request)]
    .filter((text) => text !== "")
    .join("\n\n");
  if (system.trim() !== "") messages.push({ role: "system", content: system });
  const toolNames = new Map<string, string>();
  for (const message of noteAttachments(request, () => false)) {
    messages.push(
      ...(message.role === "assistant"
        ? fromAssistant(message, toolNames)
        : fromUser(message, toolNames, images)),
    );
  }
  return messages;
}

function fromAssistant({ content }: ModelMessage, toolNames: Map<string, string>): ChatMessage[] {
  const text = content.map((block) => (block.type === "text" ? block.text : "")).join("");
  const uses = content.filter((block): block is ToolUseBlock => block.type === "tool_use");
  for (const { id, name } of uses) toolNames.set(id, name);
  if (uses.length === 0) return text === "" ? [] : [{ role: "assistant", content: text }];
  const calls = uses.map(({ id, name, input }) => ({
    id,
    type: "function" as const,
    function: { name, arguments: JSON.stringify(input) },
  }));
  return [{ role: "assistant", content: text, tool_calls: calls }];
}

function fromUser(
  { content }: ModelMessage,
  toolNames: Map<string, string>,
  images: boolean,
): ChatMessage[] {
  const tools: ChatMessage[] = [];
  const parts: ChatPart[] = [];
  const shown: ImageBlock[] = [];
  for (const block of content) {
    if (block.type === "tool_result") {
      const name = toolNames.get(block.tool_use_id);
      tools.push({
        role: "tool",
        tool_call_id: block.tool_use_id,
        ...(name !== undefined && { name }),
        content: toolResultText(block, images),
      });
      if (images && typeof block.content !== "string") {
        shown.push(...block.content.filter((part) => part.type === "image"));
      }
    } else if (block.type === "text") {
      if (block.text !== "") parts.push({ type: "text", text: block.text });
    } else if (block.type === "image") {
      parts.push(images ? toImagePart(block) : { type: "text", text: describeImage(block) });
    }
  }
  if (shown.length > 0) {
    parts.unshift(
      { type: "text", text: "Images of the tool results above, in order:" },
      ...shown.map(toImagePart),
    );
  }
  if (parts.length === 0) return tools;
  return [...tools, { role: "user", content: plainIfText(parts) }];
}

function toolResultText({ content, is_error }: ToolResultBlock, images: boolean): string {
  const blocks = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
  const text = blocks
    .map((block) => {
      if (block.type === "text") return block.text;
      if (block.type === "document") return describeDocument(block);
      return images ? "[An image; it follows below.]" : describeImage(block);
    })
    .join("\n");
  return is_error ? `Error:\n${text}` : text;
}

/** What a model that sees no images is told of one. */
function describeImage({ source }: ImageBlock): string {
  if (source.type === "url") return `[An image at ${source.url}, which this model cannot see.]`;
  const kilobytes = Math.max(1, Math.round((source.data.length * 0.75) / 1000));
  return `[An image, ${source.media_type}, ${kilobytes} kB, which the user can see and this model cannot.]`;
}

function toImagePart({ source }: ImageBlock): ChatPart {
  const url =
    source.type === "url" ? source.url : `data:${source.media_type};base64,${source.data}`;
  return { type: "image_url", image_url: { url } };
}

function plainIfText(parts: ChatPart[]): string | ChatPart[] {
  const texts = parts.map((part) => (part.type === "text" ? part.text : null));
  return texts.includes(null) ? parts : texts.join("\n\n");
}

function toToolChoice(choice: NonNullable<ModelRequest["toolChoice"]>): Record<string, unknown> {
  const parallel = choice.disable_parallel_tool_use ? { parallel_tool_calls: false } : {};
  if (choice.type === "any") return { tool_choice: "required", ...parallel };
  if (choice.type === "tool") {
    return { tool_choice: { type: "function", function: { name: choice.name } }, ...parallel };
  }
  return parallel;
}
