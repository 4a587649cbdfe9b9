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
  | { type: "restored" }
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
    };

const MIME = /^[a-z0-9][a-z0-9.+-]{0,63}\/[a-z0-9][a-z0-9.+-]{0,126}$/;
const BINARY =
  /^(image\/(png|jpeg|gif|webp|bmp|tiff)|application\/(pdf|octet-stream)|audio\/|video\/)/;
const count = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER);
const text = (most: number) => z.string().transform((value) => value.slice(0, most));

const frames = z.discriminatedUnion("t", [
  z.object({ t: z.literal("ready") }),
  z.object({ t: z.literal("restored") }),
  z.object({ t: z.literal("stream"), s: z.union([z.literal(1), z.literal(2)]), o: count.int() }),
  z.object({
    t: z.literal("display"),
    kind: z.enum(["display_data", "execute_result"]),
    parts: z.array(z.tuple([z.string(), count.int()])).max(64),
    metadata: z.record(z.string(), z.unknown()),
  }),
  z.object({
    t: z.literal("error"),
    name: text(200),
    message: text(10_000),
    traceback: text(50_000),
    line: z.number().int().positive().max(1e7).nullable().catch(null),
    variables: z.array(text(300)).max(20).optional(),
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
    shown: z.array(text(255)).max(100),
    truncated: z.boolean(),
    rollback: z.boolean(),
  }),
]);

/** Throws `ChannelError` for a frame that no honest session sends. */
export function parseKernelFrame({ header, payload }: Frame): KernelEvent {
  const parsed = frames.safeParse(header);
  if (!parsed.success)
    throw new ChannelError(`a frame that does not fit: ${parsed.error.issues[0]?.message}`);
  const frame = parsed.data;
  switch (frame.t) {
    case "ready":
    case "restored":
      return { type: frame.t };
    case "stream":
      return { type: "stream", stream: frame.s, offset: frame.o, data: payload };
    case "display":
      return {
        type: "display",
        kind: frame.kind,
        data: toBundle(frame.parts, payload),
        metadata: frame.metadata,
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
      };
  }
}

function toBundle(parts: [string, number][], payload: Buffer): Record<string, string> {
  const bundle: Record<string, string> = Object.create(null) as Record<string, string>;
  let position = 0;
  for (const [mime, length] of parts) {
    const part = payload.subarray(position, position + length);
    position += length;
    if (part.length !== length) throw new ChannelError("a display shorter than it says");
    if (!MIME.test(mime)) continue;
    if (BINARY.test(mime)) {
      const bytes = toBytes(part, mime);
      if (bytes !== null) bundle[mime] = bytes.toString("base64");
    } else {
      bundle[mime] = part.toString("utf8");
    }
  }
  return { ...bundle };
}

const SIGNATURES: Record<string, (bytes: Buffer) => boolean> = {
  "image/png": (bytes) =>
    bytes.subarray(0, 8).equals(Buffer.from("89504e470d0a1a0a", "hex")) && isSanePng(bytes),
  "image/jpeg": (bytes) => bytes.subarray(0, 3).equals(Buffer.from("ffd8ff", "hex")),
  "image/gif": (bytes) => bytes.toString("latin1", 0, 4) === "GIF8",
  "image/webp": (bytes) =>
    bytes.toString("latin1", 0, 4) === "RIFF" && bytes.toString("latin1", 8, 12) === "WEBP",
};

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
  const width = bytes.readUInt32BE(16);
  const height = bytes.readUInt32BE(20);
  return width > 0 && height > 0 && width * height <= PIXELS_MAX;
}
