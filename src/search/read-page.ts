/** What a fetched page says, as text: HTML in words, data as it is, a PDF by the sandbox. */
import { cleanText } from "./clean-text.ts";
import { decodeText } from "./decode-text.ts";
import type { DocumentReader } from "./document-reader.ts";
import { FetchError } from "./fetch-error.ts";
import type { RawPage } from "./fetch-page.ts";
import { readHtml } from "./html-reader.ts";

export interface PageText {
  title: string | null;
  text: string;
  /** How a file of this text is named at the end. */
  extension: "txt" | "csv" | "json";
}

/** What is kept for code; the model and the client get less. */
const CHARACTERS_MAX = 2_000_000;

const HTML = /^(text\/html|application\/xhtml\+xml)$/;
const TEXT = /^text\/|[/+](json|xml|yaml|x-yaml|javascript|x-ndjson)$/;

export async function readPage(
  page: RawPage,
  documents: DocumentReader,
  signal: AbortSignal,
): Promise<PageText> {
  const { bytes, charset, url } = page;
  const mediaType = page.mediaType || sniff(bytes);
  if (mediaType === "application/pdf") {
    const text = await documents.read(bytes, "pdf", signal);
    if (text === null) throw new FetchError("url_not_accessible", "The PDF file cannot be read.");
    return { title: null, text: cleanText(text, CHARACTERS_MAX), extension: "txt" };
  }
  if (HTML.test(mediaType)) {
    const read = await readHtml(decodeText(bytes, charset), url);
    if (read === null)
      throw new FetchError("content_too_large", "The page's markup is too large to be read.");
    const { title, text } = read;
    return { title, text: cleanText(text, CHARACTERS_MAX), extension: "txt" };
  }
  if (!TEXT.test(mediaType)) {
    throw new FetchError(
      "unsupported_content_type",
      `The page is of the kind ${mediaType.slice(0, 80) || "unknown"}; only text, HTML, data and PDF can be read.`,
    );
  }
  const extension = mediaType.includes("csv") ? "csv" : mediaType.includes("json") ? "json" : "txt";
  return { title: null, text: cleanText(decodeText(bytes, charset), CHARACTERS_MAX), extension };
}

/** For a server that does not say. */
function sniff(bytes: Buffer): string {
  if (bytes.subarray(0, 5).toString("latin1") === "%PDF-") return "application/pdf";
  const head = bytes.subarray(0, 1024);
  if (head.includes(0)) return "application/octet-stream";
  return /^\s*<(!doctype html|html|head|body)/i.test(head.toString("latin1"))
    ? "text/html"
    : "text/plain";
}
