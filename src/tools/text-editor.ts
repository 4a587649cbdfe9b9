/**
 * The text editor of the sandbox, as a tool: view, create and replace, where code can write.
 *
 * Files are read and written through the container's keeper, which follows no link and leaves no folder of the
 * container. What comes back has the fields of the Messages API's result blocks; the model reads the same
 * content as the client is sent.
 */
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import type { ImageBlock, TextBlock } from "../providers/provider.ts";
import { isContainerGone } from "../sandbox/container-gone.ts";
import type { Container, Place } from "../sandbox/sandbox.ts";
import { cutMiddle } from "./execution-output.ts";
import { sniffImage } from "./image.ts";
import { reject } from "./rejection.ts";
import { findOccurrences, replaceOnce, viewLines, type Hunk } from "./text-edit.ts";
import type { RejectionCode, Tool, ToolContext, ToolEvent } from "./tool.ts";

export type TextEditorOutput =
  | {
      kind: "view";
      fileType: "text" | "image" | "pdf";
      /** Base64 for images and PDF files. */
      content: string;
      lineCount: number | null;
      startLine: number | null;
      totalLines: number | null;
    }
  | { kind: "create"; isFileUpdate: boolean }
  | { kind: "str_replace"; hunk: Hunk };

export interface TextEditorOptions {
  /** Bound on what the model reads. */
  resultCharacters: number;
  /** Bound on what the client is sent of one view. */
  answerBytes: number;
  timeoutMs: number;
  /** Told of failures that are not the model's, before it reads a general sentence. */
  onFailure?: (cause: unknown) => void;
}

const path = z.string().min(1);
const Input = z.discriminatedUnion("command", [
  z.object({
    command: z.literal("view"),
    path,
    view_range: z.tuple([z.int(), z.int()]).nullish(),
  }),
  z.object({ command: z.literal("create"), path, file_text: z.string() }),
  z.object({
    command: z.literal("str_replace"),
    path,
    old_str: z.string().min(1),
    new_str: z.string().nullish(),
  }),
]);
type Input = z.infer<typeof Input>;

/** As the Messages API takes an image. */
const IMAGE_BYTES_MAX = 3_750_000;

class Refusal extends Error {
  readonly code: RejectionCode;

  constructor(code: RejectionCode, message: string) {
    super(message);
    this.code = code;
  }
}

export function createTextEditorTool(options: TextEditorOptions): Tool {
  return {
    definition: {
      name: "text_editor_code_execution",
      description: DESCRIPTION,
      input_schema: {
        type: "object",
        properties: {
          command: { type: "string", enum: ["view", "create", "str_replace"] },
          path: { type: "string", description: "A file; for view also a folder." },
          view_range: {
            type: "array",
            items: { type: "integer" },
            description: "view: first and last line, from 1; -1 is the end.",
          },
          file_text: { type: "string", description: "create: the whole content." },
          old_str: { type: "string", description: "str_replace: text that occurs exactly once." },
          new_str: { type: "string", description: "str_replace: what stands there afterwards." },
        },
        required: ["command", "path"],
      },
    },
    run: (input, context) => edit(input, context, options),
  };
}

const DESCRIPTION = `Shows, makes and changes files in the sandbox in which code runs.

- view: a text file (whole, or the lines of view_range), an image, or a folder two levels deep.
- create: writes file_text to a file, over what is there, and makes its folders.
- str_replace: replaces old_str, which must occur exactly once, by new_str. Include lines around it to make it unique.
- Relative paths begin at /workspace, where attachments lie; $INPUT_DIR is the same folder. /tmp and $HOME work too.`;

async function* edit(
  given: Record<string, unknown>,
  context: ToolContext,
  options: TextEditorOptions,
): AsyncGenerator<ToolEvent> {
  const parsed = Input.safeParse(given);
  if (!parsed.success) {
    yield* reject("invalid_tool_input", explainInput(given, parsed.error));
    return;
  }
  try {
    const container = await context.container();
    const output = await withinTime(carryOut(parsed.data, container, options), options.timeoutMs);
    yield {
      type: "result",
      content: toContent(parsed.data, output, options.resultCharacters),
      isError: false,
      output,
    };
  } catch (cause) {
    context.signal.throwIfAborted();
    yield* reject(...toRejection(cause, options));
  }
}

/** Work that takes too long goes on, and nobody waits for it. */
async function withinTime<Result>(work: Promise<Result>, timeoutMs: number): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const seconds = timeoutMs / 1000;
  const timer = setTimeout(
    () =>
      late.reject(
        new Refusal(
          "execution_time_exceeded",
          `The container did not answer in ${seconds} seconds.`,
        ),
      ),
    timeoutMs,
  );
  return await Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}

async function carryOut(
  input: Input,
  container: Container,
  options: TextEditorOptions,
): Promise<TextEditorOutput> {
  const where = expandPath(input.path);
  switch (input.command) {
    case "view":
      return view(await container.look(where), input, options);
    case "create":
      return {
        kind: "create",
        isFileUpdate: await container.edit(where, Buffer.from(input.file_text)),
      };
    case "str_replace": {
      const place = await container.look(where);
      if (place.type === "folder")
        throw new Refusal("invalid_tool_input", `${input.path} is a folder.`);
      const text = decodeText(place.bytes, input.path);
      const lines = findOccurrences(text, input.old_str);
      if (lines.length === 0)
        throw new Refusal(
          "string_not_found",
          `old_str does not occur in ${input.path}. View the file and copy the text exactly, blanks included.`,
        );
      if (lines.length > 1)
        throw new Refusal(
          "invalid_tool_input",
          `old_str occurs ${lines.length} times in ${input.path}, in lines ${lines.slice(0, 20).join(", ")}. Include more of what stands around it.`,
        );
      const { text: changed, hunk } = replaceOnce(text, input.old_str, input.new_str ?? "");
      await container.edit(where, Buffer.from(changed));
      return { kind: "str_replace", hunk };
    }
  }
}

function view(
  place: Place,
  input: Extract<Input, { command: "view" }>,
  { answerBytes }: TextEditorOptions,
): TextEditorOutput {
  if (place.type === "folder") {
    const lines = place.entries.map(({ path: name, sizeBytes }) =>
      sizeBytes === null ? `${name}/` : `${name}\t${sizeBytes} bytes`,
    );
    return toLines(lines.length === 0 ? "(empty folder)" : lines.join("\n"), null);
  }
  const { bytes } = place;
  const mediaType = sniffImage(bytes);
  if (mediaType !== null || bytes.subarray(0, 5).toString("latin1") === "%PDF-") {
    if (bytes.length > Math.min(IMAGE_BYTES_MAX, answerBytes))
      throw new Refusal(
        "invalid_tool_input",
        `${input.path} is too large to show: ${bytes.length} bytes.`,
      );
    return {
      kind: "view",
      fileType: mediaType === null ? "pdf" : "image",
      content: bytes.toString("base64"),
      lineCount: null,
      startLine: null,
      totalLines: null,
    };
  }
  const shown = toLines(decodeText(bytes, input.path), input.view_range ?? null);
  if (shown.content.length > answerBytes)
    throw new Refusal(
      "invalid_tool_input",
      `${input.path} is too large to show whole: ${bytes.length} bytes, ${shown.totalLines} lines. Use view_range.`,
    );
  return shown;
}

function toLines(
  text: string,
  range: [number, number] | null,
): Extract<TextEditorOutput, { kind: "view" }> {
  const viewed = viewLines(text, range);
  if (typeof viewed === "string") throw new Refusal("invalid_tool_input", viewed);
  const { content, lineCount, startLine, totalLines } = viewed;
  return { kind: "view", fileType: "text", content, lineCount, startLine, totalLines };
}

function decodeText(bytes: Buffer, name: string): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // Not UTF-8; what it is instead is for code to find out.
  }
  throw new Refusal(
    "invalid_tool_input",
    `${name} is not a text file in UTF-8 (${bytes.length} bytes). Read it with code.`,
  );
}

const VARIABLES: Record<string, string> = {
  INPUT_DIR: "/workspace",
  PWD: "/workspace",
  HOME: "/home/user",
  TMPDIR: "/tmp",
};

/** As a shell would read it, for the variables that name folders. */
export function expandPath(given: string): string {
  const expanded = given
    .replace(/^~(?=\/|$)/, "/home/user")
    .replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => {
      const name = braced ?? bare ?? "";
      const value = VARIABLES[name];
      if (value !== undefined) return value;
      if (name === "OUTPUT_DIR")
        throw new Refusal(
          "invalid_tool_input",
          "$OUTPUT_DIR belongs to a command or a piece of code, a new one to each: make the file here in the workspace, and copy it there with code.",
        );
      throw new Refusal("invalid_tool_input", `path: there is no variable $${name}.`);
    });
  const isAbsolute = expanded.startsWith("/");
  const parts: string[] = [];
  for (const part of expanded.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `${isAbsolute ? "/" : ""}${parts.join("/")}`;
}

function toContent(
  input: Input,
  output: TextEditorOutput,
  charactersMax: number,
): (TextBlock | ImageBlock)[] {
  const say = (text: string): TextBlock[] => [
    { type: "text", text: cutMiddle(text, charactersMax) },
  ];
  switch (output.kind) {
    case "create":
      return say(`${input.path} was ${output.isFileUpdate ? "written anew" : "made"}.`);
    case "str_replace":
      return say(
        `${input.path} was changed, from line ${output.hunk.newStart} on:\n${output.hunk.lines.join("\n")}`,
      );
    case "view":
      if (output.fileType === "image") {
        const media_type =
          sniffImage(Buffer.from(output.content.slice(0, 64), "base64")) ?? "image/png";
        return [{ type: "image", source: { type: "base64", media_type, data: output.content } }];
      }
      if (output.fileType === "pdf")
        return say(
          `${input.path} is a PDF file. Read its text with code: pypdf and pdfplumber are there.`,
        );
      return say(output.content === "" ? "(empty file)" : output.content);
  }
}

function explainInput(given: Record<string, unknown>, error: z.ZodError): string {
  if (!["view", "create", "str_replace"].includes(String(given.command)))
    return 'command: must be "view", "create" or "str_replace".';
  const issue = error.issues[0];
  return `${issue?.path.join(".") ?? "input"}: ${issue?.message ?? "is not valid"}.`;
}

function toRejection(cause: unknown, { onFailure }: TextEditorOptions): [RejectionCode, string] {
  if (cause instanceof Refusal) return [cause.code, cause.message];
  if (!(cause instanceof GatewayError)) {
    onFailure?.(cause);
    return ["unavailable", "The editor failed."];
  }
  if (isContainerGone(cause)) return ["unavailable", cause.message];
  switch (cause.code) {
    case "not_found":
      return ["file_not_found", cause.message];
    case "invalid_request":
    case "request_too_large":
      return ["invalid_tool_input", cause.message];
    case "overloaded":
    case "rate_limit":
      return ["too_many_requests", cause.message];
    default:
      onFailure?.(cause);
      return ["unavailable", cause.message];
  }
}
