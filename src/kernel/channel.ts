/**
 * Frames between the server and a container.
 *
 * A frame is two big-endian 32-bit lengths, a JSON header and raw bytes (`python/kernel/protocol.py`).
 * What arrives is untrusted: lengths are bounded before anything is kept, and memory never exceeds one
 * frame of the largest size and the newest chunk, however small the pieces are in which it comes. When a
 * session's process dies in the middle of a frame, its successor writes a token first; the reader drops
 * everything up to the token and is in step again.
 *
 * Of frames whose payload is of use in part, pieces are handed on as they come, which spares joining megabytes and
 * lets whoever reads them work while the rest is under way. The pieces have a least size, because each one costs.
 */
const LENGTH_BYTES = 8;
/** Smaller pieces are joined as they come: a million one-byte buffers would weigh far more than a million bytes. */
const PIECE_BYTES = 4096;
/** Half of what one read of a socket brings when much is there. */
const PART_BYTES = 32_768;

export interface Frame {
  header: unknown;
  payload: Buffer;
  /** Where in the frame's payload this begins; not 0 only in frames that come in parts. */
  start: number;
}

export interface FrameLimits {
  headerBytes: number;
  payloadBytes: number;
  /** Frames that may be handed on in parts; none when left out. */
  inParts?: (header: unknown) => boolean;
}

/** The frame whose header has come, and the part of its payload that has not been handed on. */
interface Opened {
  header: unknown;
  inParts: boolean;
  start: number;
  left: number;
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
  #opened: Opened | null = null;
  /** Nothing counts until the token has come. */
  #lost = false;
  #owed: ChannelError | null = null;
  /** The newest bytes, of which the token may be part. */
  #tail: Buffer = Buffer.alloc(0);

  constructor(limits: FrameLimits, token: Buffer | null = null) {
    this.#limits = limits;
    this.#token = token;
  }

  /** Takes bytes in and gives the frames that are whole now. Throws `ChannelError`, and is lost then. */
  read(chunk: Buffer): Frame[] {
    const start = this.#findToken(chunk);
    if (start !== null) {
      this.#lost = false;
      this.#restartFrom(chunk.subarray(start));
    } else if (!this.#lost) this.#add(chunk);
    const owed = this.#owed;
    this.#owed = null;
    if (start === null && owed !== null) this.#fail(owed);
    const frames: Frame[] = [];
    try {
      while (!this.#lost && this.#bytes >= this.#needed) {
        const data = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
        const frame = this.#take(data);
        if (frame !== null) frames.push(frame);
      }
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error;
      this.#fail(error);
    }
    return frames;
  }

  /** What looks like nonsense may be the beginning of the token; then the next bytes decide. */
  #fail(error: ChannelError): void {
    this.lose();
    if (!this.#endsInTokensBeginning()) throw error;
    this.#owed = error;
  }

  #endsInTokensBeginning(): boolean {
    const token = this.#token;
    if (token === null) return false;
    for (let length = Math.min(this.#tail.length, token.length - 1); length > 0; length -= 1) {
      if (this.#tail.subarray(-length).equals(token.subarray(0, length))) return true;
    }
    return false;
  }

  /** Gives up what has come so far and what will come until the token does. */
  lose(): void {
    this.#lost = true;
    this.#restartFrom(Buffer.alloc(0));
  }

  #take(data: Buffer): Frame | null {
    this.#chunks = [data];
    if (this.#opened !== null) return this.#takePayload(this.#opened, data);
    const headerBytes = data.readUInt32BE(0);
    const payloadBytes = data.readUInt32BE(4);
    if (headerBytes > this.#limits.headerBytes || payloadBytes > this.#limits.payloadBytes) {
      throw new ChannelError(`a frame of ${headerBytes} and ${payloadBytes} bytes`);
    }
    const bodyStart = LENGTH_BYTES + headerBytes;
    if (data.length < bodyStart) {
      this.#needed = bodyStart;
      return null;
    }
    const header = parseHeader(data.toString("utf8", LENGTH_BYTES, bodyStart));
    const inParts = this.#limits.inParts?.(header) === true;
    const opened = { header, inParts, start: 0, left: payloadBytes };
    return this.#takePayload(opened, data.subarray(bodyStart));
  }

  #takePayload(opened: Opened, data: Buffer): Frame | null {
    const { header, inParts, start, left } = opened;
    const least = inParts ? Math.min(left, PART_BYTES) : left;
    if (data.length < least) {
      this.#restartFrom(data);
      this.#opened = opened;
      this.#needed = least;
      return null;
    }
    const payload = data.subarray(0, left);
    this.#restartFrom(data.subarray(payload.length));
    const missing = left - payload.length;
    if (missing > 0) {
      this.#opened = { header, inParts, start: start + payload.length, left: missing };
      this.#needed = Math.min(missing, PART_BYTES);
    }
    return { header, payload, start };
  }

  #add(chunk: Buffer): void {
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.length < PIECE_BYTES) {
      this.#chunks[this.#chunks.length - 1] = Buffer.concat([last, chunk]);
    } else this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Where in the chunk the newest token ends, which may have begun in earlier chunks; null without one. */
  #findToken(chunk: Buffer): number | null {
    const token = this.#token;
    if (token === null) return null;
    const length = token.length - 1;
    const before = this.#tail.length;
    // The end of the earlier chunks and the beginning of this one, so that a large chunk is not copied.
    const seam = Buffer.concat([this.#tail, chunk.subarray(0, length)]);
    const end = chunk.length > length ? chunk.subarray(-length) : seam;
    this.#tail = Buffer.from(end.subarray(-length));
    const inside = chunk.lastIndexOf(token);
    if (inside >= 0) return inside + token.length;
    const across = seam.lastIndexOf(token);
    return across < 0 ? null : across + token.length - before;
  }

  #restartFrom(rest: Buffer): void {
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    this.#needed = LENGTH_BYTES;
    this.#opened = null;
  }
}

function parseHeader(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ChannelError("a header that is not JSON", { cause });
  }
}
