/**
 * From the JSON of `POST /v1/messages` to a turn.
 *
 * The body is validated once, here. Files that it names by id are read first; all else is pure. What is
 * refused is refused with the sentence that the Messages API uses, or one that says what to do instead.
 */
import { GatewayError } from "../errors.ts";
import type { TurnRequest } from "../agent/turn.ts";
import type { ModelRequest, TextBlock, ToolUseBlock } from "../providers/provider.ts";
import type { FileStore, StoredFile } from "../tools/tool.ts";
import { createAttachments } from "./attachments.ts";
import type { Rendering } from "./code-execution/rendering.ts";
import { toHistory } from "./history.ts";
import { RequestBody, type WireMessage } from "./schema.ts";
import { parseTools, type DeclaredTools } from "./tool-declarations.ts";
import { validate } from "./validation.ts";

export interface RequestOptions {
  /** Values of the `anthropic-beta` header. */
  betas: ReadonlySet<string>;
  limits: {
    /** One attachment. */
    attachmentBytes: number;
    /** All attachments of a conversation. */
    workspaceBytes: number;
    /** What the model reads of one execution. */
    resultCharacters: number;
  };
  /** Absent while there is no Files API. */
  files?: Pick<FileStore, "read">;
}

export interface MessagesRequest {
  turn: TurnRequest;
  stream: boolean;
  rendering: Rendering;
}

export async function parseMessagesRequest(
  json: unknown,
  options: RequestOptions,
): Promise<MessagesRequest> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new GatewayError("invalid_request", "The request body should be a JSON object.");
  }
  const body = validate(RequestBody, json);
  refuseUnsupported(body);
  const tools = parseTools(body.tools ?? [], options.betas);
  const { attachmentBytes, workspaceBytes, resultCharacters } = options.limits;
  const attachments = createAttachments({
    attachmentBytes,
    workspaceBytes,
    hasWorkspace: tools.serverTools.length > 0,
    stored: await readFiles(body.messages, options.files),
  });
  const history = toHistory(body.messages, attachments, resultCharacters);
  refuseUndeclared(history.pending, tools);

  return {
    turn: {
      prompt: {
        model: body.model,
        system: [...toSystem(body.system), ...history.system].filter((block) => block.text !== ""),
        messages: history.messages,
        toolChoice: toToolChoice(body.tool_choice, tools),
        maxTokens: body.max_tokens,
        stopSequences: body.stop_sequences ?? [],
        temperature: body.temperature ?? undefined,
        topP: body.top_p ?? undefined,
        topK: body.top_k ?? undefined,
        thinking: body.thinking ?? undefined,
        metadata: body.metadata ?? undefined,
      },
      clientTools: tools.clientTools,
      serverTools: tools.serverTools,
      containerId: toContainerId(body.container),
      files: attachments.files,
      pending: history.pending,
    },
    stream: body.stream ?? false,
    rendering: tools.rendering,
  };
}

function refuseUnsupported(body: RequestBody): void {
  if (body.thread !== undefined && body.thread !== null) {
    // The official tool runners read these details and then send the whole conversation themselves.
    throw new GatewayError(
      "invalid_request",
      "thread: This server keeps no threads; send the whole conversation.",
      {
        details: { error_code: "thread_unsupported_request", unsupported: ["thread"] },
      },
    );
  }
  if (body.mcp_servers?.length) {
    throw new GatewayError(
      "invalid_request",
      "mcp_servers: This server does not connect to MCP servers.",
    );
  }
}

function refuseUndeclared(pending: readonly ToolUseBlock[], { serverTools }: DeclaredTools): void {
  const undeclared = pending.find((use) => !serverTools.includes(use.name));
  if (undeclared === undefined) return;
  const { name, id } = undeclared;
  throw new GatewayError(
    "invalid_request",
    `messages: \`${name}\` tool use with id \`${id}\` was found without a corresponding \`${name}_tool_result\` block, but no \`${name}\` tool was provided`,
  );
}

/** Reads every file that the conversation names by id, once. */
async function readFiles(
  messages: readonly WireMessage[],
  files: RequestOptions["files"],
): Promise<ReadonlyMap<string, StoredFile>> {
  const stored = new Map<string, StoredFile>();
  for (const [from, { content }] of messages.entries()) {
    if (typeof content === "string") continue;
    for (const [index, block] of content.entries()) {
      const nested =
        block.type === "tool_result" && Array.isArray(block.content) ? block.content : [];
      for (const id of [block, ...nested].flatMap(fileIdOf)) {
        if (files === undefined) {
          throw new GatewayError(
            "invalid_request",
            `messages.${from}.content.${index}: This server has no Files API yet, so file_id cannot be used. Send the file as a base64 document block.`,
          );
        }
        if (!stored.has(id)) stored.set(id, await files.read(id));
      }
    }
  }
  return stored;
}

function fileIdOf(block: { type: string; file_id?: unknown; source?: unknown }): string[] {
  if (block.type === "container_upload" && typeof block.file_id === "string")
    return [block.file_id];
  const { source } = block;
  if (typeof source !== "object" || source === null) return [];
  return "type" in source && source.type === "file" && "file_id" in source
    ? [String(source.file_id)]
    : [];
}

function toSystem(system: RequestBody["system"]): TextBlock[] {
  if (!system) return [];
  if (typeof system === "string") return [{ type: "text", text: system }];
  return system.map(({ text, cache_control }) =>
    cache_control ? { type: "text", text, cache_control } : { type: "text", text },
  );
}

function toToolChoice(
  choice: RequestBody["tool_choice"],
  { clientTools, serverTools }: DeclaredTools,
): ModelRequest["toolChoice"] {
  if (!choice) return undefined;
  const { type, name } = choice;
  const names = [...serverTools, ...clientTools.map((tool) => tool.name)];
  if (names.length === 0 && type !== "none" && type !== "auto") {
    throw new GatewayError("invalid_request", "tool_choice: There are no tools to choose from.");
  }
  if (type === "tool" && !name)
    throw new GatewayError("invalid_request", "tool_choice.name: Field required");
  if (type === "tool" && name && !names.includes(name)) {
    throw new GatewayError(
      "invalid_request",
      `tool_choice: Tool '${name}' not found in provided tools`,
    );
  }
  return {
    type,
    ...(type === "tool" && name ? { name } : {}),
    ...(choice.disable_parallel_tool_use ? { disable_parallel_tool_use: true } : {}),
  };
}

function toContainerId(container: RequestBody["container"]): string | null {
  if (!container) return null;
  if (typeof container === "string") return container;
  if (container.skills?.length) {
    throw new GatewayError("invalid_request", "container.skills: This server has no skills.");
  }
  return container.id ?? null;
}
