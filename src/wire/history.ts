/**
 * The client's conversation as the model is shown it.
 *
 * On the wire, one assistant message may hold several rounds of `server_tool_use` and results, in either
 * rendering. The model knows client tools only: an assistant message with `tool_use`, then a user message
 * with every `tool_result`. So a round is cut where the assistant goes on after a use, and results are put
 * behind the use they belong to, wherever they came: a deferred tool's result stands in the answer after
 * the next request. Results without an id go to the first use that has none, else to the last one.
 *
 * Calls that code made are between code and client: they and their results are not shown to the model. What
 * the last message says to them is handed to the turn, for the code that waits for it.
 *
 * A server use that is left unanswered is *pending* when it ends the conversation: the turn begins with
 * it. Anywhere else the client lost its result, and the model is told so. A client's use must be answered.
 */
import { GatewayError } from "../errors.ts";
import type {
  ModelBlock,
  ModelMessage,
  TextBlock,
  ToolResultBlock,
  ToolUseBlock,
} from "../providers/provider.ts";
import { toModelContent, type OutputPart } from "../tools/execution-output.ts";
import type { Attachments, BlockPlace } from "./attachments.ts";
import { fromLessonBlock } from "./code-execution/lesson.ts";
import { fromNativeBlock } from "./code-execution/native.ts";
import type { CallAnswer } from "../agent/turn.ts";
import { cacheControl } from "./cache-control.ts";
import type {
  WireBlock,
  WireLessonResult,
  WireMessage,
  WireNativeResult,
  WireToolResult,
} from "./schema.ts";
import { WEB_OUTPUT_NOTE, type Sources } from "../search/sources.ts";
import { fromWebBlock, withMarks } from "./web-blocks.ts";

export interface History {
  /** Texts of `role: "system"` messages. */
  system: TextBlock[];
  messages: ModelMessage[];
  pending: ToolUseBlock[];
  /** Results of the last message, by the id of their use. */
  answers: ReadonlyMap<string, CallAnswer>;
  /** Server uses whose code has called the client's tools. */
  callers: ReadonlySet<string>;
}

interface Use {
  block: ToolUseBlock;
  isServer: boolean;
  /** Position of its assistant message among the model's messages. */
  at: number;
  /** Position of its message in the request. */
  from: number;
  result: ToolResultBlock | null;
  parts: OutputPart[];
}

type PlainBlock = Extract<
  WireBlock,
  {
    type:
      | "thinking"
      | "redacted_thinking"
      | "search_result"
      | "document"
      | "image"
      | "container_upload";
  }
>;

/** More than any conversation has; bounds the work of putting results in their places. */
const BLOCKS_MAX = 50_000;

const LOST_RESULT = "The result of this call is not part of the conversation any more.";

export function toHistory(
  given: readonly WireMessage[],
  attachments: Attachments,
  resultCharacters: number,
  sources: Sources,
): History {
  const system: TextBlock[] = [];
  const messages: ModelMessage[] = [];
  const uses = new Map<string, Use>();
  /** Calls that code made, with the position of their message; null once they are answered. */
  const calls = new Map<string, number | null>();
  const callers = new Set<string>();
  /** Server uses whose code has searched or fetched. */
  const webCallers = new Set<string>();
  const answers = new Map<string, CallAnswer>();
  const serverUses: Use[] = [];
  const withServerUses = new Set<ModelMessage>();
  /** Results stand first in their message. */
  const resultCounts = new Map<ModelMessage, number>();
  let firstOpen = 0;
  let count = 0;
  const lastAssistant = given.findLastIndex((message) => message.role === "assistant");

  for (const [from, { role, content }] of given.entries()) {
    const blocks =
      typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
    count += blocks.length;
    if (count > BLOCKS_MAX) {
      throw new GatewayError(
        "invalid_request",
        `messages: There are more than ${BLOCKS_MAX} content blocks.`,
      );
    }
    for (const [index, block] of blocks.entries()) {
      const place = { path: `messages.${from}.content.${index}`, isNew: from > lastAssistant };
      if (block.type === "tool_result" && from > lastAssistant)
        answers.set(block.tool_use_id, toAnswer(block));
      if (role === "system") system.push(systemText(block, place));
      else addBlock(block, role, from, place);
    }
  }
  fillResults();
  const pending = settle();
  return {
    system,
    messages: messages.filter((message) => message.content.length > 0),
    pending,
    answers,
    callers,
  };

  function addBlock(
    block: WireBlock,
    role: "user" | "assistant",
    from: number,
    place: BlockPlace,
  ): void {
    switch (block.type) {
      case "tool_use":
      case "server_tool_use":
        addUse(block, from, place);
        break;
      case "tool_result":
        addClientResult(block, place);
        break;
      case "code_execution_result":
        addParts(block, [fromLessonBlock(block)]);
        break;
      case "code_execution_tool_result":
      case "bash_code_execution_tool_result":
      case "text_editor_code_execution_tool_result":
      case "web_search_tool_result":
      case "web_fetch_tool_result":
      case "tool_search_tool_result":
        addParts(block, fromWebBlock(block, sources) ?? fromNativeBlock(block));
        break;
      case "text": {
        const text = withMarks(block.text, block.citations, sources);
        push(role, { type: "text", text, ...cacheControl(block) });
        break;
      }
      default:
        for (const plain of toCacheable(toPlainBlocks(block, attachments, place), block))
          push(role, plain);
    }
  }

  /** The message to add to; an assistant that goes on after a server's use begins a new one. */
  function push(role: "user" | "assistant", block: ModelBlock): void {
    if (block.type === "text" && block.text === "") return;
    const last = messages.at(-1);
    if (
      last !== undefined &&
      role === "assistant" &&
      block.type !== "tool_use" &&
      withServerUses.has(last)
    ) {
      messages.push({ role: "user", content: [] });
    }
    const open = messages.at(-1);
    if (open?.role === role) open.content.push(block);
    else messages.push({ role, content: [block] });
  }

  function addUse(
    block: WireBlock & { type: "tool_use" | "server_tool_use" },
    from: number,
    place: BlockPlace,
  ): void {
    if (uses.has(block.id) || calls.has(block.id)) {
      throw new GatewayError(
        "invalid_request",
        `${place.path}: \`tool_use\` ids must be unique, ${block.id} is there twice.`,
      );
    }
    if (isMadeByCode(block)) {
      const callerId = block.caller?.tool_id ?? "";
      const isClients = block.type === "tool_use";
      // What code had of a server's tool is in its output.
      calls.set(block.id, isClients ? from : null);
      if (callerId !== "") (isClients ? callers : webCallers).add(callerId);
      return;
    }
    const use: ToolUseBlock = {
      type: "tool_use",
      id: block.id,
      name: block.name,
      input: block.input ?? {},
      ...cacheControl(block),
    };
    push("assistant", use);
    const isServer = block.type === "server_tool_use";
    const at = messages.length - 1;
    const entry: Use = { block: use, isServer, at, from, result: null, parts: [] };
    uses.set(block.id, entry);
    const message = messages[at];
    if (!isServer || message === undefined) return;
    serverUses.push(entry);
    withServerUses.add(message);
  }

  function addClientResult(block: WireToolResult, place: BlockPlace): void {
    const made = calls.get(block.tool_use_id);
    if (made !== undefined && made !== null) {
      requireText(block, place);
      calls.set(block.tool_use_id, null);
      return;
    }
    const use = uses.get(block.tool_use_id);
    if (use === undefined || use.result !== null) {
      const rule =
        "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.";
      throw new GatewayError(
        "invalid_request",
        `${place.path}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${block.tool_use_id}. ${rule}`,
      );
    }
    const content =
      typeof block.content === "string"
        ? block.content
        : toResultContent(block, attachments, place);
    answer(use, {
      type: "tool_result",
      tool_use_id: use.block.id,
      content,
      is_error: block.is_error ?? false,
      ...cacheControl(block),
    });
  }

  function addParts(block: WireLessonResult | WireNativeResult, parts: OutputPart[]): void {
    const id = block.tool_use_id;
    if (id && calls.has(id)) return;
    const use = id ? uses.get(id) : firstOpenServerUse();
    if (use === undefined) {
      // Its use was lost; what it said still belongs to the conversation.
      const text = parts.flatMap((part) => (part.type === "text" ? part.text : [])).join("\n");
      push("assistant", { type: "text", text: text === "" ? "" : `Output of the code:\n${text}` });
      return;
    }
    use.parts.push(...parts);
    if (use.result === null)
      answer(use, { type: "tool_result", tool_use_id: use.block.id, content: [], is_error: false });
    if (use.result !== null) Object.assign(use.result, cacheControl(block));
  }

  function firstOpenServerUse(): Use | undefined {
    while (firstOpen < serverUses.length && serverUses[firstOpen]?.result !== null) firstOpen += 1;
    return serverUses[firstOpen] ?? serverUses.at(-1);
  }

  /** Puts a result into the user message behind its use, before anything that is not a result. */
  function answer(use: Use, result: ToolResultBlock): void {
    use.result = result;
    const behind = messages[use.at + 1];
    if (behind === undefined) {
      const message: ModelMessage = { role: "user", content: [result] };
      messages.push(message);
      resultCounts.set(message, 1);
      return;
    }
    const position = resultCounts.get(behind) ?? 0;
    behind.content.splice(position, 0, result);
    resultCounts.set(behind, position + 1);
  }

  function fillResults(): void {
    for (const { block, result, parts } of uses.values()) {
      if (result === null || parts.length === 0) continue;
      const content = toModelContent(parts, resultCharacters);
      result.content = webCallers.has(block.id)
        ? [{ type: "text", text: WEB_OUTPUT_NOTE }, ...content]
        : content;
      result.is_error = parts.some((part) => part.type === "text" && part.isError);
    }
  }

  /** Deals with every use that has no result: pending, lost, or an error of the client's. */
  function settle(): ToolUseBlock[] {
    const open = [...uses.values()].filter((use) => use.result === null);
    const pending: ToolUseBlock[] = [];
    for (const [id, from] of calls) if (from !== null) throw unanswered(id, from);
    for (const use of open) {
      if (!use.isServer) throw unanswered(use.block.id, use.from);
      if (isAtTheEnd(use)) pending.push(use.block);
      else
        answer(use, {
          type: "tool_result",
          tool_use_id: use.block.id,
          content: LOST_RESULT,
          is_error: true,
        });
    }
    return pending;
  }

  function isAtTheEnd(use: Use): boolean {
    const behind = messages[use.at + 1];
    if (behind === undefined) return true;
    if (use.at + 2 !== messages.length || behind.role !== "user") return false;
    // Code that waits for the client's answers goes on with them, whatever else the client says.
    if (callers.has(use.block.id) && answers.size > 0) return true;
    return behind.content.length > 0 && behind.content.every(({ type }) => type === "tool_result");
  }
}

function isMadeByCode(block: WireBlock & { type: "tool_use" | "server_tool_use" }): boolean {
  return block.caller?.type.startsWith("code_execution") ?? false;
}

function unanswered(id: string, from: number): GatewayError {
  const problem = "`tool_use` ids were found without `tool_result` blocks immediately after";
  const rule =
    "Each `tool_use` block must have a corresponding `tool_result` block in the next message.";
  return new GatewayError("invalid_request", `messages.${from}: ${problem}: ${id}. ${rule}`);
}

function toAnswer({ content, is_error }: WireToolResult): CallAnswer {
  const parts = Array.isArray(content) ? content : [];
  const text =
    typeof content === "string"
      ? content
      : parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  return { text, isError: is_error ?? false };
}

function requireText({ content }: WireToolResult, { path }: BlockPlace): void {
  const parts = Array.isArray(content) ? content : [];
  const index = parts.findIndex((part) => part.type !== "text");
  if (index < 0) return;
  throw new GatewayError(
    "invalid_request",
    `${path}.content.${index}.type: Input should be 'text': code can be given text only as the result of a call.`,
  );
}

function toPlainBlocks(
  block: PlainBlock,
  attachments: Attachments,
  place: BlockPlace,
): ModelBlock[] {
  switch (block.type) {
    case "thinking":
      return [
        {
          type: "thinking",
          thinking: block.thinking || block.text || "",
          signature: block.signature ?? "",
        },
      ];
    case "redacted_thinking":
      return [{ type: "redacted_thinking", data: block.data }];
    case "search_result":
      return [searchText(block)];
    case "document":
      return attachments.addDocument(block, place);
    case "image":
      return attachments.addImage(block, place);
    case "container_upload":
      return attachments.addUpload(block.file_id, place);
  }
}

function toResultContent(
  block: WireToolResult,
  attachments: Attachments,
  place: BlockPlace,
): ToolResultBlock["content"] {
  const parts = Array.isArray(block.content) ? block.content : [];
  return parts.flatMap((part, index) => {
    const inner = { ...place, path: `${place.path}.content.${index}` };
    switch (part.type) {
      case "text":
        return part.text === "" ? [] : { ...toText(part), ...cacheControl(part) };
      case "search_result":
        return { ...searchText(part), ...cacheControl(part) };
      case "tool_reference":
        return { ...toText({ text: foundTool(part.tool_name) }), ...cacheControl(part) };
      case "document":
        return attachments.addDocument(part, inner);
      case "image":
        return attachments.addImage(part, inner);
    }
  });
}

/** Every declared tool is shown to the model, so a reference is no more than news. */
function foundTool(name: string): string {
  return `The tool ${name} can be called.`;
}

function systemText(block: WireBlock, place: BlockPlace): TextBlock {
  if (block.type === "text") return { ...toText(block), ...cacheControl(block) };
  throw new GatewayError(
    "invalid_request",
    `${place.path}.type: Input should be 'text' in a system message`,
  );
}

function toText({ text }: { text: string }): TextBlock {
  return { type: "text", text };
}

/** The client's mark goes to the last of the blocks that its block has become. */
function toCacheable(blocks: ModelBlock[], given: object): ModelBlock[] {
  const last = blocks.at(-1);
  if (last === undefined || last.type === "thinking" || last.type === "redacted_thinking")
    return blocks;
  return [...blocks.slice(0, -1), { ...last, ...cacheControl(given) }];
}

function searchText(block: {
  title: string;
  source: string;
  content: { text: string }[];
}): TextBlock {
  const words = block.content.map((part) => part.text).join("\n");
  return { type: "text", text: `${block.title} (${block.source}):\n${words}` };
}
