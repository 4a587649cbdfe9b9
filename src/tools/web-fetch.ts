/**
 * The tool that opens a page whose address stands in the conversation, or a document of the local index.
 *
 * Every failure is a result that the model can read. Where there is code, the whole text is put into the
 * workspace as a file, too, because the model is shown only its beginning; code that calls the tool itself is
 * given the whole text as JSON.
 */
import { z } from "zod";

import { isAllowed } from "../search/domains.ts";
import type { DocumentReader } from "../search/document-reader.ts";
import { FetchError } from "../search/fetch-error.ts";
import type { PageFetcher } from "../search/fetch-page.ts";
import type { KnownUrls } from "../search/known-urls.ts";
import { isLocalUrl } from "../search/local-url.ts";
import { readPage, type PageText } from "../search/read-page.ts";
import type { LocalDocuments } from "../search/select.ts";
import { markUntrusted } from "../search/sources.ts";
import type { Tool, ToolContext, ToolEvent } from "./tool.ts";
import { toFetchResult, type FetchedPage } from "./web-output.ts";

export interface WebFetchOptions {
  fetcher: PageFetcher;
  reader: DocumentReader;
  documents: LocalDocuments;
  /** Addresses that may be opened. */
  urls: KnownUrls;
  /** Where the addresses go that a page links to. */
  found: KnownUrls;
  maxUses: number | null;
  scope: { allowedDomains: readonly string[]; blockedDomains: readonly string[] };
  maxContentTokens: number | null;
  hasCode: boolean;
  /** Bound on what the model reads and the client is sent. */
  characters: number;
  onFailure?: (cause: unknown) => void;
}

const Input = z.object({ url: z.string().trim().min(1) });

const DEFINITION = {
  name: "web_fetch",
  description:
    "Opens one page, PDF or document and gives its text. Only addresses that stand in the conversation can be opened: those that the user named, that a search found, or that an opened page links to.",
  input_schema: {
    type: "object",
    properties: { url: { type: "string", description: "The address, as it stands there." } },
    required: ["url"],
    additionalProperties: false,
  },
};

/** As the hosted tool. */
const URL_CHARACTERS_MAX = 250;
const CHARACTERS_PER_TOKEN = 4;

export function createWebFetchTool(options: WebFetchOptions): Tool {
  let uses = 0;
  return {
    definition: DEFINITION,
    codeDefinition: {
      ...DEFINITION,
      description: `${DEFINITION.description} Returns a JSON object with url, retrieved_at and content, which has title and source; the text is in ["content"]["source"]["data"].`,
    },
    async *run(input, context) {
      const parsed = Input.safeParse(input);
      if (!parsed.success) {
        yield fail(new FetchError("invalid_tool_input", 'The input must be {"url": "https://…"}.'));
        return;
      }
      const { maxUses } = options;
      if (maxUses !== null && uses >= maxUses) {
        const message = `No more pages: this request allows ${maxUses}. Answer with what is known.`;
        yield fail(new FetchError("max_uses_exceeded", message));
        return;
      }
      uses += 1;
      yield await open(parsed.data.url, context, options, uses);
    },
  };
}

async function open(
  url: string,
  context: ToolContext,
  options: WebFetchOptions,
  number: number,
): Promise<ToolEvent> {
  try {
    checkUrl(url, options);
    const { url: opened, page } = await read(url, context.signal, options);
    options.found.addFrom(page.text);
    const text = shorten(page.text, options);
    const fetched = { url: opened, title: page.title, text, retrievedAt: new Date() };
    const words =
      context.caller === "code"
        ? JSON.stringify(toFetchResult({ ...fetched, text: page.text }))
        : await tell(fetched, page, number, context, options);
    return {
      type: "result",
      content: [{ type: "text", text: words }],
      isError: false,
      output: { kind: "web_fetch", page: fetched },
    };
  } catch (cause) {
    context.signal.throwIfAborted();
    options.onFailure?.(cause);
    return fail(
      cause instanceof FetchError
        ? cause
        : new FetchError("unavailable", "The page could not be opened: something failed here."),
    );
  }
}

/** The page for the model, and the whole of it beside the code. */
async function tell(
  { url, title, text }: FetchedPage,
  whole: PageText,
  number: number,
  context: ToolContext,
  { hasCode }: WebFetchOptions,
): Promise<string> {
  const file = hasCode ? `fetched_page_${number}.${whole.extension}` : null;
  if (file !== null) await context.putFile(file, Buffer.from(whole.text));
  const left = whole.text.length - text.length;
  const notes = [
    left > 0 ? `[${left} characters left out]` : "",
    file === null
      ? ""
      : `The whole text is in the file ${file} in the working directory of the code.`,
  ].filter(Boolean);
  const head = `The page ${url}${title === null ? "" : `, "${title}"`}.`;
  return [markUntrusted(head, text), ...notes].join("\n\n");
}

function checkUrl(url: string, { urls, scope }: WebFetchOptions): void {
  if (url.length > URL_CHARACTERS_MAX)
    throw new FetchError("url_too_long", `An address may have ${URL_CHARACTERS_MAX} characters.`);
  if (!URL.canParse(url))
    throw new FetchError(
      "invalid_tool_input",
      "That is no address of a page; it begins with https://.",
    );
  if (!urls.has(url)) {
    throw new FetchError(
      "url_not_in_prior_context",
      "That address stands nowhere in the conversation. Search first, or ask the user for it.",
    );
  }
  if (!isAllowed(url, scope))
    throw new FetchError("url_not_allowed", "That site is not among the allowed domains.");
}

async function read(
  url: string,
  signal: AbortSignal,
  { documents, fetcher, reader, scope }: WebFetchOptions,
): Promise<{ url: string; page: PageText }> {
  if (isLocalUrl(url)) {
    const document = documents.read(url);
    if (document === null)
      throw new FetchError("url_not_accessible", "There is no such document in the index.");
    const extension = /\.(csv|json)$/.exec(new URL(url).pathname)?.[1] === "csv" ? "csv" : "txt";
    return { url, page: { title: document.title, text: document.text, extension } };
  }
  const raw = await fetcher.fetch(url, (next) => isAllowed(next, scope), signal);
  return { url: raw.url, page: await readPage(raw, reader, signal) };
}

function shorten(text: string, { characters, maxContentTokens }: WebFetchOptions): string {
  const limit = Math.min(characters, (maxContentTokens ?? Infinity) * CHARACTERS_PER_TOKEN);
  return text.length <= limit ? text : text.slice(0, limit).toWellFormed();
}

function fail({ code, message }: FetchError): ToolEvent {
  return {
    type: "result",
    content: [{ type: "text", text: message }],
    isError: true,
    output: { kind: "web_fetch_error", errorCode: code },
  };
}
