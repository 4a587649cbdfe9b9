/** Which files are text, and what they say. */

export interface DecodedText {
  text: string;
  /** As Python names it. */
  encoding: string;
}

const TEXT_TYPES =
  /^(text\/|application\/(json|x-ndjson|jsonl|xml|yaml|x-yaml|javascript|sql|toml|x-sh)\b|.*\+(json|xml)\b)/;

const TEXT_EXTENSIONS =
  /\.(txt|csv|tsv|json|jsonl|ndjson|xml|html?|md|rst|ya?ml|toml|ini|cfg|log|py|js|ts|sql|r|sh|tex|svg|css|geojson|ics|srt|vtt)$/i;

/** The text of a file that calls itself text and is; null for everything else. */
export function decodeText(
  filename: string,
  mediaType: string,
  bytes: Uint8Array,
): DecodedText | null {
  if (!TEXT_TYPES.test(mediaType.toLowerCase()) && !TEXT_EXTENSIONS.test(filename)) return null;
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return decodeAs("utf-16le", "utf-16", bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return decodeAs("utf-16be", "utf-16", bytes);
  if (bytes.includes(0)) return null;
  return decodeAs("utf-8", "utf-8", bytes) ?? decodeAs("windows-1252", "cp1252", bytes);
}

function decodeAs(label: string, encoding: string, bytes: Uint8Array): DecodedText | null {
  try {
    return { text: new TextDecoder(label, { fatal: true }).decode(bytes), encoding };
  } catch {
    // Not being valid in an encoding is the answer here, not a failure.
    return null;
  }
}
