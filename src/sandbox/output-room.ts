/**
 * The server's memory for what running executions have put out and nobody has taken yet.
 *
 * Each execution has limits of its own, but many of them together would add up to more than a machine has. So all
 * take from one room, and each may hold a quarter of what is free besides: one alone never notices, a few
 * greedy ones get less each the more they are, and whoever prints little always finds room (the dynamic thresholds
 * of Choudhury and Hahne, for buffers that many queues share). What finds none is left out, as beyond any limit.
 */
export interface OutputRoom {
  /** For one execution; to be closed when its output has been taken. */
  open(): OutputShare;
}

export interface OutputShare {
  /** Gives how many of the bytes there is room for, which are held from now on. */
  take(bytes: number): number;
  /** The same for what is of no use in part: false when there is no room for all of it, and nothing is held. */
  takeWhole(bytes: number): boolean;
  close(): void;
}

const PART_OF_FREE = 1 / 4;
/** Whatever the others hold: an error message and its stack. Bounded by the number of executions. */
const ALWAYS_BYTES = 64 << 10;

export function createOutputRoom(totalBytes: number): OutputRoom {
  let used = 0;
  return {
    open() {
      let held = 0;
      const free = () => {
        // What it takes now is free no longer, however large the pieces are in which it comes.
        const more = ((totalBytes - used) * PART_OF_FREE - held) / (1 + PART_OF_FREE);
        return Math.max(0, ALWAYS_BYTES - held, Math.floor(more));
      };
      const hold = (bytes: number) => {
        held += bytes;
        used += bytes;
        return bytes;
      };
      return {
        take: (bytes) => hold(Math.min(bytes, free())),
        takeWhole: (bytes) => bytes <= free() && hold(bytes) === bytes,
        close() {
          used -= held;
          held = 0;
        },
      };
    },
  };
}
