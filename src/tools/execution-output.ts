/**
 * One execution as its readers see it, folded from the engine's events.
 *
 * `parts` is the notebook view: printed text, values, images, tracebacks and sentences about what went
 * wrong, in order of appearance. It is all that the lesson rendering sends and all that the model reads,
 * so that a conversation reads the same to the model whether a result is new or was sent back by a client.
 * `stdout`, `stderr` and `returnCode` are the process view, for the native rendering.
 *
 * Text that arrives on both streams is one stream here: a terminal shows it so. An image counts once,
 * whether it was displayed, saved in `$OUTPUT_DIR`, or both with the same bytes.
 */
import type { ImageBlock, TextBlock } from "../providers/provider.ts";
import type { DisplayOutput, ExecutionEvent, OutputFile } from "../sandbox/sandbox.ts";
import { describeImage, toImageNotice } from "./image.ts";

export type OutputPart =
  | { type: "text"; text: string; isError: boolean }
  | { type: "image"; mediaType: string; data: string };

export interface ExecutionOutput {
  kind: "execution";
  /** Never empty: silence is said in words. */
  parts: OutputPart[];
  stdout: string;
  stderr: string;
  returnCode: number;
  /** It was stopped because its time was over. */
  tookTooLong: boolean;
  /** Ids of the files and charts that the execution left, where they are kept. */
  fileIds: string[];
}

export interface OutputFoldOptions {
  timeoutMs: number;
  /** Bound on text and images together; beyond it they are named instead of shown. */
  bytesMax: number;
}

export interface OutputFold {
  /** Takes the next event; gives the file it brought, unless the same image was already there. */
  add(event: ExecutionEvent): OutputFile | null;
  /** A line about the execution that is not the code's own. */
  addNote(text: string): void;
  finish(fileIds: string[]): ExecutionOutput;
}

export const NO_OUTPUT = "(no output)";

/** In the order of preference within one MIME bundle. */
const IMAGE_TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/** As the Messages API takes it: more, or larger, images in one result are refused upstream. */
const MODEL_IMAGES_MAX = 8;
const MODEL_IMAGE_CHARACTERS_MAX = 5_000_000;

export function createOutputFold({ timeoutMs, bytesMax }: OutputFoldOptions): OutputFold {
  const parts: OutputPart[] = [];
  const printed: string[] = [];
  const stdout: string[] = [];
  const stderr: string[] = [];
  const images = new Set<string>();
  let bytesLeft = bytesMax;
  let charactersLeftOut = 0;
  let returnCode = 0;
  let tookTooLong = false;

  function print(text: string, stream: string[]): void {
    const kept = text.length <= bytesLeft ? text : text.slice(0, bytesLeft);
    bytesLeft -= kept.length;
    charactersLeftOut += text.length - kept.length;
    if (kept === "") return;
    printed.push(kept);
    stream.push(kept);
  }

  /** A line of its own, whatever was printed before it. */
  function printLine(text: string, stream: string[]): void {
    const last = printed.at(-1);
    print(`${last === undefined || last.endsWith("\n") ? "" : "\n"}${text}\n`, stream);
  }

  function endText(): void {
    const text = showCarriageReturns(printed.splice(0).join("")).replace(/\s+$/, "");
    if (text !== "") parts.push({ type: "text", text, isError: false });
  }

  function showImage(mediaType: string, data: string): boolean {
    if (images.has(data)) return false;
    images.add(data);
    if (data.length > bytesLeft) {
      printLine(
        `[image left out, the answer would be too large: ${describeImage(mediaType, data)}]`,
        [],
      );
      return true;
    }
    bytesLeft -= data.length;
    endText();
    parts.push({ type: "image", mediaType, data });
    return true;
  }

  function addDisplay({ data }: DisplayOutput): OutputFile | null {
    const mediaType = IMAGE_TYPES.find((type) => data[type] !== undefined);
    const image = mediaType === undefined ? undefined : data[mediaType];
    if (mediaType === undefined || image === undefined) {
      const text = toText(data);
      if (text !== "") printLine(text.replace(/\n$/, ""), stdout);
      return null;
    }
    // Line breaks are allowed in a MIME bundle's base64, not in the Messages API's.
    const base64 = image.replaceAll(/\s+/g, "");
    if (!showImage(mediaType, base64)) return null;
    const filename = `figure-${images.size}.${mediaType.slice("image/".length)}`;
    return { filename, mimeType: mediaType, bytes: Buffer.from(base64, "base64"), displayed: true };
  }

  function addFile(file: OutputFile): OutputFile | null {
    if (file.displayed) return file;
    if (IMAGE_TYPES.includes(file.mimeType)) {
      return showImage(file.mimeType, file.bytes.toString("base64")) ? file : null;
    }
    printLine(`[file saved: ${file.filename}, ${file.bytes.length} bytes]`, []);
    return file;
  }

  function addEnd(end: ExecutionEvent & { type: "done" }): void {
    if (end.truncated || charactersLeftOut > 0) {
      bytesLeft = Math.max(bytesLeft, 200);
      const amount =
        charactersLeftOut > 0
          ? `${charactersLeftOut} characters of output`
          : "Output beyond the limit";
      printLine(`[${amount} left out]`, []);
    }
    endText();
    returnCode = end.return_code;
    tookTooLong = end.status === "timeout";
    const problem = [
      end.error?.traceback.trimEnd() || describeError(end),
      describeStatus(end.status, timeoutMs),
    ];
    const text = [...problem, end.notice].filter(Boolean).join("\n");
    if (text === "") return;
    parts.push({ type: "text", text, isError: end.status !== "ok" });
    if (end.status !== "ok") {
      stderr.push(`${text}\n`);
      if (returnCode === 0) returnCode = 1;
    }
  }

  return {
    add(event) {
      switch (event.type) {
        case "stdout":
          print(event.text, stdout);
          return null;
        case "stderr":
          print(event.text, stderr);
          return null;
        case "output":
          return addDisplay(event.output);
        case "file":
          return addFile(event.file);
        case "calls":
          return null;
        case "done":
          addEnd(event);
          return null;
      }
    },
    addNote(text) {
      printLine(text, stderr);
    },
    finish(fileIds) {
      endText();
      if (parts.length === 0) parts.push({ type: "text", text: NO_OUTPUT, isError: false });
      return {
        kind: "execution",
        parts,
        stdout: stdout.join(""),
        stderr: stderr.join(""),
        returnCode,
        tookTooLong,
        fileIds,
      };
    },
  };
}

/** What the model reads of an execution. Text beyond the limit loses its middle. */
export function toModelContent(
  parts: readonly OutputPart[],
  charactersMax: number,
): (TextBlock | ImageBlock)[] {
  const content: (TextBlock | ImageBlock)[] = [];
  let images = 0;
  for (const part of parts) {
    const last = content.at(-1);
    const block = toBlock(part);
    if (block.type === "image" && (++images > MODEL_IMAGES_MAX || tooLarge(block))) {
      content.push(toImageNotice(block));
    } else if (block.type === "text" && last?.type === "text") {
      last.text += `\n${block.text}`;
    } else {
      content.push(block);
    }
  }
  const total = content.reduce(
    (sum, block) => sum + (block.type === "text" ? block.text.length : 0),
    0,
  );
  if (total <= charactersMax) return content;
  return content.map((block) =>
    block.type === "text"
      ? {
          ...block,
          text: cutMiddle(block.text, Math.floor((charactersMax * block.text.length) / total)),
        }
      : block,
  );
}

/** Head and tail of a text, with a line between them that says how much is missing. */
export function cutMiddle(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const half = Math.floor(charactersMax / 2);
  const head = text.slice(0, half);
  const tail = half === 0 ? "" : text.slice(-half);
  const missing = text.length - head.length - tail.length;
  return `${head}\n[… ${missing} characters left out …]\n${tail}`.toWellFormed();
}

function toBlock(part: OutputPart): TextBlock | ImageBlock {
  if (part.type === "text") return { type: "text", text: part.text };
  return { type: "image", source: { type: "base64", media_type: part.mediaType, data: part.data } };
}

function tooLarge(image: ImageBlock): boolean {
  return image.source.type === "base64" && image.source.data.length > MODEL_IMAGE_CHARACTERS_MAX;
}

/** The words of a bundle without an image. Rich objects have a useless `text/plain`: `<IPython….HTML object>`. */
function toText(data: Record<string, string>): string {
  const plain = data["text/plain"];
  if (plain !== undefined && !/^<IPython\.\S+ object>$/.test(plain)) return plain;
  const rich =
    data["text/markdown"] ?? data["text/latex"] ?? data["text/html"] ?? data["application/json"];
  if (rich !== undefined) return rich;
  return plain ?? `[display of type ${Object.keys(data).join(", ") || "nothing"}]`;
}

function describeError({ error }: ExecutionEvent & { type: "done" }): string {
  if (error === null) return "";
  return error.message === "" ? error.name : `${error.name}: ${error.message}`;
}

function describeStatus(status: string, timeoutMs: number): string {
  switch (status) {
    case "timeout":
      return `The code was stopped: it ran longer than the limit of ${timeoutMs / 1000} seconds.`;
    case "out_of_memory":
      return "The code was stopped: it needed more memory than the container has.";
    case "killed":
      return "The code was stopped: its process died or was ended.";
    default:
      return "";
  }
}

/** A line drawn over itself, as progress bars do, counts as drawn last. */
function showCarriageReturns(text: string): string {
  if (!text.includes("\r")) return text;
  return text
    .split("\n")
    .map((line) => line.replace(/\r+$/, ""))
    .map((line) => line.slice(line.lastIndexOf("\r") + 1))
    .join("\n");
}
