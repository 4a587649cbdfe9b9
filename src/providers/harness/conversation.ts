/**
 * The conversation as the harness sees it: requests, each with the programs that were run for it and the
 * words that answered it.
 */
import type {
  Attachment,
  ModelBlock,
  ModelMessage,
  ModelRequest,
  ToolResultBlock,
} from "../provider.ts";

export const CODE_TOOL = "code_execution";

export interface Step {
  /** What was written before the program. */
  thought: string;
  code: string;
  /** What the program printed; its traceback when it failed. Null while it has not been run. */
  output: string | null;
  isError: boolean;
  /** Whether the user was shown an image. */
  hasImage: boolean;
}

/** A use of the search tool. */
export interface SearchUse {
  id: string;
  query: string;
  /** What the search gave; empty while it has not been run. */
  text: string;
  isError: boolean;
}

export interface Exchange {
  request: string;
  searches: SearchUse[];
  attachments: Attachment[];
  steps: Step[];
  answer: string;
}

const SHOWN_IMAGE = /^\[chart shown to the user/m;
const NO_OUTPUT = /^\(no output\)$/;

/** Oldest first; the last one is the one to work on. */
export function toExchanges(request: ModelRequest): Exchange[] {
  const exchanges: Exchange[] = [];
  for (const message of request.messages) addMessage(exchanges, message);
  placeAttachments(exchanges, request);
  return exchanges.length > 0
    ? exchanges
    : [{ request: "", attachments: [...request.attachments], searches: [], steps: [], answer: "" }];
}

function addMessage(exchanges: Exchange[], message: ModelMessage): void {
  if (message.role === "user") {
    for (const block of message.content) {
      if (block.type === "tool_result") addResult(exchanges, block);
    }
    const text = message.content.map(toRequestText).filter(Boolean).join("\n\n");
    const hasFile = message.content.some(
      (block) => block.type === "document" || block.type === "image",
    );
    if (text === "" && !hasFile) return;
    const last = exchanges.at(-1);
    const isOpen = last?.answer === "" && last.steps.length === 0 && last.searches.length === 0;
    if (last !== undefined && isOpen) last.request += `\n\n${text}`;
    else exchanges.push({ request: text, attachments: [], searches: [], steps: [], answer: "" });
    return;
  }
  const exchange = exchanges.at(-1) ?? startExchange(exchanges);
  let thought = "";
  for (const block of message.content) {
    if (block.type === "text")
      exchange.answer = [exchange.answer, block.text.trim()].filter(Boolean).join("\n\n");
    if (block.type === "thinking") thought = block.thinking;
    if (block.type === "tool_use" && typeof block.input["query"] === "string") {
      const { id, input } = block;
      exchange.searches.push({ id, query: String(input["query"]), text: "", isError: false });
    } else if (block.type === "tool_use") {
      const code =
        block.name === CODE_TOOL && typeof block.input["code"] === "string"
          ? block.input["code"]
          : JSON.stringify(block.input);
      exchange.steps.push({ thought, code, output: null, isError: false, hasImage: false });
      thought = "";
    }
  }
}

function startExchange(exchanges: Exchange[]): Exchange {
  const exchange: Exchange = {
    request: "",
    attachments: [],
    searches: [],
    steps: [],
    answer: "",
  };
  exchanges.push(exchange);
  return exchange;
}

function addResult(exchanges: Exchange[], block: ToolResultBlock): void {
  const parts =
    typeof block.content === "string"
      ? [{ type: "text" as const, text: block.content }]
      : block.content;
  const text = parts
    .map((part) => (part.type === "text" ? part.text : ""))
    .filter(Boolean)
    .join("\n");
  const search = exchanges.at(-1)?.searches.find(({ id }) => id === block.tool_use_id);
  if (search !== undefined) {
    search.text = text;
    search.isError = block.is_error === true;
    return;
  }
  const step = exchanges.at(-1)?.steps.find((candidate) => candidate.output === null);
  if (step === undefined) return;
  step.isError = block.is_error === true;
  step.hasImage = parts.some((part) => part.type === "image") || SHOWN_IMAGE.test(text);
  step.output = text
    .split("\n")
    .filter((line) => !SHOWN_IMAGE.test(line) && !NO_OUTPUT.test(line))
    .join("\n")
    .trim();
}

function toRequestText(block: ModelBlock): string {
  if (block.type === "text") return block.text.trim();
  if (block.type === "image") return "(An image is attached, which this model cannot see.)";
  return "";
}

/**
 * Files belong to the message that carried them. Where documents and files cannot be matched one to one,
 * all are the latest message's.
 */
function placeAttachments(exchanges: Exchange[], request: ModelRequest): void {
  const last = exchanges.at(-1);
  if (last === undefined) return;
  const owners: number[] = [];
  let index = -1;
  for (const message of request.messages) {
    if (message.role !== "user" || message.content.every((block) => block.type === "tool_result"))
      continue;
    index = Math.min(index + 1, exchanges.length - 1);
    for (const block of message.content) if (block.type === "document") owners.push(index);
  }
  const matched = owners.length === request.attachments.length;
  for (const [position, attachment] of request.attachments.entries()) {
    const owner = matched ? exchanges[owners[position] ?? 0] : last;
    (owner ?? last).attachments.push(attachment);
  }
}
