/**
 * The Files API: what code made can be listed and fetched, and files can be sent for later requests.
 *
 * The list answers both generations of SDKs at once: `first_id`, `last_id` and `has_more` for the
 * older pager, `next_page` for the newer. https://platform.claude.com/docs/en/build-with-claude/files
 */
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import type { StoredFile } from "../store/files.ts";
import { parseUploadFilename, parseUploadType } from "../store/filename.ts";
import { readBody } from "./request-body.ts";
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

/** Uploads are held in memory whole; so many of the largest size may be under way at once. */
const LARGEST_UPLOADS = 2;
const MIB = 1024 * 1024;

export function uploadFile({ files, config, clock }: Services): AppHandler {
  const largest = config.uploadMb * MIB;
  let bytesUnderWay = 0;

  return async (context) => {
    const declared = Number(context.req.header("content-length") ?? largest);
    const bytes = Math.min(Number.isNaN(declared) ? largest : declared, largest);
    if (bytesUnderWay + bytes > LARGEST_UPLOADS * largest) {
      throw new GatewayError("overloaded", "Too many large uploads are under way.", {
        retryAfterSeconds: 2,
      });
    }
    bytesUnderWay += bytes;
    try {
      return await upload(context);
    } finally {
      bytesUnderWay -= bytes;
    }
  };

  async function upload(context: AppContext): Promise<Response> {
    const type = context.req.header("content-type") ?? "";
    if (!/^multipart\/form-data\s*;/i.test(type)) {
      throw new GatewayError(
        "invalid_request",
        "The body must be multipart/form-data with a part named file.",
      );
    }
    const body = await readBody(context.req.raw, { mb: config.uploadMb, setting: "uploadMb" });
    const form = await parseForm(body, type);
    const part = form.get("file");
    if (!(part instanceof File))
      throw new GatewayError("invalid_request", "file: required, a part with a filename.");
    const expiresIn = ExpiresIn.safeParse(form.get("expires_in_seconds") ?? undefined);
    if (!expiresIn.success) {
      throw new GatewayError(
        "invalid_request",
        "expires_in_seconds: must be a whole number from 3600 to 7776000.",
      );
    }
    const filename = parseUploadFilename(part.name, part.type);
    const file = await files.add({
      filename,
      mimeType: parseUploadType(part.type, filename),
      bytes: new Uint8Array(await part.arrayBuffer()),
      downloadable: false,
      ...(expiresIn.data !== undefined && { expiresAt: new Date(clock() + expiresIn.data * 1000) }),
    });
    return context.json(toFileObject(file));
  }
}

async function parseForm(body: Buffer, contentType: string): Promise<FormData> {
  try {
    return await new Response(body as Uint8Array<ArrayBuffer>, {
      headers: { "content-type": contentType },
    }).formData();
  } catch (cause) {
    throw new GatewayError("invalid_request", "The body is not valid multipart/form-data.", {
      cause,
    });
  }
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
