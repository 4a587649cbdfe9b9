/** Tool results for a model that cannot be given images: each becomes a short text. */
import type { ModelMessage } from "../providers/provider.ts";
import { toImageNotice } from "../tools/image.ts";

export function withoutResultImages(message: ModelMessage): ModelMessage {
  if (message.role !== "user") return message;
  return {
    role: "user",
    content: message.content.map((block) =>
      block.type === "tool_result" && typeof block.content !== "string"
        ? {
            ...block,
            content: block.content.map((part) =>
              part.type === "image" ? toImageNotice(part) : part,
            ),
          }
        : block,
    ),
  };
}
