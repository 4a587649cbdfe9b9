/**
 * Files that a conversation carries: out of its blocks and into the workspace.
 *
 * In the conversation a document block stays where the file was, under the name that the file has in the
 * workspace; the provider puts the attachment's description in its place. The block has no bytes, except
 * for a PDF, which some models read. Without a tool that could open files nothing is attached, and text
 * stands in the conversation whole.
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
/** As the hosted API; each costs the model a thousand tokens or more. */
const IMAGES_MAX = 100;
const PREVIEW_CHARACTERS = 2_000;

export function createAttachments(options: AttachmentOptions): Attachments {
  const files: TurnFile[] = [];
  const names = new Set<string>();
  let bytesInAll = 0;
  let images = 0;

  /** Takes a file into the workspace; gives what stands for it in the conversation. */
  function add(given: GivenFile, place: BlockPlace): FileContent[] {
    const { mediaType, bytes } = given;
    const filename = toFilename(given.title, mediaType, names);
    const decoded = decodeText(filename, mediaType, bytes);
    if (!options.hasWorkspace) return [toStandIn(filename, given, decoded)];
    names.add(filename);
    bytesInAll += bytes.length;
    if (bytesInAll > options.workspaceBytes) {
      throw tooLarge(place.path, "The files together", options.workspaceBytes);
    }
    if (files.length === FILES_MAX) {
      throw new GatewayError(
        "invalid_request",
        `${place.path}: A conversation may carry ${FILES_MAX} files at most.`,
      );
    }
    const preview = decoded?.text.slice(0, PREVIEW_CHARACTERS).toWellFormed() ?? null;
    const attachment = { filename, mediaType, sizeBytes: bytes.length, preview };
    files.push({ attachment, bytes, isNew: place.isNew });
    const block = toDocumentBlock(filename, given);
    if (decoded === null || decoded.encoding === "utf-8") return [block];
    return [block, { type: "text", text: `The encoding of "${filename}" is ${decoded.encoding}.` }];
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
        return [...add({ title, mediaType: source.media_type, bytes }, place), ...context];
      }
      case "text": {
        const bytes = Buffer.from(source.data.toWellFormed());
        if (bytes.length > options.attachmentBytes) {
          throw tooLarge(place.path, "The file", options.attachmentBytes);
        }
        const mediaType = source.media_type ?? "text/plain";
        return [...add({ title, mediaType, bytes }, place), ...context];
      }
      case "file": {
        const { filename, ...file } = read(source.file_id);
        return [...add({ title: filename, ...file }, place), ...context];
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
    images += 1;
    if (images > IMAGES_MAX) {
      throw new GatewayError(
        "invalid_request",
        `${place.path}: A conversation may carry ${IMAGES_MAX} images at most; leave out older ones, or send them as container_upload.`,
      );
    }
    if (source.type === "url") return [{ type: "image", source: { type: "url", url: source.url } }];
    const file =
      source.type === "file"
        ? read(source.file_id)
        : {
            filename: null,
            mediaType: source.media_type,
            bytes: decode(source.data, `${place.path}.source.data`),
          };
    if (!file.mediaType.startsWith("image/")) {
      throw new GatewayError(
        "invalid_request",
        `${place.path}: An image block needs an image, but this is ${file.mediaType}; send it as a document or container_upload block.`,
      );
    }
    const data = Buffer.from(file.bytes).toString("base64");
    const image: ImageBlock = {
      type: "image",
      source: { type: "base64", media_type: file.mediaType, data },
    };
    if (options.hasWorkspace) add({ ...file, title: file.filename }, place);
    return [image];
  }

  function addUpload(fileId: string, place: BlockPlace): FileContent[] {
    if (!options.hasWorkspace) {
      throw new GatewayError(
        "invalid_request",
        `${place.path}: container_upload needs the code execution tool in \`tools\`.`,
      );
    }
    const { filename, ...file } = read(fileId);
    return add({ title: filename, ...file }, place);
  }

  return { files, addDocument, addImage, addUpload };
}

interface GivenFile {
  title?: string | null;
  mediaType: string;
  bytes: Uint8Array;
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

function toDocumentBlock(filename: string, { mediaType, bytes }: GivenFile): DocumentBlock {
  const data = mediaType === PDF ? Buffer.from(bytes).toString("base64") : "";
  return {
    type: "document",
    source: { type: "base64", media_type: mediaType, data },
    title: filename,
  };
}

/** What a model without the tool is given: the text itself, or a PDF, which it may be able to read. */
function toStandIn(filename: string, file: GivenFile, decoded: DecodedText | null): FileContent {
  const { mediaType, bytes } = file;
  if (mediaType === PDF) return toDocumentBlock(filename, file);
  const head = `Document "${filename}" (${mediaType}, ${bytes.length} bytes)`;
  const words =
    decoded === null
      ? `${head}. It can only be opened with the code execution tool, which is not there.`
      : `${head}:\n\n${decoded.text}`;
  return { type: "text", text: words };
}

function toText({ text }: { text: string }): TextBlock {
  return { type: "text", text };
}
