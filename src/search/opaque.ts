/**
 * The strings that clients carry without reading: `encrypted_content`, `encrypted_index`. They hold the text
 * of a result, packed, so that the next request has it again without a store. A client could write its own,
 * as it can write the whole conversation: what comes back is treated like any text of the conversation.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";

/** Of an unpacked string; nothing we pack is near it. */
const BYTES_MAX = 256 * 1024;

export function pack(text: string): string {
  return deflateRawSync(Buffer.from(text)).toString("base64url");
}

/** Null for a string that is empty, changed, or from another server. */
export function unpack(opaque: string): string | null {
  if (opaque === "" || !/^[\w-]+$/.test(opaque)) return null;
  try {
    return inflateRawSync(Buffer.from(opaque, "base64url"), {
      maxOutputLength: BYTES_MAX,
    }).toString("utf8");
  } catch {
    // Not ours, or not whole any more: the result is shown without its text.
    return null;
  }
}
