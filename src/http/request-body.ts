/**
 * Request bodies, whole or not at all.
 *
 * A body is bounded while it is read, not after. One that was cut off, or whose sender has gone by the
 * time it is complete, is not carried out: whoever sent it cannot know what of it arrived.
 */
import { z } from "zod";

import { GatewayError } from "../errors.ts";
import { checkJsonShape } from "./json-shape.ts";

const MIB = 1024 * 1024;

/** Reads a JSON body through its schema; the first problem becomes the message of a 400. */
export async function readJson<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
  limit: { mb: number; setting: string },
): Promise<z.output<Schema>> {
  requireJson(request);
  return parseBody(parseJson(await readBody(request, limit)), schema);
}

/** Refuses what an HTML form can send, so that a page cannot post to a server it may not read from. */
export function requireJson(request: Request): void {
  const type = request.headers.get("content-type");
  if (type !== null && /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type.trim())) return;
  throw new GatewayError(
    "invalid_request",
    `The body must be JSON, sent with content-type: application/json${type === null ? "" : `, not ${JSON.stringify(type.slice(0, 100))}`}.`,
  );
}

export async function readBody(
  request: Request,
  limit: { mb: number; setting: string },
): Promise<Buffer> {
  const limitBytes = limit.mb * MIB;
  const header = request.headers.get("content-length");
  const declared = header === null ? null : Number(header);
  if (declared !== null && declared > limitBytes) throw tooLarge(limit);
  let body: Buffer;
  try {
    // With a declared length the HTTP parser lets through no more than that, so nothing needs counting.
    body =
      declared === null
        ? await readCounted(request, limitBytes, limit)
        : Buffer.from(await request.arrayBuffer());
  } catch (cause) {
    throw cause instanceof GatewayError ? cause : cutOff(cause);
  }
  if (body.byteLength > limitBytes) throw tooLarge(limit);
  if ((declared !== null && body.byteLength !== declared) || request.signal.aborted)
    throw cutOff(undefined);
  return body;
}

async function readCounted(
  request: Request,
  limitBytes: number,
  limit: { mb: number; setting: string },
): Promise<Buffer> {
  if (request.body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size > limitBytes) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Throws a 400 that says what is wrong with the text; costs no more than a large request does. */
export function parseJson(body: Buffer): unknown {
  checkJsonShape(body);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : "it does not parse";
    throw new GatewayError("invalid_request", `The body is not valid JSON: ${reason}`);
  }
}

function parseBody<Schema extends z.ZodType>(body: unknown, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.join(".") ?? "";
  throw new GatewayError(
    "invalid_request",
    `${path === "" ? "" : `${path}: `}${issue?.message ?? "not valid"}`,
  );
}

function tooLarge({ mb, setting }: { mb: number; setting: string }): GatewayError {
  return new GatewayError("request_too_large", `The body is larger than ${mb} MiB (${setting}).`);
}

function cutOff(cause: unknown): GatewayError {
  return new GatewayError("invalid_request", "The body was cut off, so nothing was carried out.", {
    cause,
  });
}
