/** What Curta may send: a message, its content blocks, and the stream events they arrive in. */
import type { ModelStopReason } from "../providers/provider.ts";
import type { RejectionCode } from "../tools/tool.ts";

export interface WireUsage {
  input_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
  output_tokens: number;
  server_tool_use: { web_search_requests: number; web_fetch_requests: number };
  service_tier?: "standard";
  /** Curta's own, in the last count of a message: what its executions took, and what the whole counts as. */
  curta?: WireMetering;
}

/** Milliseconds, bytes, tokens. */
export interface WireMetering {
  executions: {
    tool_use_id: string;
    name: string;
    status: string;
    wall_ms: number;
    cpu_ms: number;
    peak_memory_bytes: number;
    bytes_in: number;
    bytes_out: number;
    code_tokens: number;
    result_tokens: number;
    image_tokens: number;
  }[];
  code_execution_is_free: boolean;
  billed_input_tokens: number;
  billed_output_tokens: number;
}

export interface WireContainer {
  id: string;
  expires_at: string;
}

export interface WireMessage {
  id: string;
  type: "message";
  role: "assistant";
  model: string;
  content: ContentBlock[];
  stop_reason: ModelStopReason | null;
  stop_sequence: string | null;
  stop_details: null;
  usage: WireUsage;
  /** There when a container was used, and then never null. */
  container?: WireContainer;
}

export interface TextContent {
  type: "text";
  text: string;
  /** There when the text rests on sources, and then an empty list until the deltas fill it. */
  citations?: CitationContent[];
}

export interface CitationContent {
  type: "web_search_result_location";
  url: string;
  title: string;
  encrypted_index: string;
  cited_text: string;
}

export interface ThinkingContent {
  type: "thinking";
  thinking: string;
  /** The lesson's name for the same words; only in its rendering. */
  text?: string;
  signature: string;
}

/** The version whose name stands for code that calls a tool; clients know no others. */
export type CallerType = "code_execution_20250825" | "code_execution_20260120";

export type Caller = { type: "direct" } | { type: CallerType; tool_id: string };

export interface UseContent {
  type: "tool_use" | "server_tool_use";
  id: string;
  name: string;
  input: Record<string, unknown>;
  /** Whether the model or code called. Typed clients, such as the Java SDK, need it in each use. */
  caller: Caller;
}

export interface LessonResult {
  type: "code_execution_result";
  tool_use_id: string;
  output: { type: "text"; text: string } | { type: "image"; media_type: string; data: string };
  text: string;
  is_error: boolean;
}

interface Streams {
  stdout: string;
  stderr: string;
  return_code: number;
}

export interface CodeResult {
  type: "code_execution_tool_result";
  tool_use_id: string;
  content:
    | (Streams & {
        type: "code_execution_result";
        content: { type: "code_execution_output"; file_id: string }[];
      })
    | { type: "code_execution_tool_result_error"; error_code: RejectionCode };
}

export type WebResult =
  | {
      type: "web_search_tool_result";
      tool_use_id: string;
      caller: Caller;
      content:
        | {
            type: "web_search_result";
            url: string;
            title: string;
            encrypted_content: string;
            page_age: string | null;
          }[]
        | { type: "web_search_tool_result_error"; error_code: string };
    }
  | {
      type: "web_fetch_tool_result";
      tool_use_id: string;
      caller: Caller;
      content:
        | {
            type: "web_fetch_result";
            url: string;
            retrieved_at: string;
            content: {
              type: "document";
              source: { type: string; media_type: string; data: string };
              title: string | null;
            };
          }
        | { type: "web_fetch_tool_result_error"; error_code: string };
    };

export interface BashResult {
  type: "bash_code_execution_tool_result";
  tool_use_id: string;
  content:
    | (Streams & {
        type: "bash_code_execution_result";
        content: { type: "bash_code_execution_output"; file_id: string }[];
      })
    | { type: "bash_code_execution_tool_result_error"; error_code: RejectionCode };
}

export interface TextEditorResult {
  type: "text_editor_code_execution_tool_result";
  tool_use_id: string;
  content:
    | {
        type: "text_editor_code_execution_view_result";
        file_type: "text" | "image" | "pdf";
        content: string;
        num_lines: number | null;
        start_line: number | null;
        total_lines: number | null;
      }
    | { type: "text_editor_code_execution_create_result"; is_file_update: boolean }
    | {
        type: "text_editor_code_execution_str_replace_result";
        old_start: number;
        old_lines: number;
        new_start: number;
        new_lines: number;
        lines: string[];
      }
    | {
        type: "text_editor_code_execution_tool_result_error";
        error_code: RejectionCode;
        error_message: string;
      };
}

export type NativeResult = CodeResult | BashResult | TextEditorResult;

export type ResultContent = LessonResult | NativeResult | WebResult;

export type ContentBlock =
  | TextContent
  | ThinkingContent
  | { type: "redacted_thinking"; data: string }
  | UseContent
  | ResultContent;

export type BlockDelta =
  | { type: "text_delta"; text: string }
  | { type: "thinking_delta"; thinking: string }
  | { type: "signature_delta"; signature: string }
  | { type: "input_json_delta"; partial_json: string }
  | { type: "citations_delta"; citation: CitationContent };

export interface WireError {
  type: "error";
  error: { type: string; message: string; details?: Record<string, unknown> };
  request_id: string;
}

/** `type` is the name of the event, too. */
export type WireEvent =
  | { type: "message_start"; message: WireMessage }
  | { type: "content_block_start"; index: number; content_block: ContentBlock }
  | { type: "content_block_delta"; index: number; delta: BlockDelta }
  | { type: "content_block_stop"; index: number }
  | {
      type: "message_delta";
      delta: {
        stop_reason: ModelStopReason;
        stop_sequence: string | null;
        stop_details: null;
        container?: WireContainer;
      };
      usage: WireUsage;
    }
  | { type: "message_stop" };
