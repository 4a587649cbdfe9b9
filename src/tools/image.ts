/** What can be said of an image without decoding it, for readers that cannot see it. */
import type { ImageBlock, TextBlock } from "../providers/provider.ts";

/** `PNG 640x480`; without the size where the format does not have it in its first bytes. */
export function describeImage(mediaType: string, base64: string): string {
  const head = Buffer.from(base64.slice(0, 32), "base64");
  const format = mediaType.replace(/^image\//, "").toUpperCase();
  if (format === "PNG" && head.length >= 24)
    return `PNG ${head.readUInt32BE(16)}x${head.readUInt32BE(20)}`;
  if (format === "GIF" && head.length >= 10)
    return `GIF ${head.readUInt16LE(6)}x${head.readUInt16LE(8)}`;
  return format;
}

/** The text that stands for an image in what a model reads when it cannot be given the image. */
export function toImageNotice(image: ImageBlock): TextBlock {
  const { source } = image;
  const what = source.type === "base64" ? describeImage(source.media_type, source.data) : "image";
  return { type: "text", text: `[chart shown to the user: ${what}]` };
}
