/** What can be said of an image without decoding it, for readers that cannot see it. */
import type { ImageBlock, TextBlock } from "../providers/provider.ts";

/** `PNG 640x480`; without the size where the head of the file does not tell it. */
export function describeImage(mediaType: string, base64: string): string {
  const format = mediaType.replace(/^image\//, "").toUpperCase();
  const size = readImageSize(mediaType, base64);
  return size === null ? format : `${format} ${size.width}x${size.height}`;
}

/** The type of an image by its first bytes; null for everything else. */
export function sniffImage(bytes: Buffer): string | null {
  const head = bytes.toString("latin1", 0, 12);
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (/^GIF8[79]a/.test(head)) return "image/gif";
  if (/^RIFF[^]{4}WEBP/.test(head)) return "image/webp";
  return null;
}

export interface ImageSize {
  width: number;
  height: number;
}

/** A JPEG's size stands behind its metadata, which is seldom longer. */
const HEAD_BASE64_MAX = 256 * 1024;
const RIFF_HEAD_BYTES = 30;

/** Pixels, as the file says; null when its head does not tell. Reads no pixel, so a bomb costs nothing. */
export function readImageSize(mediaType: string, base64: string): ImageSize | null {
  const most = mediaType === "image/jpeg" ? HEAD_BASE64_MAX : 64;
  const head = Buffer.from(base64.slice(0, most), "base64");
  switch (mediaType) {
    case "image/png":
      if (head.length < 24) return null;
      return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
    case "image/gif":
      if (head.length < 10) return null;
      return { width: head.readUInt16LE(6), height: head.readUInt16LE(8) };
    case "image/jpeg":
      return readJpegSize(head);
    case "image/webp":
      return readWebpSize(head);
    default:
      return null;
  }
}

/** Walks the segments to the first frame header (ITU-T T.81, B.2.2). */
function readJpegSize(head: Buffer): ImageSize | null {
  let at = 2;
  while (at + 9 <= head.length && head[at] === 0xff) {
    const marker = head[at + 1]!;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: head.readUInt16BE(at + 7), height: head.readUInt16BE(at + 5) };
    at += 2 + head.readUInt16BE(at + 2);
  }
  return null;
}

/** The three forms of the first chunk (RFC 9649). */
function readWebpSize(head: Buffer): ImageSize | null {
  if (head.length < RIFF_HEAD_BYTES) return null;
  switch (head.toString("latin1", 12, 16)) {
    case "VP8X":
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 };
    case "VP8L": {
      const bits = head.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case "VP8 ":
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff };
    default:
      return null;
  }
}

/** The text that stands for an image in what a model reads when it cannot be given the image. */
export function toImageNotice(image: ImageBlock): TextBlock {
  const { source } = image;
  const what = source.type === "base64" ? describeImage(source.media_type, source.data) : "image";
  return { type: "text", text: `[chart shown to the user: ${what}]` };
}
