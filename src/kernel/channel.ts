/**
 * Frames between the server and a container.
 *
 * A frame is two big-endian 32-bit lengths, a JSON header and raw bytes (`python/kernel/protocol.py`).
 * What arrives is untrusted: lengths are bounded before anything is kept, and memory never exceeds one
 * frame of the largest size. When a session's process dies in the middle of a frame, its successor
 * writes a token first; the reader drops everything up to the token and is in step again.
 */
const LENGTH_BYTES = 8;

export interface Frame {
  header: unknown;
  payload: Buffer;
}

export interface FrameLimits {
  headerBytes: number;
  payloadBytes: number;
}

/** The other side broke the rules of the channel; nothing more of it can be understood. */
export class ChannelError extends Error {
  override readonly name = "ChannelError";
}

export function encodeFrame(header: object, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.from(JSON.stringify(header));
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + head.length + payload.length);
  frame.writeUInt32BE(head.length, 0);
  frame.writeUInt32BE(payload.length, 4);
  frame.set(head, LENGTH_BYTES);
  frame.set(payload, LENGTH_BYTES + head.length);
  return frame;
}

export class FrameReader {
  readonly #limits: FrameLimits;
  readonly #token: Buffer | null;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #needed = LENGTH_BYTES;

  constructor(limits: FrameLimits, token: Buffer | null = null) {
    this.#limits = limits;
    this.#token = token;
  }

  /** Takes bytes in and gives the frames that are whole now. Throws `ChannelError`. */
  read(chunk: Buffer): Frame[] {
    this.#add(chunk);
    this.#resynchronise();
    const frames: Frame[] = [];
    while (this.#bytes >= this.#needed) {
      const data = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      const frame = this.#take(data);
      if (frame === null) continue;
      frames.push(frame);
    }
    return frames;
  }

  #take(data: Buffer): Frame | null {
    this.#chunks = [data];
    const headerBytes = data.readUInt32BE(0);
    const payloadBytes = data.readUInt32BE(4);
    if (headerBytes > this.#limits.headerBytes || payloadBytes > this.#limits.payloadBytes) {
      throw new ChannelError(`a frame of ${headerBytes} and ${payloadBytes} bytes`);
    }
    const end = LENGTH_BYTES + headerBytes + payloadBytes;
    if (data.length < end) {
      this.#needed = end;
      return null;
    }
    const bodyStart = LENGTH_BYTES + headerBytes;
    const header = parseHeader(data.toString("utf8", LENGTH_BYTES, bodyStart));
    const payload = data.subarray(bodyStart, end);
    const rest = data.subarray(end);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    this.#needed = LENGTH_BYTES;
    return { header, payload };
  }

  #add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Looks for the token in the newest chunk and what of the one before could begin it. */
  #resynchronise(): void {
    const token = this.#token;
    if (token === null) return;
    const newest = this.#chunks.at(-1)!;
    const before =
      this.#chunks.length > 1
        ? this.#chunks.at(-2)!.subarray(-(token.length - 1))
        : Buffer.alloc(0);
    const window = before.length === 0 ? newest : Buffer.concat([before, newest]);
    const found = window.lastIndexOf(token);
    if (found < 0) return;
    const rest = window.subarray(found + token.length);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    this.#needed = LENGTH_BYTES;
  }
}

function parseHeader(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ChannelError("a header that is not JSON", { cause });
  }
}
