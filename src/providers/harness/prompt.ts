/**
 * The conversation as the model reads it, within its context window.
 *
 * The beginning never changes in the course of a conversation, so that the model's memory of it is used
 * again. When it does not fit, whole exchanges go, oldest first, and the model is told how many. The latest
 * request is never cut: when it does not fit alone, that is an error for the caller to see. Only what
 * programs printed, and the look into attachments, is shortened, with a line that says so.
 */
import { GatewayError } from "../../errors.ts";
import { askForAnswer } from "../answer-format.ts";
import type { Attachment, ModelRequest } from "../provider.ts";
import type { TextMessage, TextModel } from "../text-model.ts";
import type { Exchange, Step } from "./conversation.ts";

const SYSTEM = `You are a helpful assistant that can run Python. Your program runs at once and the user sees what it prints and draws. It computes everything that was asked, from the user's own data, and prints each result with a label.`;

const PREVIEW_CHARACTERS = 600;
const OUTPUT_CHARACTERS = 3000;
const OLD_OUTPUT_CHARACTERS = 1000;
const FOUND_CHARACTERS = 2500;

export interface Prompt {
  messages: TextMessage[];
  tokens: number;
  /** Exchanges that were left out because they did not fit. */
  omitted: number;
}

/** The last messages of a prompt: what comes after the latest request. */
export type Tail = TextMessage[];

export async function buildPrompt(
  model: TextModel,
  request: ModelRequest,
  exchanges: readonly Exchange[],
  tail: Tail,
  reserveTokens: number,
): Promise<Prompt> {
  const system = [SYSTEM, ...request.system.map((block) => block.text), askForAnswer(request)]
    .filter((text) => text !== "")
    .join("\n\n");
  const latest = exchanges.at(-1)!;
  const blocks = exchanges.slice(0, -1).map(toMessages);
  for (let omitted = 0; omitted <= blocks.length; omitted += 1) {
    const note =
      omitted === 0
        ? ""
        : `\n\n(The ${omitted === 1 ? "first exchange" : `first ${omitted} exchanges`} of this conversation did not fit and ${omitted === 1 ? "is" : "are"} left out.)`;
    const messages: TextMessage[] = [
      { role: "system", content: system + note },
      ...blocks.slice(omitted).flat(),
      { role: "user", content: describeRequest(latest) },
      ...tail,
    ];
    const tokens = await countMessages(model, messages);
    if (tokens + reserveTokens <= model.contextTokens) return { messages, tokens, omitted };
  }
  throw new GatewayError(
    "invalid_request",
    `The latest message does not fit the model's window of ${model.contextTokens} tokens. Attach large data as a file instead of pasting it; with the embedded model, CURTA_EMBEDDED_CONTEXT_TOKENS makes the window larger.`,
  );
}

export async function countMessages(
  model: TextModel,
  messages: readonly TextMessage[],
): Promise<number> {
  const texts = messages.map((message) => message.content).join("\n");
  // Each message has two markers, its role and two line ends.
  return (await model.countTokens(texts)) + messages.length * 5;
}

function toMessages(exchange: Exchange): TextMessage[] {
  const messages: TextMessage[] = [{ role: "user", content: describeRequest(exchange) }];
  const step = exchange.steps.findLast((candidate) => !candidate.isError) ?? exchange.steps.at(-1);
  if (step !== undefined) messages.push(...toStepMessages(step, OLD_OUTPUT_CHARACTERS));
  if (exchange.answer !== "") messages.push({ role: "assistant", content: exchange.answer });
  return messages;
}

export function toStepMessages(step: Step, outputCharacters = OUTPUT_CHARACTERS): TextMessage[] {
  return [
    { role: "assistant", content: describeProgram(step) },
    { role: "user", content: describeOutput(step, outputCharacters) },
  ];
}

export function describeProgram(step: Step): string {
  return `${step.thought === "" ? "" : `${step.thought}\n\n`}\`\`\`python\n${step.code.trimEnd()}\n\`\`\``;
}

export function describeOutput(step: Step, characters = OUTPUT_CHARACTERS): string {
  const output = step.output ?? "";
  const parts = [];
  if (output !== "")
    parts.push(`The program printed:\n\`\`\`\n${cutMiddle(output, characters)}\n\`\`\``);
  if (step.hasImage) parts.push("It drew a chart, which the user sees.");
  return parts.length === 0 ? "The program printed nothing." : parts.join("\n");
}

export function describeRequest(exchange: Exchange): string {
  const files = exchange.attachments.map(describeAttachment);
  const found = exchange.searches.map(({ text }) => cutMiddle(text, FOUND_CHARACTERS));
  return [exchange.request, ...files, ...found].filter(Boolean).join("\n\n");
}

function describeAttachment({ filename, sizeBytes, preview }: Attachment): string {
  const head = `Attached file ${filename} (${sizeBytes} bytes)`;
  if (preview === null || preview.trim() === "") return `${head}.`;
  const shown =
    preview.length <= PREVIEW_CHARACTERS
      ? preview
      : preview.slice(
          0,
          Math.max(preview.lastIndexOf("\n", PREVIEW_CHARACTERS), PREVIEW_CHARACTERS / 2),
        );
  const isWhole =
    shown.length === preview.length && new TextEncoder().encode(preview).length >= sizeBytes;
  return `${head}, ${isWhole ? "its content" : "it begins with"}:\n${shown.trimEnd()}${isWhole ? "" : "\n…"}`;
}

export function cutMiddle(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const half = Math.floor(characters / 2);
  const missing = text.length - 2 * half;
  return `${text.slice(0, half)}\n[… ${missing} characters left out …]\n${text.slice(-half)}`;
}
