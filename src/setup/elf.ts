/**
 * Which shared libraries a program needs, read from the file itself.
 *
 * `ldd` would run the loader on each of some six hundred files; reading the dynamic section takes
 * milliseconds and runs nothing. Only 64-bit little-endian files are read: x86_64 and aarch64 are.
 * Layout: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
import { closeSync, openSync, readSync } from "node:fs";

export interface ElfFacts {
  /** Names as the loader will look for them: `libz.so.1`. */
  needed: string[];
  /** Path of the loader, for programs and for the C library itself. */
  interpreter: string | null;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
/** Bounds against damaged files: real ones have about 15 segments and 60 dynamic entries. */
const MOST_SEGMENTS = 256;
const MOST_DYNAMIC_BYTES = 1 << 20;

/** Null when the file is no ELF file of the supported kind. */
export function readElf(path: string): ElfFacts | null {
  const file = openSync(path, "r");
  try {
    const read = (offset: number, length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    };
    return readFacts(read);
  } finally {
    closeSync(file);
  }
}

type Read = (offset: number, length: number) => Buffer;

interface Segment {
  type: number;
  offset: number;
  address: number;
  size: number;
}

function readFacts(read: Read): ElfFacts | null {
  const header = read(0, 64);
  if (
    header.length < 64 ||
    header.readUInt32BE(0) !== 0x7f454c46 ||
    header[4] !== 2 ||
    header[5] !== 1
  )
    return null;
  const segments = readSegments(read, header);
  const interpreter = segments.find((segment) => segment.type === PT_INTERP);
  return {
    needed: readNeeded(read, segments),
    interpreter: interpreter
      ? text(read(interpreter.offset, Math.min(interpreter.size, 4096)))
      : null,
  };
}

function readSegments(read: Read, header: Buffer): Segment[] {
  const size = header.readUInt16LE(54);
  const count = Math.min(header.readUInt16LE(56), MOST_SEGMENTS);
  const table = read(Number(header.readBigUInt64LE(32)), size * count);
  const segments: Segment[] = [];
  if (size < 56) return segments;
  for (let index = 0; index < Math.floor(table.length / size); index++) {
    const at = index * size;
    segments.push({
      type: table.readUInt32LE(at),
      offset: Number(table.readBigUInt64LE(at + 8)),
      address: Number(table.readBigUInt64LE(at + 16)),
      size: Number(table.readBigUInt64LE(at + 32)),
    });
  }
  return segments;
}

function readNeeded(read: Read, segments: Segment[]): string[] {
  const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
  if (!dynamic) return [];
  const table = read(dynamic.offset, Math.min(dynamic.size, MOST_DYNAMIC_BYTES));
  const nameOffsets: number[] = [];
  let names: number | undefined;
  for (let at = 0; at + 16 <= table.length; at += 16) {
    const tag = table.readBigInt64LE(at);
    const value = Number(table.readBigUInt64LE(at + 8));
    if (tag === DT_NEEDED) nameOffsets.push(value);
    if (tag === DT_STRTAB) names = value;
  }
  if (names === undefined) return [];
  const base = fileOffset(segments, names);
  return nameOffsets.map((offset) => text(read(base + offset, 512)));
}

/** Addresses in the dynamic section are those of the loaded image. */
function fileOffset(segments: Segment[], address: number): number {
  const home = segments.find(
    (segment) =>
      segment.type === PT_LOAD &&
      address >= segment.address &&
      address < segment.address + segment.size,
  );
  return home ? address - home.address + home.offset : address;
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}
