/** Formats as people write them: `+966XXXXXXXXX`, `YYYY-MM-DD`. */
export interface Mask {
  text: string;
  pattern: RegExp;
  /** What the mask says in Python's words, for the model. */
  hint: string;
}

const DIGITS = /(?<![\w+])(\+?[\w-]*?)([X#]{4,})(?![\w#])/g;
const DATE = /(?<!\w)(?:YYYY([-/.])MM\1DD|(?:DD([-/.])MM|MM([-/.])DD)(?:\2|\3)YYYY)(?!\w)/g;
const DATE_PARTS: Record<string, [string, string]> = {
  YYYY: ["\\d{4}", "%Y"],
  MM: ["\\d{2}", "%m"],
  DD: ["\\d{2}", "%d"],
};

export function findMasks(text: string): Mask[] {
  const masks: Mask[] = [];
  for (const [mask, start = "", marks = ""] of text.matchAll(DIGITS)) {
    const count = marks.length;
    masks.push({
      text: mask,
      pattern: new RegExp(`${escapePattern(start)}\\d{${count}}(?!\\d)`, "g"),
      hint: `${JSON.stringify(start)} + column.str.replace(r"\\D", "", regex=True).str[-${count}:]`,
    });
  }
  for (const [mask] of text.matchAll(DATE)) {
    const translate = (index: 0 | 1): string =>
      mask.replaceAll(/[A-Z]+/g, (part) => DATE_PARTS[part]?.[index] ?? part);
    masks.push({
      text: mask,
      pattern: new RegExp(`(?<!\\d)${translate(0).replaceAll(".", "\\.")}(?!\\d)`, "g"),
      hint: `column.dt.strftime("${translate(1)}")`,
    });
  }
  return masks;
}

export function countMatches({ pattern }: Mask, text: string): number {
  return text.match(pattern)?.length ?? 0;
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
