/**
 * `multipart/form-data`, part by part as it arrives, so that a file of any size costs a few pieces of memory.
 *
 * A part's bytes end at the next delimiter, `\r\n--boundary`. What could be the beginning of one is held until the
 * next piece tells; all else goes out at once. Heads and the number of parts are bounded. A body that ends before
 * its closing delimiter was cut off and is refused.
 */
import { GatewayError } from "../errors.ts";

export interface Part {
  name: string;
  /** Null for a field. */
  filename: string | null;
  /** Of a file; empty when the client says nothing. */
  type: string;
  /** To be read before the next part is asked for; what is left of it is passed over. */
  body: AsyncIterable<Buffer>;
}

const PARTS_MAX = 32;
const HEAD_BYTES_MAX = 16 * 1024;
const BREAK = Buffer.from("\r\n");
const HEAD_END = Buffer.from("\r\n\r\n");

export async function* readParts(
  chunks: AsyncIterable<Uint8Array>,
  contentType: string,
): AsyncGenerator<Part, void> {
  const delimiter = Buffer.from(`\r\n--${readBoundary(contentType)}`);
  const source = chunks[Symbol.asyncIterator]();
  // The first delimiter may stand at the very beginning.
  let held: Buffer = BREAK;

  try {
    for await (const passed of untilDelimiter()) void passed;
    for (let parts = 0; !(await isLast()); parts += 1) {
      if (parts === PARTS_MAX) throw broken(`it has more than ${PARTS_MAX} parts`);
      const body = untilDelimiter();
      yield { ...parseHead(await readHead()), body };
      for await (const passed of body) void passed;
    }
    // Whatever follows is nobody's, but a body that was cut off must not pass for a whole one.
    while (await more()) held = Buffer.alloc(0);
  } finally {
    await source.return?.();
  }

  async function more(): Promise<boolean> {
    const { done, value } = await source.next();
    if (done === true) return false;
    held = held.length === 0 ? Buffer.from(value) : Buffer.concat([held, value]);
    return true;
  }

  async function need(length: number): Promise<void> {
    while (held.length < length) if (!(await more())) throw broken("it was cut off");
  }

  /** Gives the bytes before the next delimiter, and takes the delimiter itself. */
  async function* untilDelimiter(): AsyncGenerator<Buffer, void> {
    for (;;) {
      const at = held.indexOf(delimiter);
      if (at >= 0) {
        const rest = held.subarray(0, at);
        held = held.subarray(at + delimiter.length);
        if (rest.length > 0) yield rest;
        return;
      }
      const safe = held.length - delimiter.length + 1;
      if (safe > 0) {
        const piece = held.subarray(0, safe);
        held = held.subarray(safe);
        yield piece;
      }
      if (!(await more())) throw broken("it was cut off");
    }
  }

  async function isLast(): Promise<boolean> {
    await need(2);
    return held.subarray(0, 2).toString("latin1") === "--";
  }

  /** The lines of a part's head. The line of the delimiter may end in blanks. */
  async function readHead(): Promise<string[]> {
    let end = held.indexOf(HEAD_END);
    for (; end < 0; end = held.indexOf(HEAD_END)) {
      if (held.length > HEAD_BYTES_MAX) throw broken("a part has no end of its head");
      if (!(await more())) throw broken("it was cut off");
    }
    const [rest = "", ...lines] = held.subarray(0, end).toString("utf8").split("\r\n");
    if (rest.trim() !== "") throw broken("a delimiter is followed by something else");
    held = held.subarray(end + HEAD_END.length);
    return lines;
  }
}

function readBoundary(contentType: string): string {
  const [, quoted, bare] =
    /;\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? bare;
  if (boundary === undefined) throw broken("its content-type names no boundary");
  return boundary;
}

function parseHead(lines: readonly string[]): Omit<Part, "body"> {
  const fields = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const disposition = fields.get("content-disposition") ?? "";
  const name = parameterOf(disposition, "name");
  if (!/^form-data\s*;/i.test(disposition) || name === null) throw broken("a part has no name");
  return {
    name,
    filename: extendedOf(disposition) ?? parameterOf(disposition, "filename"),
    type: fields.get("content-type") ?? "",
  };
}

/** Clients write a quote as `%22` or `\"`, line breaks as `%0D` and `%0A`. */
function parameterOf(disposition: string, name: string): string | null {
  const pattern = new RegExp(`;\\s*${name}=(?:"((?:\\\\"|[^"])*)"|([^\\s;"]*))`, "i");
  const [, quoted, bare] = pattern.exec(disposition) ?? [];
  if (quoted === undefined) return bare ?? null;
  return quoted
    .replaceAll('\\"', '"')
    .replaceAll(/%(22|0D|0A)/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
}

/** `filename*=UTF-8''…`, which some send for letters outside of ASCII. */
function extendedOf(disposition: string): string | null {
  const [, encoded] = /;\s*filename\*=utf-8'[^']*'([^\s;]+)/i.exec(disposition) ?? [];
  if (encoded === undefined) return null;
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw broken("the name of a file is not encoded as it says");
  }
}

function broken(why: string): GatewayError {
  return new GatewayError("invalid_request", `The body is not valid multipart/form-data: ${why}.`);
}
