/** Bytes of a stranger's text as characters: by the header, the byte order mark, the page's own word, or UTF-8. */
const META_BYTES = 2048;

export function decodeText(bytes: Buffer, charset: string | null): string {
  const label = markOf(bytes) ?? charset ?? metaOf(bytes) ?? "utf-8";
  return decoderFor(label).decode(bytes);
}

function markOf(bytes: Buffer): string | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return "utf-8";
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  return null;
}

function metaOf(bytes: Buffer): string | null {
  const head = bytes.subarray(0, META_BYTES).toString("latin1");
  return /<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w.:-]{1,40})/i.exec(head)?.[1] ?? null;
}

function decoderFor(label: string): TextDecoder {
  try {
    return new TextDecoder(label);
  } catch {
    // A server may name a charset that there is not; most of such pages are UTF-8.
    return new TextDecoder("utf-8");
  }
}
