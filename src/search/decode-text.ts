/**
 * Bytes of a stranger's text as characters: by the byte order mark, the header, the page's own word, or UTF-8.
 *
 * Of those that are given, the first that there is and that the bytes fit is taken; a charset that there is not
 * is passed over. Where none fits, the first is used all the same, and what does not fit is marked.
 */
const META_BYTES = 2048;

export function decodeText(bytes: Buffer, charset: string | null): string {
  const labels = [markOf(bytes), charset, metaOf(bytes), "utf-8"].filter(isCharset);
  for (const label of labels) {
    const text = decodeStrictly(bytes, label);
    if (text !== null) return text;
  }
  return new TextDecoder(labels[0]).decode(bytes);
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

function isCharset(label: string | null): label is string {
  if (label === null) return false;
  try {
    return new TextDecoder(label).encoding !== "";
  } catch {
    // RangeError: there is none of that name.
    return false;
  }
}

function decodeStrictly(bytes: Buffer, label: string): string | null {
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch {
    // TypeError: the bytes are none of that charset.
    return null;
  }
}
