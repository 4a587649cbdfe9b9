/**
 * What a JSON text would cost to parse, told from its brackets and commas.
 *
 * A parser holds an open list of tens of bytes for each `[`, so 30 MB of them would take seconds and more
 * than a gigabyte before the first error. One pass over the bytes, which jumps over strings, finds that out
 * in a fraction of the time and with no memory. It does not validate; that is the parser's work.
 */
import { GatewayError } from "../errors.ts";
import { DEPTH_MAX, NODES_MAX } from "../wire/validation.ts";

/** Values between commas; a request of a thousand long messages has some ten thousand. */
const VALUES_MAX = 2_000_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Throws `invalid_request` for a text that is nested too deeply or holds too much. */
export function checkJsonShape(text: Buffer): void {
  let depth = 0;
  let nodes = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at] ?? 0) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        depth += 1;
        nodes += 1;
        if (depth > DEPTH_MAX + 1) throw tooMuch(`is nested more than ${DEPTH_MAX} levels deep`);
        if (nodes > NODES_MAX) throw tooMuch(`has more than ${NODES_MAX} lists and objects`);
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth -= 1;
        break;
      case COMMA:
        values += 1;
        if (values > VALUES_MAX) throw tooMuch(`has more than ${VALUES_MAX} values`);
        break;
      default:
    }
  }
}

/** The position of the quote that ends the string, or the text's end. */
function endOfString(text: Buffer, start: number): number {
  for (let quote = text.indexOf(QUOTE, start + 1); quote !== -1;) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote;
    quote = text.indexOf(QUOTE, quote + 1);
  }
  return text.length;
}

function tooMuch(what: string): GatewayError {
  return new GatewayError("invalid_request", `The request ${what}.`);
}
