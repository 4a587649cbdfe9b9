/**
 * One request to a search engine's server: bounded in time and size, and every way in which it can fail in
 * the words that the model and the client are told. The operator has chosen the server, so its address is
 * not checked as a page's is; but it is not followed elsewhere, because the key goes with the request.
 */
import { z } from "zod";

import { SearchError } from "./engine.ts";

export interface EngineRequest<Answer> {
  /** For messages: `SearXNG`. */
  engine: string;
  url: URL;
  headers?: Record<string, string>;
  /** Sent as JSON with POST. */
  body?: object;
  schema: z.ZodType<Answer>;
  timeoutMs: number;
}

/** Ten results of any engine are a few hundred kilobytes at most. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

export async function askEngine<Answer>(
  request: EngineRequest<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  const { engine, schema, timeoutMs } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await send(request, AbortSignal.any([signal, timeout]));
    await refuseStatus(response, engine);
    const parsed = schema.safeParse(JSON.parse(await readBounded(response, engine)));
    if (parsed.success) return parsed.data;
    throw new SearchError(
      "unavailable",
      `${engine} answered something that is not search results.`,
    );
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof SearchError) throw cause;
    if (timeout.aborted)
      throw new SearchError(
        "unavailable",
        `${engine} did not answer in ${timeoutMs / 1000} seconds.`,
        cause,
      );
    if (cause instanceof SyntaxError)
      throw new SearchError("unavailable", `${engine} answered something that is not JSON.`, cause);
    throw new SearchError("unavailable", `${engine} cannot be reached.`, cause);
  }
}

function send(
  { url, headers, body }: EngineRequest<unknown>,
  signal: AbortSignal,
): Promise<Response> {
  const accept = { accept: "application/json", ...headers };
  if (body === undefined) return fetch(url, { headers: accept, redirect: "manual", signal });
  return fetch(url, {
    method: "POST",
    headers: { ...accept, "content-type": "application/json" },
    body: JSON.stringify(body),
    redirect: "manual",
    signal,
  });
}

async function refuseStatus(response: Response, engine: string): Promise<void> {
  const { status } = response;
  if (response.ok) return;
  await response.body?.cancel();
  // 432 and 433 are Tavily's words for a used-up plan.
  if (status === 429 || status === 402 || status === 432 || status === 433)
    throw new SearchError(
      "too_many_requests",
      `${engine} refuses more searches: its quota or rate limit is reached.`,
    );
  if (status === 414)
    throw new SearchError("query_too_long", `The query is too long for ${engine}.`);
  if (status === 401 || status === 403)
    throw new SearchError(
      "unavailable",
      `${engine} refuses access (status ${status}): the operator has to check CURTA_SEARCH_KEY, or allow JSON answers there.`,
    );
  throw new SearchError("unavailable", `${engine} failed with status ${status}.`);
}

async function readBounded(response: Response, engine: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX)
      throw new SearchError("unavailable", `${engine} answered more than search results can be.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
