/** Folds the events of the wire into one message: the answer for a client that does not stream. */
import { GatewayError } from "../errors.ts";
import { parseJsonObject } from "../agent/complete-json.ts";
import type { BlockDelta, ContentBlock, WireEvent, WireMessage } from "./events.ts";

export async function collectMessage(events: AsyncIterable<WireEvent>): Promise<WireMessage> {
  let message: WireMessage | null = null;
  let isWhole = false;
  let pieces: string[] = [];

  for await (const event of events) {
    if (event.type === "message_start") message = structuredClone(event.message);
    if (message === null)
      throw new GatewayError("internal", "An answer has to begin with message_start.");
    switch (event.type) {
      case "message_start":
        break;
      case "content_block_start":
        message.content.push({ ...event.content_block });
        pieces = [];
        break;
      case "content_block_delta":
        pieces.push(textOf(event.delta));
        addCitation(message.content[event.index], event.delta);
        setSignature(message.content[event.index], event.delta);
        break;
      case "content_block_stop":
        setContent(message.content[event.index], pieces.join(""));
        break;
      case "message_delta":
        message.stop_reason = event.delta.stop_reason;
        message.stop_sequence = event.delta.stop_sequence;
        message.usage = { ...message.usage, ...event.usage };
        if (event.delta.container !== undefined) message.container = event.delta.container;
        break;
      case "message_stop":
        isWhole = true;
    }
  }
  if (message === null || !isWhole)
    throw new GatewayError("internal", "The answer ended before it was whole.");
  return message;
}

function textOf(delta: BlockDelta): string {
  switch (delta.type) {
    case "text_delta":
      return delta.text;
    case "thinking_delta":
      return delta.thinking;
    case "input_json_delta":
      return delta.partial_json;
    case "signature_delta":
    case "citations_delta":
      return "";
  }
}

function setSignature(block: ContentBlock | undefined, delta: BlockDelta): void {
  if (block?.type === "thinking" && delta.type === "signature_delta")
    block.signature = delta.signature;
}

function addCitation(block: ContentBlock | undefined, delta: BlockDelta): void {
  if (block?.type === "text" && delta.type === "citations_delta")
    block.citations = [...(block.citations ?? []), delta.citation];
}

function setContent(block: ContentBlock | undefined, text: string): void {
  if (block === undefined || text === "") return;
  switch (block.type) {
    case "text":
      block.text += text;
      break;
    case "thinking":
      block.thinking += text;
      if (block.text !== undefined) block.text += text;
      break;
    case "tool_use":
    case "server_tool_use":
      block.input = parseJsonObject(text) ?? {};
      break;
    default:
      break;
  }
}
