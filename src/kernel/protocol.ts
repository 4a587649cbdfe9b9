/**
 * What a session may say, as schemas: the words are Jupyter's (stream, display data, execute result,
 * error). A session's process runs hostile code, so every frame passes here before anything uses it,
 * and only what fits leaves as a `KernelEvent`. Lengths are cut, not refused, where a long text is
 * honest use; anything else that does not fit is a `ChannelError`.
 */
import { z } from "zod";

import { ChannelError, type Frame } from "./channel.ts";

export type KernelEvent =
  | { type: "ready" }
  | { type: "restored"; number: number; variables: string[] }
  /** The session has left a sleeping copy of itself, or could not. */
  | { type: "marked"; isDone: boolean }
  | { type: "stream"; stream: 1 | 2; offset: number; data: Buffer }
  | {
      type: "display";
      kind: "display_data" | "execute_result";
      data: Record<string, string>;
      metadata: Record<string, unknown>;
    }
  | {
      type: "error";
      name: string;
      message: string;
      traceback: string;
      line: number | null;
      variables: string[];
    }
  | { type: "calls"; number: number; calls: KernelCall[] }
  | {
      type: "done";
      number: number;
      status: "ok" | "error" | "interrupted" | "out_of_memory";
      code: number;
      wallMs: number;
      cpuMs: number;
      peakBytes: number;
      hasFiles: boolean;
      shownFiles: string[];
      truncated: boolean;
      rollback: boolean;
      /** The cell has changed nothing, and the checkpoint from before it is the one after it. */
      same: boolean;
    };

/** A call of a function outside, as the code made it. */
export interface KernelCall {
  id: number;
  name: string;
  /** Null when it is not a JSON object, is too large or too deep. */
  input: Record<string, unknown> | null;
  bytes: number;
}

const MIME = /^[a-z0-9][a-z0-9.+-]{0,63}\/[a-z0-9][a-z0-9.+-]{0,126}$/;
const BINARY =
  /^(image\/(png|jpeg|gif|webp|bmp|tiff)|application\/(pdf|octet-stream)|audio\/|video\/)/;
const count = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER);
const text = (most: number) => z.string().transform((value) => value.slice(0, most));

/** An array whose length is checked before its elements: half a million bad ones cost half a second. */
const few = <T extends z.ZodType>(most: number, element: T) =>
  z.array(z.unknown()).max(most).pipe(z.array(element));

/** In one frame; `clientToolCalls` bounds those of a cell. */
const CALLS_MAX = 10_000;

const frames = z.discriminatedUnion("t", [
  z.object({ t: z.literal("ready") }),
  z.object({
    t: z.literal("restored"),
    n: count.int(),
    variables: few(20, text(300)).optional(),
  }),
  z.object({ t: z.literal("marked"), ok: z.boolean() }),
  z.object({ t: z.literal("stream"), s: z.union([z.literal(1), z.literal(2)]), o: count.int() }),
  z.object({
    t: z.literal("display"),
    kind: z.enum(["display_data", "execute_result"]),
    parts: few(64, z.tuple([z.string(), count.int()])),
    metadata: z.record(z.string(), z.unknown()),
  }),
  z.object({
    t: z.literal("error"),
    name: text(200),
    message: text(10_000),
    traceback: text(50_000),
    line: z.number().int().positive().max(1e7).nullable().catch(null),
    variables: few(20, text(300)).optional(),
  }),
  z.object({
    t: z.literal("calls"),
    n: count.int(),
    calls: few(CALLS_MAX, z.tuple([count.int(), text(200), count.int()])),
  }),
  z.object({
    t: z.literal("done"),
    n: count.int(),
    status: z.enum(["ok", "error", "interrupted", "out_of_memory"]),
    code: z.number().int().min(0).max(255),
    wall: count,
    cpu: count,
    peak: count,
    files: z.boolean(),
    shown: few(100, text(255)),
    truncated: z.boolean(),
    rollback: z.boolean(),
    same: z.boolean(),
  }),
]);

/** Of output any part is of use. */
export function isOutput(header: unknown): boolean {
  return typeof header === "object" && header !== null && "t" in header && header.t === "stream";
}

/**
 * Throws `ChannelError` for a frame that no honest session sends. Only tests do without the check that binary
 * parts are what they say.
 */
export function parseKernelFrame(
  { header, payload, start }: Frame,
  checksOutput: boolean = true,
): KernelEvent {
  const parsed = frames.safeParse(header);
  if (!parsed.success)
    throw new ChannelError(`a frame that does not fit: ${parsed.error.issues[0]?.message}`);
  const frame = parsed.data;
  switch (frame.t) {
    case "ready":
      return { type: "ready" };
    case "restored":
      return { type: "restored", number: frame.n, variables: frame.variables ?? [] };
    case "marked":
      return { type: "marked", isDone: frame.ok };
    case "stream":
      return { type: "stream", stream: frame.s, offset: frame.o + start, data: payload };
    case "display":
      return {
        type: "display",
        kind: frame.kind,
        data: toBundle(frame.parts, payload, checksOutput),
        metadata: isShallow(frame.metadata, METADATA_DEPTH) ? frame.metadata : {},
      };
    case "error":
      return {
        type: "error",
        name: frame.name,
        message: frame.message,
        traceback: frame.traceback,
        line: frame.line,
        variables: frame.variables ?? [],
      };
    case "calls":
      return { type: "calls", number: frame.n, calls: toCalls(frame.calls, payload) };
    case "done":
      return {
        type: "done",
        number: frame.n,
        status: frame.status,
        code: frame.code,
        wallMs: frame.wall,
        cpuMs: frame.cpu,
        peakBytes: frame.peak,
        hasFiles: frame.files,
        shownFiles: frame.shown,
        truncated: frame.truncated,
        rollback: frame.rollback,
        same: frame.same,
      };
  }
}

/** A parser of one channel's frames: of one that comes in parts the header is checked with the first. */
export function createFrameParser(checksOutput: boolean): (frame: Frame) => KernelEvent {
  let begun: { header: unknown; event: Extract<KernelEvent, { type: "stream" }> } | null = null;
  return (frame) => {
    if (begun !== null && frame.start > 0 && frame.header === begun.header) {
      const { event } = begun;
      return { ...event, offset: event.offset + frame.start, data: frame.payload };
    }
    const event = parseKernelFrame(frame, checksOutput);
    begun = event.type === "stream" ? { header: frame.header, event } : null;
    return event;
  };
}

function toCalls(calls: [number, string, number][], payload: Buffer): KernelCall[] {
  let position = 0;
  return calls.map(([id, name, length]) => {
    const input = payload.subarray(position, position + length);
    position += length;
    if (input.length !== length) throw new ChannelError("a call shorter than it says");
    return { id, name, input: toInput(input), bytes: length };
  });
}

const INPUT_BYTES_MAX = 1 << 20;
/** A request may be nested a hundred levels deep, and the client puts these inside its messages. */
const INPUT_DEPTH = 64;

function toInput(bytes: Buffer): Record<string, unknown> | null {
  if (bytes.length > INPUT_BYTES_MAX) return null;
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject && isShallow(value, INPUT_DEPTH) ? (value as Record<string, unknown>) : null;
  } catch {
    // Not being JSON is the answer here, not a failure.
    return null;
  }
}

function toBundle(
  parts: [string, number][],
  payload: Buffer,
  checksOutput: boolean,
): Record<string, string> {
  const bundle: Record<string, string> = Object.create(null) as Record<string, string>;
  let position = 0;
  for (const [mime, length] of parts) {
    const part = payload.subarray(position, position + length);
    position += length;
    if (part.length !== length) throw new ChannelError("a display shorter than it says");
    if (!MIME.test(mime)) continue;
    if (BINARY.test(mime)) {
      const bytes = checksOutput ? toBytes(part, mime) : part;
      if (bytes !== null) bundle[mime] = bytes.toString("base64");
    } else {
      bundle[mime] = part.toString("utf8");
    }
  }
  return { ...bundle };
}

const METADATA_DEPTH = 16;

/** Whether plain JSON can be written again without running out of stack. */
function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}

const SIGNATURES: Record<string, (bytes: Buffer) => boolean> = {
  "image/png": (bytes) => startsWith(bytes, "89504e470d0a1a0a") && isSanePng(bytes),
  "image/jpeg": (bytes) => startsWith(bytes, "ffd8ff") && isSaneJpeg(bytes),
  "image/gif": (bytes) =>
    startsWith(bytes, "47494638") &&
    bytes.length >= 10 &&
    isSaneSize(bytes.readUInt16LE(6), bytes.readUInt16LE(8)),
  "image/webp": (bytes) =>
    bytes.toString("latin1", 0, 4) === "RIFF" &&
    bytes.toString("latin1", 8, 12) === "WEBP" &&
    isSaneWebp(bytes),
};

function startsWith(bytes: Buffer, hex: string): boolean {
  return bytes.toString("hex", 0, hex.length / 2) === hex;
}

/** Raw bytes of a binary part; IPython's own formatters give base64 text. Null when it is not what it says. */
function toBytes(part: Buffer, mime: string): Buffer | null {
  const isWhatItSays = SIGNATURES[mime] ?? (() => true);
  if (isWhatItSays(part)) return part;
  const decoded = Buffer.from(part.toString("latin1"), "base64");
  return decoded.length > 0 && isWhatItSays(decoded) ? decoded : null;
}

const PIXELS_MAX = 100_000_000;

/** A picture whose header promises more pixels than any viewer should unpack is not passed on. */
export function isSanePng(bytes: Buffer): boolean {
  if (bytes.length < 33 || bytes.toString("latin1", 12, 16) !== "IHDR") return false;
  return isSaneSize(bytes.readUInt32BE(16), bytes.readUInt32BE(20));
}

function isSaneSize(width: number, height: number): boolean {
  return width > 0 && height > 0 && width * height <= PIXELS_MAX;
}

/** Walks the segments to the frame header, which has the size. */
function isSaneJpeg(bytes: Buffer): boolean {
  let position = 2;
  while (position + 9 <= bytes.length && bytes[position] === 0xff) {
    const marker = bytes[position + 1]!;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      return isSaneSize(bytes.readUInt16BE(position + 7), bytes.readUInt16BE(position + 5));
    }
    position += 2 + bytes.readUInt16BE(position + 2);
  }
  return false;
}

/** Only the extended form can be larger than 16,383 pixels a side; the others are bounded by their format. */
function isSaneWebp(bytes: Buffer): boolean {
  if (bytes.toString("latin1", 12, 16) !== "VP8X") return bytes.length > 16;
  if (bytes.length < 30) return false;
  return isSaneSize(bytes.readUIntLE(24, 3) + 1, bytes.readUIntLE(27, 3) + 1);
}
