/**
 * Files that a conversation carries: out of its blocks, into the workspace, and into words for the model.
 *
 * The model is told of each file in a text block, with its first lines when it is text, so that models
 * without document support can work with it. Images stay images beside it, and a PDF stays a document for
 * the models that read them. Without a tool that could open files, the text stands there whole.
 */
import { GatewayError } from "../errors.ts";
import type { TurnFile } from "../agent/turn.ts";
import type { DocumentBlock, ImageBlock, TextBlock } from "../providers/provider.ts";
import type { StoredFile } from "../tools/tool.ts";
import { toFilename } from "./filename.ts";
import type { WireDocument, WireImage } from "./schema.ts";
import { decodeText, type DecodedText } from "./text-files.ts";

export interface AttachmentOptions {
  /** Bound on one file. */
  attachmentBytes: number;
  /** Bound on all files of the conversation: what a container can hold. */
  workspaceBytes: number;
  /** Whether the model has a tool that can open files. */
  hasWorkspace: boolean;
  /** Files that the conversation names by id, already read. */
  stored: ReadonlyMap<string, StoredFile>;
}

/** Where a block stands: `messages.0.content.1`, and whether its message is the one answered now. */
export interface BlockPlace {
  path: string;
  isNew: boolean;
}

export type FileContent = TextBlock | ImageBlock | DocumentBlock;

export interface Attachments {
  readonly files: TurnFile[];
  addDocument(block: WireDocument, place: BlockPlace): FileContent[];
  addImage(block: WireImage, place: BlockPlace): FileContent[];
  addUpload(fileId: string, place: BlockPlace): FileContent[];
}

const PDF = "application/pdf";
const FILES_MAX = 200;
const PREVIEW_CHARACTERS = 2_000;
const SHORT_CHARACTERS = 4_000;

export function createAttachments(options: AttachmentOptions): Attachments {
  const files: TurnFile[] = [];
  const names = new Set<string>();
  let bytesInAll = 0;

  /** Takes a file into the workspace; gives its words for the model. */
  function add(
    file: Omit<StoredFile, "filename"> & { title?: string | null },
    place: BlockPlace,
  ): AddedFile {
    const { mediaType, bytes } = file;
    const filename = toFilename(file.title, mediaType, names);
    const decoded = decodeText(filename, mediaType, bytes);
    const attachment = {
      filename,
      mediaType,
      sizeBytes: bytes.length,
      preview: decoded === null ? null : decoded.text.slice(0, PREVIEW_CHARACTERS).toWellFormed(),
    };
    if (options.hasWorkspace) {
      names.add(filename);
      bytesInAll += bytes.length;
      if (bytesInAll > options.workspaceBytes)
        throw tooLarge(place.path, "The files together", options.workspaceBytes);
      if (files.length === FILES_MAX) {
        throw new GatewayError(
          "invalid_request",
          `${place.path}: A conversation may carry ${FILES_MAX} files at most.`,
        );
      }
      files.push({ attachment, bytes, isNew: place.isNew });
    }
    const words = options.hasWorkspace
      ? describeFile(attachment, decoded)
      : describeDocument(attachment, decoded);
    return { filename, words: { type: "text", text: words } };
  }

  function decode(data: string, path: string): Uint8Array {
    return decodeBase64(data, options.attachmentBytes, path);
  }

  function read(fileId: string): StoredFile {
    const file = options.stored.get(fileId);
    if (file === undefined) throw new GatewayError("not_found", `File \`${fileId}\` not found.`);
    return file;
  }

  function addDocument(block: WireDocument, place: BlockPlace): FileContent[] {
    const { source, title } = block;
    const context: FileContent[] = block.context ? [{ type: "text", text: block.context }] : [];
    switch (source.type) {
      case "base64": {
        const bytes = decode(source.data, `${place.path}.source.data`);
        const { words } = add({ title, mediaType: source.media_type, bytes }, place);
        const isPdf = source.media_type === PDF;
        const document: DocumentBlock = { type: "document", source, title };
        return [...(isPdf ? [document] : []), words, ...context];
      }
      case "text": {
        const bytes = Buffer.from(source.data.toWellFormed());
        if (bytes.length > options.attachmentBytes)
          throw tooLarge(place.path, "The file", options.attachmentBytes);
        return [
          add({ title, mediaType: source.media_type ?? "text/plain", bytes }, place).words,
          ...context,
        ];
      }
      case "file": {
        const { filename, mediaType, bytes } = read(source.file_id);
        return [add({ title: filename, mediaType, bytes }, place).words, ...context];
      }
      case "content": {
        if (typeof source.content === "string")
          return [{ type: "text", text: source.content }, ...context];
        const inner = { ...place, path: `${place.path}.source.content` };
        return [
          ...source.content.flatMap((part) =>
            part.type === "text" ? toText(part) : addImage(part, inner),
          ),
          ...context,
        ];
      }
      case "url":
        return [{ type: "document", source, title }, ...context];
    }
  }

  function addImage(block: WireImage, place: BlockPlace): FileContent[] {
    const { source } = block;
    if (source.type === "url") return [{ type: "image", source: { type: "url", url: source.url } }];
    const file =
      source.type === "file"
        ? read(source.file_id)
        : {
            filename: null,
            mediaType: source.media_type,
            bytes: decode(source.data, `${place.path}.source.data`),
          };
    const data = Buffer.from(file.bytes).toString("base64");
    const image: ImageBlock = {
      type: "image",
      source: { type: "base64", media_type: file.mediaType, data },
    };
    const { filename } = add(
      { title: file.filename, mediaType: file.mediaType, bytes: file.bytes },
      place,
    );
    if (!options.hasWorkspace) return [image];
    return [
      image,
      {
        type: "text",
        text: `This image is in the working directory of the code as "${filename}".`,
      },
    ];
  }

  function addUpload(fileId: string, place: BlockPlace): FileContent[] {
    if (!options.hasWorkspace) {
      throw new GatewayError(
        "invalid_request",
        `${place.path}: container_upload needs the code execution tool in \`tools\`.`,
      );
    }
    const { filename, mediaType, bytes } = read(fileId);
    return [add({ title: filename, mediaType, bytes }, place).words];
  }

  return { files, addDocument, addImage, addUpload };
}

interface AddedFile {
  filename: string;
  words: TextBlock;
}

/** Strict about what is base64, tolerant of the line breaks that some encoders put into it. */
export function decodeBase64(data: string, bytesMax: number, path: string): Uint8Array {
  const compact = data.replaceAll(/\s+/g, "");
  const padding = compact.endsWith("==") ? 2 : compact.endsWith("=") ? 1 : 0;
  const length = (compact.length / 4) * 3 - padding;
  if (length > bytesMax) throw tooLarge(path, "The file", bytesMax);
  const bytes = Buffer.from(compact, "base64");
  // Node skips what is not base64, so that broken data comes out shorter than it should.
  if (compact.length % 4 === 0 && bytes.length === length) return bytes;
  const wrong = compact.slice(0, compact.length - padding).search(/[^A-Za-z0-9+/_-]/);
  const why =
    wrong === -1
      ? `its length of ${compact.length} characters is not a multiple of 4; it may be cut off`
      : `there is a ${JSON.stringify(compact[wrong])} at position ${wrong}`;
  throw new GatewayError("invalid_request", `${path}: Input should be valid base64: ${why}`);
}

function tooLarge(path: string, what: string, bytesMax: number): GatewayError {
  const limit = `${Math.floor(bytesMax / 1024 / 1024)} MiB`;
  return new GatewayError("request_too_large", `${path}: ${what} may have ${limit} at most.`);
}

function describeFile(file: TurnFile["attachment"], decoded: DecodedText | null): string {
  const { filename, mediaType, sizeBytes } = file;
  const head = `The user attached the file "${filename}" (${mediaType}, ${sizeBytes} bytes). It is in the working directory of the code.`;
  if (decoded === null) return head;
  const { text, encoding } = decoded;
  const note = encoding === "utf-8" ? "" : ` Its encoding is ${encoding}.`;
  if (text.length <= SHORT_CHARACTERS) return `${head}${note} Its content:\n\n${text}`;
  const missing = text.length - PREVIEW_CHARACTERS;
  return `${head}${note} It begins:\n\n${file.preview}\n[… ${missing} more characters are in the file]`;
}

function describeDocument(file: TurnFile["attachment"], decoded: DecodedText | null): string {
  const { filename, mediaType, sizeBytes } = file;
  if (decoded !== null) return `Document "${filename}" (${mediaType}):\n\n${decoded.text}`;
  const head = `Document "${filename}" (${mediaType}, ${sizeBytes} bytes).`;
  // The document itself stands beside it, for models that read this kind.
  if (mediaType === PDF) return head;
  return `${head} It can only be opened with the code execution tool, which is not there.`;
}

function toText({ text }: { text: string }): TextBlock {
  return { type: "text", text };
}
