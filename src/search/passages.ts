/**
 * Cuts a text into passages at paragraphs, or lines where a paragraph is longer. Rows of a table go on under
 * their header in every passage, because a row without its header says nothing.
 */
const PASSAGE_CHARACTERS = 1500;
/** Of one document: more is a data file, and its beginning tells what it is. */
const PASSAGES_MAX = 2000;

export function toPassages(text: string): string[] {
  const header = tableHeader(text);
  const room = PASSAGE_CHARACTERS - header.length;
  const passages: string[] = [];
  let passage = "";
  for (const piece of toPieces(text, room)) {
    if (passage !== "" && passage.length + piece.length > room) {
      passages.push(passage);
      passage = "";
      if (passages.length >= PASSAGES_MAX) break;
    }
    passage += piece;
  }
  if (passage.trim() !== "") passages.push(passage);
  return passages.map((body, index) => (index === 0 ? body : header + body).trim());
}

/** Paragraphs with what separates them; lines, then bare cuts, where one is too long. */
function toPieces(text: string, characters: number): string[] {
  return text.split(/(?<=\n[ \t]*\n)/).flatMap((paragraph) =>
    paragraph.length <= characters
      ? paragraph
      : paragraph.split(/(?<=\n)/).flatMap((line) => {
          const cuts: string[] = [];
          for (let start = 0; start < line.length; start += characters)
            cuts.push(line.slice(start, start + characters));
          return cuts;
        }),
  );
}

/** The first line, when it and the next have the same number of fields. */
function tableHeader(text: string): string {
  const [first = "", second = ""] = text.split("\n", 2);
  if (first.length > PASSAGE_CHARACTERS / 3) return "";
  for (const delimiter of [",", "\t", ";", "|"]) {
    const fields = first.split(delimiter).length;
    if (fields > 1 && second.split(delimiter).length === fields) return `${first}\n`;
  }
  return "";
}
