/**
 * How much a session may say. A cell says what it prints and shows, which is bounded elsewhere, and its harness stops
 * long before these bounds; between two cells a session has hardly a word to say. Whoever says more floods the server,
 * which has other containers to listen to.
 */
import { ChannelError } from "../kernel/channel.ts";

export interface WordQuota {
  /** Throws `ChannelError` beyond the bound. */
  count(frames: number, bytes: number): void;
  beginCell(): void;
  endCell(): void;
}

/** The harness sends at most 32,768 displays, each with what was printed on two streams before it. */
const CELL_FRAMES_MAX = 150_000;
const IDLE_FRAMES_MAX = 10_000;
const IDLE_BYTES_MAX = 32 << 20;

export function createWordQuota(): WordQuota {
  let framesLeft = IDLE_FRAMES_MAX;
  let bytesLeft = IDLE_BYTES_MAX;
  return {
    count(frames, bytes) {
      framesLeft -= frames;
      bytesLeft -= bytes;
      if (framesLeft < 0 || bytesLeft < 0) throw new ChannelError("a flood");
    },
    beginCell() {
      framesLeft = CELL_FRAMES_MAX;
      // Frames are bounded in size, and the cell in time.
      bytesLeft = Infinity;
    },
    endCell() {
      framesLeft = IDLE_FRAMES_MAX;
      bytesLeft = IDLE_BYTES_MAX;
    },
  };
}
