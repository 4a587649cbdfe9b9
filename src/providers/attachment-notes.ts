/**
 * How a model learns of the files in its sandbox: a note where the user attached them.
 *
 * A note stays where it is in all later turns, so that prompt caches keep working. A document block gives
 * way to the note unless the model's server can read the block itself; files without a block of their own
 * are noted at the end of the first user message.
 */
import type {
  Attachment,
  DocumentBlock,
  ModelBlock,
  ModelMessage,
  ModelRequest,
  TextBlock,
} from "./provider.ts";

/** The request's messages with the notes put in. */
export function noteAttachments(
  { messages, attachments }: Pick<ModelRequest, "messages" | "attachments">,
  canRead: (block: DocumentBlock) => boolean,
): ModelMessage[] {
  const left = [...attachments];
  const noted = messages.map((message): ModelMessage => {
    if (message.role !== "user") return message;
    const content = message.content.flatMap((block): ModelBlock[] => {
      if (block.type !== "document") return [block];
      const attachment = takeMatch(left, block);
      const { cache_control } = block;
      const mark = cache_control === undefined ? {} : { cache_control };
      const text = attachment ? noteOf(attachment) : describeDocument(block);
      if (!canRead(block)) return [{ type: "text", text, ...mark }];
      return attachment ? [block, { type: "text", text }] : [block];
    });
    return { ...message, content };
  });
  const first = noted.findIndex((message) => message.role === "user");
  const message = noted[first];
  if (message !== undefined && left.length > 0) {
    const notes = left.map((attachment): TextBlock => ({ type: "text", text: noteOf(attachment) }));
    noted[first] = { ...message, content: [...message.content, ...notes] };
  }
  return noted;
}

/** A document as text, for a model that cannot read the block. */
export function describeDocument({ title, context, source }: DocumentBlock): string {
  const name = title ? `"${title}"` : "without a title";
  const head = [`[Document ${name}]`, ...(context ? [context] : [])].join("\n");
  if (source.type === "text" && typeof source.data === "string") return `${head}\n${source.data}`;
  if (source.type === "content") {
    const { content } = source;
    if (typeof content === "string") return `${head}\n${content}`;
    if (Array.isArray(content)) {
      const texts = content.map((part: unknown) => (isText(part) ? part.text : "[not text]"));
      return `${head}\n${texts.join("\n")}`;
    }
  }
  const mediaType = typeof source.media_type === "string" ? ` of type ${source.media_type}` : "";
  return `${head}\n[Its content${mediaType} cannot be shown to this model.]`;
}

function noteOf({ filename, mediaType, sizeBytes, preview }: Attachment): string {
  const note = `[Attached file "${filename}" (${mediaType}, ${sizeBytes} bytes) in the working directory of the code]`;
  return preview ? `${note}\nIt begins:\n${preview}` : note;
}

/** Takes out the attachment that a block became: by name, else by type, else the oldest. */
function takeMatch(left: Attachment[], { title, source }: DocumentBlock): Attachment | undefined {
  const byName = left.findIndex(({ filename }) => filename === title);
  const byType = left.findIndex(({ mediaType }) => mediaType === source.media_type);
  const [found] = left.splice(byName >= 0 ? byName : Math.max(byType, 0), 1);
  return found;
}

function isText(value: unknown): value is TextBlock {
  return (
    typeof value === "object" && value !== null && "text" in value && typeof value.text === "string"
  );
}
