/**
 * Every content block that the Messages API may answer with, exactly: unknown fields and unknown kinds are
 * failures, because clients that validate refuse the whole answer for one of them.
 *
 * What recorded answers leave out although the types have it (`caller`, `citations`) may be left out; what
 * some clients cannot bear although the types allow it (`citations: null`) may not be there.
 */
import { z } from "zod";

const id = (prefix: string): z.ZodString => z.string().regex(new RegExp(`^${prefix}_\\w+$`));
const count = z.int().min(0);

/** Clients know these three and refuse others. */
const caller = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("direct") }),
  z.strictObject({ type: z.literal("code_execution_20250825"), tool_id: id("srvtoolu") }),
  z.strictObject({ type: z.literal("code_execution_20260120"), tool_id: id("srvtoolu") }),
]);

const documentPlace = {
  cited_text: z.string(),
  document_index: count,
  document_title: z.string().nullable(),
  file_id: z.string().nullable().optional(),
};

export const Citation = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("char_location"),
    ...documentPlace,
    start_char_index: count,
    end_char_index: count,
  }),
  z.strictObject({
    type: z.literal("page_location"),
    ...documentPlace,
    start_page_number: count,
    end_page_number: count,
  }),
  z.strictObject({
    type: z.literal("content_block_location"),
    ...documentPlace,
    start_block_index: count,
    end_block_index: count,
  }),
  z.strictObject({
    type: z.literal("search_result_location"),
    cited_text: z.string(),
    search_result_index: count,
    source: z.string(),
    title: z.string().nullable(),
    start_block_index: count,
    end_block_index: count,
  }),
  z.strictObject({
    type: z.literal("web_search_result_location"),
    cited_text: z.string(),
    encrypted_index: z.string(),
    title: z.string().nullable(),
    url: z.string(),
  }),
]);

const text = z.strictObject({
  type: z.literal("text"),
  text: z.string(),
  citations: z.array(Citation).optional(),
});

const thinking = z.strictObject({
  type: z.literal("thinking"),
  thinking: z.string(),
  signature: z.string(),
});

const redactedThinking = z.strictObject({ type: z.literal("redacted_thinking"), data: z.string() });

const toolUse = z.strictObject({
  type: z.literal("tool_use"),
  id: z.string().regex(/^[\w-]{1,128}$/),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
  caller: caller.optional(),
});

const serverToolUse = z.strictObject({
  type: z.literal("server_tool_use"),
  id: id("srvtoolu"),
  name: z.enum([
    "web_search",
    "web_fetch",
    "code_execution",
    "bash_code_execution",
    "text_editor_code_execution",
    "tool_search_tool_regex",
    "tool_search_tool_bm25",
  ]),
  input: z.record(z.string(), z.unknown()),
  caller: caller.optional(),
});

const codeResult = z.strictObject({
  type: z.literal("code_execution_tool_result"),
  tool_use_id: id("srvtoolu"),
  content: z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("code_execution_result"),
      stdout: z.string(),
      stderr: z.string(),
      return_code: z.int(),
      content: z.array(
        z.strictObject({ type: z.literal("code_execution_output"), file_id: id("file") }),
      ),
      abort_reason: z.null().optional(),
    }),
    z.strictObject({
      type: z.literal("encrypted_code_execution_result"),
      encrypted_stdout: z.string(),
      stderr: z.string(),
      return_code: z.int(),
      content: z.array(
        z.strictObject({ type: z.literal("code_execution_output"), file_id: id("file") }),
      ),
    }),
    z.strictObject({
      type: z.literal("code_execution_tool_result_error"),
      error_code: z.enum([
        "invalid_tool_input",
        "unavailable",
        "too_many_requests",
        "execution_time_exceeded",
      ]),
    }),
  ]),
});

const bashResult = z.strictObject({
  type: z.literal("bash_code_execution_tool_result"),
  tool_use_id: id("srvtoolu"),
  content: z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("bash_code_execution_result"),
      stdout: z.string(),
      stderr: z.string(),
      return_code: z.int(),
      content: z.array(
        z.strictObject({ type: z.literal("bash_code_execution_output"), file_id: id("file") }),
      ),
      abort_reason: z.null().optional(),
    }),
    z.strictObject({
      type: z.literal("bash_code_execution_tool_result_error"),
      error_code: z.enum([
        "invalid_tool_input",
        "unavailable",
        "too_many_requests",
        "execution_time_exceeded",
        "output_file_too_large",
      ]),
    }),
  ]),
});

const editorResult = z.strictObject({
  type: z.literal("text_editor_code_execution_tool_result"),
  tool_use_id: id("srvtoolu"),
  content: z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("text_editor_code_execution_view_result"),
      file_type: z.enum(["text", "image", "pdf"]),
      content: z.string(),
      num_lines: count.nullable(),
      start_line: count.nullable(),
      total_lines: count.nullable(),
    }),
    z.strictObject({
      type: z.literal("text_editor_code_execution_create_result"),
      is_file_update: z.boolean(),
    }),
    z.strictObject({
      type: z.literal("text_editor_code_execution_str_replace_result"),
      old_start: count.nullable(),
      old_lines: count.nullable(),
      new_start: count.nullable(),
      new_lines: count.nullable(),
      lines: z.array(z.string().regex(/^[ +\-\\]/)).nullable(),
    }),
    z.strictObject({
      type: z.literal("text_editor_code_execution_tool_result_error"),
      // `string_not_found` stood in older documents, and clients show it as any other.
      error_code: z.enum([
        "invalid_tool_input",
        "unavailable",
        "too_many_requests",
        "execution_time_exceeded",
        "file_not_found",
        "string_not_found",
      ]),
      error_message: z.string().nullable(),
    }),
  ]),
});

const webSearchResult = z.strictObject({
  type: z.literal("web_search_tool_result"),
  tool_use_id: id("srvtoolu"),
  caller: caller.optional(),
  content: z.union([
    z.array(
      z.strictObject({
        type: z.literal("web_search_result"),
        url: z.string(),
        title: z.string(),
        encrypted_content: z.string(),
        page_age: z.string().nullable(),
      }),
    ),
    z.strictObject({
      type: z.literal("web_search_tool_result_error"),
      error_code: z.enum([
        "invalid_tool_input",
        "unavailable",
        "max_uses_exceeded",
        "too_many_requests",
        "query_too_long",
        "request_too_large",
      ]),
    }),
  ]),
});

const webFetchResult = z.strictObject({
  type: z.literal("web_fetch_tool_result"),
  tool_use_id: id("srvtoolu"),
  caller: caller.optional(),
  content: z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("web_fetch_result"),
      url: z.string(),
      retrieved_at: z.string().nullable(),
      content: z.strictObject({
        type: z.literal("document"),
        source: z.discriminatedUnion("type", [
          z.strictObject({
            type: z.literal("text"),
            media_type: z.literal("text/plain"),
            data: z.string(),
          }),
          z.strictObject({
            type: z.literal("base64"),
            media_type: z.literal("application/pdf"),
            data: z.string(),
          }),
        ]),
        title: z.string().nullable().optional(),
        citations: z.strictObject({ enabled: z.boolean() }).nullable().optional(),
      }),
    }),
    z.strictObject({
      type: z.literal("web_fetch_tool_result_error"),
      error_code: z.enum([
        "invalid_tool_input",
        "url_too_long",
        "url_not_allowed",
        "url_not_in_prior_context",
        "url_not_accessible",
        "unsupported_content_type",
        "too_many_requests",
        "max_uses_exceeded",
        "unavailable",
        "content_too_large",
      ]),
    }),
  ]),
});

export const NativeBlock = z.discriminatedUnion("type", [
  text,
  thinking,
  redactedThinking,
  toolUse,
  serverToolUse,
  codeResult,
  bashResult,
  editorResult,
  webSearchResult,
  webFetchResult,
]);

/** The tutorial's form of the oldest tool version, where its beta header is not sent. */
const lessonResult = z.strictObject({
  type: z.literal("code_execution_result"),
  tool_use_id: id("srvtoolu"),
  output: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("text"), text: z.string() }),
    z.strictObject({ type: z.literal("image"), media_type: z.string(), data: z.base64() }),
  ]),
  // The Python SDK makes a text block of a block it does not know; without this it would print None.
  text: z.string(),
  is_error: z.boolean(),
});

export const LessonBlock = z.discriminatedUnion("type", [
  text,
  thinking.extend({ text: z.string() }),
  redactedThinking,
  toolUse,
  serverToolUse,
  lessonResult,
  webSearchResult,
  webFetchResult,
]);

export type Block = z.infer<typeof NativeBlock> | z.infer<typeof LessonBlock>;
