/**
 * The shape of a Messages API request, as tolerant as its clients are odd: unknown fields pass, fields
 * that an SDK left unset may be null. Blocks of every kind are accepted in every role; what a block means
 * where it stands is decided in `history.ts`.
 */
import { z } from "zod";

const text = z.looseObject({ type: z.literal("text"), text: z.string() });

const base64Source = z.looseObject({
  type: z.literal("base64"),
  media_type: z.string(),
  data: z.string(),
});
const urlSource = z.looseObject({ type: z.literal("url"), url: z.string() });
const fileSource = z.looseObject({ type: z.literal("file"), file_id: z.string() });
const textSource = z.looseObject({
  type: z.literal("text"),
  media_type: z.string().nullish(),
  data: z.string(),
});

const image = z.looseObject({
  type: z.literal("image"),
  source: z.discriminatedUnion("type", [base64Source, urlSource, fileSource]),
});

const contentSource = z.looseObject({
  type: z.literal("content"),
  content: z.union([z.string(), z.array(z.discriminatedUnion("type", [text, image]))]),
});

const document = z.looseObject({
  type: z.literal("document"),
  source: z.discriminatedUnion("type", [
    base64Source,
    textSource,
    urlSource,
    fileSource,
    contentSource,
  ]),
  title: z.string().nullish(),
  context: z.string().nullish(),
});

const searchResult = z.looseObject({
  type: z.literal("search_result"),
  source: z.string(),
  title: z.string(),
  content: z.array(text),
});

/** What a client's own search for tools has found: the tool is among the request's from then on. */
const toolReference = z.looseObject({
  type: z.literal("tool_reference"),
  tool_name: z.string().min(1).max(256),
});

const toolResult = z.looseObject({
  type: z.literal("tool_result"),
  tool_use_id: z.string(),
  content: z
    .union([
      z.string(),
      z.array(z.discriminatedUnion("type", [text, image, document, searchResult, toolReference])),
    ])
    .nullish(),
  is_error: z.boolean().nullish(),
});

const caller = z.looseObject({ type: z.string(), tool_id: z.string().nullish() });

const jsonObject = z.record(z.string(), z.unknown());

const toolUse = z.looseObject({
  type: z.literal("tool_use"),
  id: z.string(),
  name: z.string(),
  input: jsonObject.nullish(),
  caller: caller.nullish(),
});

const serverToolUse = z.looseObject({ ...toolUse.shape, type: z.literal("server_tool_use") });

/** Curta's lesson rendering. Clients that dump it through an SDK add nulls, some drop the id. */
const lessonResult = z.looseObject({
  type: z.literal("code_execution_result"),
  tool_use_id: z.string().nullish(),
  output: z
    .looseObject({
      type: z.string(),
      text: z.string().nullish(),
      media_type: z.string().nullish(),
      data: z.string().nullish(),
    })
    .nullish(),
  text: z.string().nullish(),
  is_error: z.boolean().nullish(),
});

const nativeResult = z.looseObject({
  type: z.enum([
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "tool_search_tool_result",
  ]),
  tool_use_id: z.string().nullish(),
  content: z.unknown().optional(),
});

const thinking = z.looseObject({
  type: z.literal("thinking"),
  thinking: z.string().nullish(),
  text: z.string().nullish(),
  signature: z.string().nullish(),
});

const redactedThinking = z.looseObject({ type: z.literal("redacted_thinking"), data: z.string() });

const containerUpload = z.looseObject({ type: z.literal("container_upload"), file_id: z.string() });

const Block = z.discriminatedUnion("type", [
  text,
  image,
  document,
  searchResult,
  thinking,
  redactedThinking,
  toolUse,
  toolResult,
  serverToolUse,
  lessonResult,
  nativeResult,
  containerUpload,
]);

const Message = z.looseObject({
  role: z.enum(["user", "assistant", "system"]),
  content: z.union([z.string(), z.array(Block).max(10_000)]),
});

const Tool = z.looseObject({
  type: z.string().nullish(),
  name: z.string().min(1).max(128),
  description: z.string().nullish(),
  input_schema: jsonObject.nullish(),
  allowed_callers: z.array(z.string()).max(16).nullish(),
  strict: z.boolean().nullish(),
  defer_loading: z.boolean().nullish(),
});

const ToolChoice = z.looseObject({
  type: z.enum(["auto", "any", "none", "tool"]),
  name: z.string().nullish(),
  disable_parallel_tool_use: z.boolean().nullish(),
});

/** What an answer should look like. `output_config` has it now, `output_format` had it in a beta. */
const AnswerFormat = z.looseObject({ type: z.literal("json_schema"), schema: jsonObject });

const OutputConfig = z.looseObject({
  format: AnswerFormat.nullish(),
  effort: z.string().max(64).nullish(),
});

const Container = z.looseObject({
  id: z.string().min(1).nullish(),
  skills: z.array(z.unknown()).nullish(),
});

/** The value that once stood for "not set"; LangChain 0.3 sends it. */
const UNSET = z.literal(-1).transform(() => undefined);

export const RequestBody = z.looseObject({
  model: z.string().min(1).max(256),
  max_tokens: z.int().min(1),
  messages: z.array(Message).min(1).max(10_000),
  system: z.union([z.string(), z.array(text)]).nullish(),
  tools: z.array(Tool).max(512).nullish(),
  tool_choice: ToolChoice.nullish(),
  stop_sequences: z.array(z.string()).max(64).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.union([z.number().min(0).max(1), UNSET]).nullish(),
  top_k: z.union([z.int().min(0), UNSET]).nullish(),
  thinking: jsonObject.nullish(),
  metadata: jsonObject.nullish(),
  output_config: OutputConfig.nullish(),
  output_format: AnswerFormat.nullish(),
  service_tier: z.string().max(64).nullish(),
  stream: z.boolean().nullish(),
  container: z.union([z.string().min(1), Container]).nullish(),
  mcp_servers: z.array(z.unknown()).nullish(),
  thread: z.unknown().optional(),
});

export type RequestBody = z.infer<typeof RequestBody>;
export type WireMessage = z.infer<typeof Message>;
export type WireBlock = z.infer<typeof Block>;
export type WireTool = z.infer<typeof Tool>;
export type WireDocument = z.infer<typeof document>;
export type WireImage = z.infer<typeof image>;
export type WireToolResult = z.infer<typeof toolResult>;
export type WireLessonResult = z.infer<typeof lessonResult>;
export type WireNativeResult = z.infer<typeof nativeResult>;
