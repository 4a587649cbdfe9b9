/**
 * Request bodies, whole or not at all; those of uploads in pieces, whose end tells whether they were whole.
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
  const coding = request.headers.get("content-encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity") {
    throw new GatewayError(
      "invalid_request",
      `The body is encoded (content-encoding: ${coding.slice(0, 50)}); send it as it is.`,
    );
  }
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
  const chunks: Uint8Array[] = [];
  for await (const chunk of count(request, limitBytes, limit)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A body in the pieces in which it arrives. What has come before an error was not all. */
export async function* streamBody(
  request: Request,
  limit: { mb: number; setting: string },
): AsyncGenerator<Uint8Array, void> {
  const limitBytes = limit.mb * MIB;
  const header = request.headers.get("content-length");
  if (header !== null && Number(header) > limitBytes) throw tooLarge(limit);
  let size = 0;
  try {
    for await (const chunk of count(request, limitBytes, limit)) {
      size += chunk.byteLength;
      yield chunk;
    }
  } catch (cause) {
    throw cause instanceof GatewayError ? cause : cutOff(cause);
  }
  if ((header !== null && size !== Number(header)) || request.signal.aborted)
    throw cutOff(undefined);
}

const PASSED_OVER_MB = 64;
const PASSED_OVER_MS = 2000;

/**
 * Reads what is left of a body that is refused, within bounds, so that its client comes to read why: bytes that nobody
 * takes stop the connection, also for the next request on it.
 */
export async function passOver(request: Request): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, PASSED_OVER_MS);
  await Promise.race([readOut(), late.promise]);
  clearTimeout(timer);

  async function readOut(): Promise<void> {
    try {
      for await (const passed of count(request, PASSED_OVER_MB * MIB, LEFT_OVER)) void passed;
    } catch {
      // The client has gone, or sends too much: nothing is owed to it.
    }
  }
}

const LEFT_OVER = { mb: PASSED_OVER_MB, setting: "" };

async function* count(
  request: Request,
  limitBytes: number,
  limit: { mb: number; setting: string },
): AsyncGenerator<Uint8Array, void> {
  if (request.body === null) return;
  let size = 0;
  // A canceled body closes the connection, and the client would not read why.
  for await (const chunk of request.body.values({ preventCancel: true })) {
    size += chunk.byteLength;
    if (size > limitBytes) throw tooLarge(limit);
    yield chunk;
  }
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
