/**
 * Text as it stands between the quotes of a JSON string, in UTF-8.
 *
 * `JSON.stringify` looks at each character and takes two nanoseconds for it, which for ten megabytes of output is half
 * of what the code that printed them takes. Here a small WebAssembly function looks at sixteen bytes at a time and
 * stops only at those that have to be escaped. It is written out below, in instructions. Where a processor has no
 * vectors for it `JSON.stringify` does the work, and it is what the tests compare with.
 *
 * The function's memory: a table with the escape of each byte, the text, the escaped text. The text ends with a
 * quote, so that the loop finds an end without counting: `escape(from, end, to)` copies and returns where it stopped
 * to write. The vectors read and write up to fifteen bytes too far, for which there is room.
 */
export type Escape = (text: string) => Buffer;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const CONTROLS = 0x20;
/** An entry has up to seven bytes and their number. */
const ENTRY_BYTES = 8;
const VECTOR_BYTES = 16;
const TEXT_BYTES = 1 << 16;
const GROWTH_MAX = String.raw`\u0000`.length;
const TEXT_AT = 256 * ENTRY_BYTES;
const ESCAPED_AT = TEXT_AT + TEXT_BYTES + VECTOR_BYTES;
const PAGES = Math.ceil((ESCAPED_AT + GROWTH_MAX * TEXT_BYTES + VECTOR_BYTES) / (1 << 16));

const [FROM, END, TO, FOUND, BYTES] = [0, 1, 2, 3, 4];
const INTEGER = 0x7f;
const VECTOR = 0x7b;
const NOTHING = 0x40;
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const tee = (local: number) => [0x22, local];
const vector = (operation: number) => [0xfd, operation];
/** Of an address without alignment. */
const at = (offset: number) => [0x00, offset];
const number = (value: number) => [0x41, ...(value < 0x40 ? [value] : [value | 0x80, 0x00])];
const again = (depth: number) => [0x0c, depth];
const LOOP = [0x03, NOTHING];
const IF = [0x04, NOTHING];
const STOP = [0x0b];
const RETURN = [0x0f];
const UNREACHABLE = [0x00];
const IS_ZERO = [0x45];
const NOT_BELOW = [0x4f];
const ADD = [0x6a];
const FIRST_BIT = [0x68];
const SHIFT_LEFT = [0x74];
const LOAD_BYTE = [0x2d];
const LOAD_EIGHT = [0x29];
const STORE_EIGHT = [0x37];
const SPLAT = vector(0x0f);
const EQUAL = vector(0x23);
const LESS = vector(0x26);
const OR = vector(0x50);
const BITS = vector(0x64);

/** Its instructions, in lines. */
const BODY: number[][][] = [
  [LOOP],
  // Copy sixteen bytes.
  [get(TO), get(FROM), vector(0x00), at(0), tee(BYTES), vector(0x0b), at(0)],
  // A bit for each of them that has to be escaped.
  [get(BYTES), number(CONTROLS), SPLAT, LESS],
  [get(BYTES), number(QUOTE), SPLAT, EQUAL, OR],
  [get(BYTES), number(BACKSLASH), SPLAT, EQUAL, OR],
  [BITS, tee(FOUND)],
  // None: go on behind them.
  [IS_ZERO, IF],
  [get(FROM), number(VECTOR_BYTES), ADD, set(FROM)],
  [get(TO), number(VECTOR_BYTES), ADD, set(TO)],
  [again(1), STOP],
  // Go to the first of them, which may be the quote at the end.
  [get(FROM), get(FOUND), FIRST_BIT, ADD, set(FROM)],
  [get(TO), get(FOUND), FIRST_BIT, ADD, set(TO)],
  [get(FROM), get(END), NOT_BELOW, IF, get(TO), RETURN, STOP],
  // Write its entry, all of it, and go on behind what of that counts.
  [get(TO), get(FROM), LOAD_BYTE, at(0), number(3), SHIFT_LEFT, tee(FOUND)],
  [LOAD_EIGHT, at(0), STORE_EIGHT, at(0)],
  [get(TO), get(FOUND), LOAD_BYTE, at(ENTRY_BYTES - 1), ADD, set(TO)],
  [get(FROM), number(1), ADD, set(FROM)],
  [again(0), STOP],
  // Nothing comes here, but a function ends with its value.
  [UNREACHABLE, STOP],
];

/** Lengths below 128 are one byte, longer ones two. */
const sized = (bytes: readonly number[]): number[] =>
  bytes.length < 0x80
    ? [bytes.length, ...bytes]
    : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7, ...bytes];
const name = (text: string) => sized([...Buffer.from(text)]);
const section = (id: number, content: readonly number[]) => [id, ...sized(content)];

/** The form's name and version. */
const HEAD = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const MODULE = [
  ...HEAD,
  ...section(1, [1, 0x60, 3, INTEGER, INTEGER, INTEGER, 1, INTEGER]),
  ...section(3, [1, 0]),
  ...section(5, [1, 0x00, PAGES]),
  ...section(7, [2, ...name("memory"), 0x02, 0, ...name("escape"), 0x00, 0]),
  ...section(10, [1, ...sized([2, 1, INTEGER, 1, VECTOR, ...BODY.flat(2)])]),
];

export function createEscape(): Escape {
  const bytes = Uint8Array.from(MODULE);
  if (!WebAssembly.validate(bytes)) return escapePlainly;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const escape = exports.escape as (from: number, end: number, to: number) => number;
  const memory = new Uint8Array((exports.memory as WebAssembly.Memory).buffer);
  writeTable(memory);
  const room = memory.subarray(TEXT_AT, TEXT_AT + TEXT_BYTES);
  const encoder = new TextEncoder();
  return (text) => {
    // Halves of characters become question marks in UTF-8.
    if (!text.isWellFormed()) return escapePlainly(text);
    const pieces: Buffer[] = [];
    for (let rest = text; rest !== "";) {
      const { read, written } = encoder.encodeInto(rest, room);
      memory[TEXT_AT + written] = QUOTE;
      const end = escape(TEXT_AT, TEXT_AT + written, ESCAPED_AT);
      pieces.push(Buffer.from(memory.subarray(ESCAPED_AT, end)));
      rest = rest.slice(read);
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  };
}

function writeTable(memory: Uint8Array): void {
  for (let byte = 0; byte <= BACKSLASH; byte += 1) {
    const entry = escapePlainly(String.fromCharCode(byte));
    memory.set(entry, byte * ENTRY_BYTES);
    memory[byte * ENTRY_BYTES + ENTRY_BYTES - 1] = entry.length;
  }
}

function escapePlainly(text: string): Buffer {
  return Buffer.from(JSON.stringify(text)).subarray(1, -1);
}
