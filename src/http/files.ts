/**
 * The Files API: what code made can be listed and fetched, and files can be sent for later requests.
 *
 * The list answers both generations of SDKs at once: `first_id`, `last_id` and `has_more` for the
 * older pager, `next_page` for the newer. https://platform.claude.com/docs/en/build-with-claude/files
 */
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import type { ReceivedBytes, StoredFile } from "../store/files.ts";
import { parseUploadFilename, parseUploadType } from "../store/filename.ts";
import { type Part, readParts } from "./multipart.ts";
import { passOver, streamBody } from "./request-body.ts";
import { bytesResponse } from "./bytes-response.ts";
import { PageQuery, parseQuery } from "./page-query.ts";
import type { AppContext, AppHandler, Services } from "./services.ts";

const PAGE_PREFIX = "page_";
const MAX_IDS = 100;

const FilesQuery = PageQuery.extend({
  page: z
    .string()
    .startsWith(PAGE_PREFIX, 'must be the "next_page" of an earlier answer')
    .optional(),
});

const ExpiresIn = z.coerce.number().int().min(3600).max(7_776_000).optional();

export function listFiles({ files }: Services): AppHandler {
  return (context) => {
    const ids = [...(context.req.queries("ids[]") ?? []), ...(context.req.queries("ids") ?? [])];
    const query = context.req.query();
    if (ids.length > 0) {
      if (ids.length > MAX_IDS)
        throw new GatewayError("invalid_request", `ids: at most ${MAX_IDS} at once.`);
      if (query.page !== undefined || query.limit !== undefined) {
        throw new GatewayError("invalid_request", "ids: not together with page or limit.");
      }
      return context.json(toPage(files.listByIds(ids), false));
    }
    const { limit, page, after_id: afterId, before_id: beforeId } = parseQuery(FilesQuery, query);
    // The older list can be asked for the files of one scope; no file here belongs to any.
    if (query.scope_id) return context.json(toPage([], false));
    if ([page, afterId, beforeId].filter((cursor) => cursor !== undefined).length > 1) {
      throw new GatewayError(
        "invalid_request",
        "Only one of page, after_id and before_id at a time.",
      );
    }
    const found = files.list({
      limit,
      afterId: page?.slice(PAGE_PREFIX.length) ?? afterId,
      beforeId,
    });
    return context.json(toPage(found.files, found.hasMore));
  };
}

export function getFile({ files }: Services): AppHandler {
  return (context) => context.json(toFileObject(files.get(context.req.param("id")!)));
}

export function getFileContent({ files }: Services): AppHandler {
  return async (context) => {
    const file = files.get(context.req.param("id")!);
    if (!file.downloadable) {
      throw new GatewayError("invalid_request", "File is not downloadable", {
        details: { error_code: "file_not_downloadable" },
      });
    }
    return bytesResponse(await files.stream(file.id), file);
  };
}

export function deleteFile({ files }: Services): AppHandler {
  return async (context) => {
    const id = context.req.param("id")!;
    await files.delete(id);
    return context.json({ id, type: "file_deleted" });
  };
}

/** Each is a connection, an open file and some pieces of memory. */
const UPLOADS_MAX = 32;
/** Of the form around the file. */
const FORM_MB = 1;
const FIELD_BYTES_MAX = 1024;
const MIB = 1024 * 1024;

export function uploadFile({ files, config, clock }: Services): AppHandler {
  let underWay = 0;

  return async (context) => {
    if (underWay === UPLOADS_MAX) {
      throw new GatewayError("overloaded", `${UPLOADS_MAX} uploads are under way already.`, {
        retryAfterSeconds: 2,
      });
    }
    underWay += 1;
    try {
      return await upload(context);
    } catch (cause) {
      await passOver(context.req.raw);
      throw cause;
    } finally {
      underWay -= 1;
    }
  };

  /** The file goes to the disk as it comes; it becomes one of the Files API when the whole form was read. */
  async function upload(context: AppContext): Promise<Response> {
    const type = context.req.header("content-type") ?? "";
    if (!/^multipart\/form-data\s*;/i.test(type)) {
      throw new GatewayError(
        "invalid_request",
        "The body must be multipart/form-data with a part named file.",
      );
    }
    await using received = new AsyncDisposableStack();
    let file: { filename: string; mimeType: string; bytes: ReceivedBytes } | null = null;
    let expiresIn: number | undefined;
    const limit = { mb: config.uploadMb + FORM_MB, setting: "uploadMb" };
    for await (const part of readParts(streamBody(context.req.raw, limit), type)) {
      if (part.name === "file" && part.filename !== null) {
        if (file !== null) throw new GatewayError("invalid_request", "file: only one at a time.");
        const filename = parseUploadFilename(part.filename, part.type);
        const mimeType = parseUploadType(part.type, filename);
        const bytes = received.use(await files.receive(upTo(config.uploadMb, part.body)));
        file = { filename, mimeType, bytes };
      }
      if (part.name === "expires_in_seconds") expiresIn = parseExpiresIn(await readField(part));
    }
    if (file === null)
      throw new GatewayError("invalid_request", "file: required, a part with a filename.");
    const { filename, mimeType, bytes } = file;
    const stored = await bytes.keep({
      filename,
      mimeType,
      downloadable: false,
      ...(expiresIn !== undefined && { expiresAt: new Date(clock() + expiresIn * 1000) }),
    });
    return context.json(toFileObject(stored));
  }
}

async function* upTo(mb: number, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.byteLength;
    if (size > mb * MIB)
      throw new GatewayError("request_too_large", `The file is larger than ${mb} MiB (uploadMb).`);
    yield chunk;
  }
}

async function readField({ name, body }: Part): Promise<string> {
  let text = "";
  for await (const chunk of body) {
    text += chunk.toString("utf8");
    if (text.length > FIELD_BYTES_MAX)
      throw new GatewayError("invalid_request", `${name}: too long.`);
  }
  return text;
}

function parseExpiresIn(text: string): number | undefined {
  const parsed = ExpiresIn.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new GatewayError(
    "invalid_request",
    "expires_in_seconds: must be a whole number from 3600 to 7776000.",
  );
}

function toPage(files: StoredFile[], hasMore: boolean) {
  const data = files.map(toFileObject);
  const last = data.at(-1)?.id ?? null;
  return {
    data,
    first_id: data[0]?.id ?? null,
    last_id: last,
    has_more: hasMore,
    next_page: hasMore && last !== null ? `${PAGE_PREFIX}${last}` : null,
  };
}

function toFileObject(file: StoredFile) {
  return {
    id: file.id,
    type: "file",
    filename: file.filename,
    mime_type: file.mimeType,
    size_bytes: file.sizeBytes,
    created_at: file.createdAt.toISOString(),
    downloadable: file.downloadable,
    expires_at: file.expiresAt?.toISOString() ?? null,
  };
}
