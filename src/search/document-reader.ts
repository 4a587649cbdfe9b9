/**
 * The words of a PDF or a Word document, read inside the sandbox: parsers of such files have a long history
 * of holes, and the file may be anybody's. Each document gets a container of its own, which is gone
 * afterwards.
 */
import type { Containers } from "../sandbox/sandbox.ts";

export type DocumentKind = "pdf" | "docx";

export interface DocumentReader {
  /** Null when the file cannot be read as one. Throws what the sandbox throws. */
  read(bytes: Uint8Array, kind: DocumentKind, signal: AbortSignal): Promise<string | null>;
}

export interface DocumentReaderOptions {
  containers: Pick<Containers, "create" | "delete">;
  timeoutMs: number;
  charactersMax: number;
}

const PROGRAMS: Record<DocumentKind, string> = {
  pdf: `
import logging
logging.disable()
from pypdf import PdfReader
left = LIMIT
for page in PdfReader("document.pdf").pages:
    text = page.extract_text()[:left]
    print(text, end="\\n\\n")
    left -= len(text)
    if left <= 0:
        break
`,
  docx: `
from docx import Document
from docx.table import Table
left = LIMIT
for block in Document("document.docx").iter_inner_content():
    if isinstance(block, Table):
        text = "\\n".join("| " + " | ".join(cell.text for cell in row.cells) + " |" for row in block.rows)
    else:
        text = block.text
    print(text[:left], end="\\n\\n")
    left -= len(text)
    if left <= 0:
        break
`,
};

export function createDocumentReader(options: DocumentReaderOptions): DocumentReader {
  const { containers, timeoutMs, charactersMax } = options;
  return {
    async read(bytes, kind, signal) {
      const container = await containers.create();
      try {
        await container.writeFile(`document.${kind}`, bytes);
        const code = PROGRAMS[kind].replace("LIMIT", String(charactersMax));
        let text = "";
        let isRead = false;
        for await (const event of container.execute(
          { code, language: "python", timeoutMs, live: false },
          signal,
        )) {
          if (event.type === "stdout") text = (text + event.text).slice(0, charactersMax * 2);
          if (event.type === "done") isRead = event.status === "ok";
        }
        signal.throwIfAborted();
        return isRead ? text : null;
      } finally {
        await containers.delete(container.id);
      }
    },
  };
}
