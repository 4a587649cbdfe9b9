import { expect, test } from "vitest";

import { describeImage, readImageSize } from "./image.ts";

const bytes = (...parts: (number[] | string)[]): string =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string, "latin1"))).toString("base64");

const PNG = bytes("\x89PNG\r\n\x1a\n", "\0\0\0\rIHDR", [0, 0, 2, 128, 0, 0, 1, 224]);
const GIF = bytes("GIF89a", [64, 1, 200, 0]);
const APP0 = [0xff, 0xe0, 0, 4, 1, 2];
const JPEG = bytes([0xff, 0xd8], APP0, [0xff, 0xc0, 0, 11, 8, 0, 100, 0, 200, 1, 1]);
const riff = (kind: string, ...parts: number[][]): string =>
  bytes("RIFF", [0, 0, 0, 0], `WEBP${kind}`, [0, 0, 0, 0], ...parts, [0, 0, 0, 0]);
const WEBP_EXTENDED = riff("VP8X", [0, 0, 0, 0], [31, 3, 0], [87, 2, 0]);
const WEBP_LOSSLESS = riff("VP8L", [0x2f], [0x1f, 0xc3, 0x95, 0x00], [0]);
const WEBP_LOSSY = riff("VP8 ", [0, 0, 0, 0x9d, 1, 0x2a], [32, 3], [88, 2]);

test.each([
  ["a PNG", "image/png", PNG, { width: 640, height: 480 }],
  ["a GIF", "image/gif", GIF, { width: 320, height: 200 }],
  ["a JPEG behind its metadata", "image/jpeg", JPEG, { width: 200, height: 100 }],
  ["an extended WebP", "image/webp", WEBP_EXTENDED, { width: 800, height: 600 }],
  ["a lossless WebP", "image/webp", WEBP_LOSSLESS, { width: 800, height: 600 }],
  ["a lossy WebP", "image/webp", WEBP_LOSSY, { width: 800, height: 600 }],
  ["a PNG cut short", "image/png", PNG.slice(0, 16), null],
  ["a JPEG without a frame", "image/jpeg", bytes([0xff, 0xd8], APP0, APP0, APP0), null],
  [
    "a JPEG whose segment has no length",
    "image/jpeg",
    bytes([0xff, 0xd8, 0xff, 0xe0, 0, 0], APP0),
    null,
  ],
  ["nothing", "image/webp", "", null],
  ["another type", "image/svg+xml", bytes("<svg/>"), null],
])("the size of %s", (_name, mediaType, data, size) => {
  expect(readImageSize(mediaType, data)).toEqual(size);
});

test("an image is described with its size where that is known", () => {
  expect(describeImage("image/png", PNG)).toBe("PNG 640x480");
  expect(describeImage("image/webp", "")).toBe("WEBP");
});
