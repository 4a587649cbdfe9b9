/**
 * Text of a search engine or a page, as plain words: no markup, no entities, no control characters, none of
 * the invisible characters that hide instructions from a person who reads along. What comes out is bounded.
 */
const NAMED: Record<string, string> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  hellip: "…",
  ndash: "–",
  mdash: "—",
  lsquo: "‘",
  rsquo: "’",
  ldquo: "“",
  rdquo: "”",
  middot: "·",
  euro: "€",
  pound: "£",
};

/** Bidirectional overrides, zero-width characters, tag characters, the byte order mark. */
const INVISIBLE =
  /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/** Many times what is kept, so that no regular expression reads a text without end. */
const READ_FACTOR = 8;

/** One line of words from a snippet that may hold markup. */
export function cleanSnippet(markup: string, characters: number): string {
  const text = markup
    .slice(0, characters * READ_FACTOR)
    .replaceAll(/<\/?[a-zA-Z][^<>]{0,500}>/g, "");
  return cut(withoutControls(decodeEntities(text)).replaceAll(/\s+/gu, " ").trim(), characters);
}

/** Lines stay lines. */
export function cleanText(text: string, characters: number): string {
  const lines = withoutControls(text.slice(0, characters * READ_FACTOR).replaceAll(/\r\n?/g, "\n"));
  return cut(
    lines
      .replaceAll(/[ \t]+\n/g, "\n")
      .replaceAll(/\n{3,}/g, "\n\n")
      .trim(),
    characters,
  );
}

function withoutControls(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\P{Cc}\n\t]/gu, "")
    .replaceAll(INVISIBLE, "");
}

function decodeEntities(text: string): string {
  return text.replaceAll(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,8}));/gi,
    (whole, decimal, hex, name) => {
      if (name !== undefined) return NAMED[String(name).toLowerCase()] ?? whole;
      const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "";
    },
  );
}

function cut(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters - 1).toWellFormed()}…`;
}
