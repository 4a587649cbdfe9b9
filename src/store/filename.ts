/** Names of stored files, by the rules of the Files API. */
import { GatewayError } from "../errors.ts";

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const FORBIDDEN = /[<>:"|?*\\/\u0000-\u001f]/;
const LONGEST = 255;

const EXTENSIONS: Record<string, string> = {
  "application/json": ".json",
  "application/pdf": ".pdf",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
  "image/gif": ".gif",
  "image/jpeg": ".jpg",
  "image/png": ".png",
  "image/svg+xml": ".svg",
  "image/webp": ".webp",
  "text/csv": ".csv",
  "text/html": ".html",
  "text/markdown": ".md",
  "text/plain": ".txt",
};

/** The last part of an upload's name; throws `invalid_request` for a name the Files API refuses. */
export function parseUploadFilename(name: string, mimeType: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? "";
  if (last === "" || last === "." || last === "..")
    return `unnamed${EXTENSIONS[mimeType.split(";")[0] ?? ""] ?? ""}`;
  if (last.length > LONGEST) {
    throw new GatewayError(
      "invalid_request",
      `file: the name has ${last.length} characters, at most ${LONGEST} are allowed.`,
    );
  }
  if (FORBIDDEN.test(last)) {
    throw new GatewayError(
      "invalid_request",
      `file: the name ${JSON.stringify(last)} has one of < > : " | ? * or a control character.`,
    );
  }
  return last;
}

const TYPES = new Map(Object.entries(EXTENSIONS).map(([type, extension]) => [extension, type]));
const NOTHING_SAID = "application/octet-stream";

/** An upload's type; clients that do not know it send one that says nothing, but the name may tell. */
export function parseUploadType(type: string, filename: string): string {
  if (type !== "" && type !== NOTHING_SAID) return type;
  const extension = /\.[^.]+$/.exec(filename)?.[0].toLowerCase() ?? "";
  return TYPES.get(extension) ?? NOTHING_SAID;
}

/** For `content-disposition`: saved under its own name, never shown inside the server's origin. */
export function toContentDisposition(filename: string): string {
  const ascii = filename.replaceAll(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(filename).replaceAll(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
