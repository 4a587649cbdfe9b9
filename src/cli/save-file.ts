/** Saves what code made into the user's folder: under a harmless name, and never over another file. */
import { writeFile } from "node:fs/promises";
import { extname, join } from "node:path";

import { GatewayError } from "../errors.ts";

const MOST_ATTEMPTS = 1000;
const LONGEST = 200;

/** Returns the name it was saved under: `chart.png`, or `chart-2.png` when that exists. */
export async function saveFile(
  folder: string,
  filename: string,
  bytes: Uint8Array,
): Promise<string> {
  const name = toHarmlessName(filename);
  const extension = extname(name);
  const stem = name.slice(0, name.length - extension.length);
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
    const candidate = attempt === 1 ? name : `${stem}-${attempt}${extension}`;
    try {
      // `wx` makes the file or fails, so nothing can appear between the look and the write.
      await writeFile(join(folder, candidate), bytes, { flag: "wx" });
      return candidate;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== "EEXIST")
        throw new GatewayError(
          "storage_full",
          `${candidate} could not be saved in ${folder}: ${code}.`,
          { cause },
        );
    }
  }
  throw new GatewayError(
    "conflict",
    `${name} could not be saved: ${MOST_ATTEMPTS} files of that name are here already.`,
  );
}

/** The last part of a path, not hidden (`.bashrc` here would be read by a shell), without controls. */
export function toHarmlessName(filename: string): string {
  const last = filename.split(/[/\\]/).at(-1) ?? "";
  const clean = last
    .replaceAll(/[<>:"|?*\p{C}]/gu, "_")
    .replace(/^[.\-\s]+/, "")
    .trim();
  return clean === "" ? "file" : shorten(clean);
}

function shorten(name: string): string {
  const extension = extname(name).slice(0, 20);
  return name.length <= LONGEST ? name : name.slice(0, LONGEST - extension.length) + extension;
}

const IMAGE_EXTENSIONS: Record<string, string> = {
  "image/png": ".png",
  "image/jpeg": ".jpg",
  "image/gif": ".gif",
  "image/svg+xml": ".svg",
};

/** The picture of a display as a file, null when it has none. */
export function toChart(
  data: Record<string, string>,
): { extension: string; bytes: Uint8Array } | null {
  for (const [type, extension] of Object.entries(IMAGE_EXTENSIONS)) {
    const content = data[type];
    if (content !== undefined)
      return {
        extension,
        bytes: Buffer.from(content, type === "image/svg+xml" ? "utf8" : "base64"),
      };
  }
  return null;
}
