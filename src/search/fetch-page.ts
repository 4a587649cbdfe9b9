/**
 * Fetches one page of a stranger's server, for a model that was told of it by strangers.
 *
 * The server must not become a way into its own network: a name is resolved once, every address that it
 * resolves to has to be allowed, and the connection is made to exactly these, so a name that changes its mind
 * in between changes nothing. Each redirect passes the same checks again. No cookies, no keys, no proxy, no
 * connection kept. One time limit spans everything; bytes are counted after unpacking, so that a small
 * answer cannot become a large one.
 */
import { lookup as resolve } from "node:dns";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";

import { FetchError } from "./fetch-error.ts";

export interface RawPage {
  /** After redirects. */
  url: string;
  /** In lower case, without parameters; empty when the server did not say. */
  mediaType: string;
  /** From the header, or null. */
  charset: string | null;
  bytes: Buffer;
}

export interface PageFetcher {
  /** `mayOpen` is asked for the address and for each redirect. Throws a `FetchError`. */
  fetch(url: string, mayOpen: (url: string) => boolean, signal: AbortSignal): Promise<RawPage>;
}

export interface PageFetcherOptions {
  timeoutMs: number;
  bytesMax: number;
  mayConnect: (address: string) => boolean;
}

const REDIRECTS_MAX = 5;
const HEADER_BYTES_MAX = 64 * 1024;
const REDIRECT_STATUSES = new Set([301, 302, 303, 307, 308]);

export function createPageFetcher(options: PageFetcherOptions): PageFetcher {
  return {
    async fetch(url, mayOpen, signal) {
      const timeout = AbortSignal.timeout(options.timeoutMs);
      try {
        return await follow(url, mayOpen, options, AbortSignal.any([signal, timeout]));
      } catch (cause) {
        signal.throwIfAborted();
        if (cause instanceof FetchError) throw cause;
        const problem = timeout.aborted
          ? `The page did not come within ${options.timeoutMs / 1000} seconds.`
          : "The page cannot be reached.";
        throw new FetchError("url_not_accessible", problem, cause);
      }
    },
  };
}

async function follow(
  first: string,
  mayOpen: (url: string) => boolean,
  options: PageFetcherOptions,
  signal: AbortSignal,
): Promise<RawPage> {
  let url = first;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const parsed = parseUrl(url);
    if (!mayOpen(parsed.href))
      throw new FetchError(
        "url_not_allowed",
        `The address ${parsed.host} is not among the allowed domains.`,
      );
    const response = await send(parsed, options, signal);
    const location = response.headers.location;
    if (REDIRECT_STATUSES.has(response.statusCode ?? 0) && location !== undefined) {
      response.destroy();
      if (!URL.canParse(location, parsed))
        throw new FetchError(
          "url_not_accessible",
          "The page leads to something that is no address.",
        );
      url = new URL(location, parsed).href;
      continue;
    }
    refuseStatus(response);
    const [mediaType = "", ...parameters] = (response.headers["content-type"] ?? "").split(";");
    return {
      url: parsed.href,
      mediaType: mediaType.trim().toLowerCase(),
      charset: /charset\s*=\s*"?([\w.:-]+)/i.exec(parameters.join(";"))?.[1] ?? null,
      bytes: await readBounded(unpacked(response), options.bytesMax),
    };
  }
  throw new FetchError("url_not_accessible", `The page leads on more than ${REDIRECTS_MAX} times.`);
}

function parseUrl(url: string): URL {
  if (!URL.canParse(url))
    throw new FetchError("invalid_tool_input", "That is no address of a page.");
  const parsed = new URL(url);
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:")
    throw new FetchError("url_not_allowed", "Only http and https addresses can be opened.");
  if (parsed.username !== "" || parsed.password !== "")
    throw new FetchError(
      "url_not_allowed",
      "Addresses with a user name or a password are not opened.",
    );
  return parsed;
}

function send(
  url: URL,
  options: PageFetcherOptions,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  // A host that is an address is connected to without being looked up.
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && !options.mayConnect(host)) return Promise.reject(forbidden(url.hostname));
  return new Promise((done, failed) => {
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send(url, {
      agent: false,
      lookup: createCheckedLookup(options.mayConnect),
      maxHeaderSize: HEADER_BYTES_MAX,
      signal,
      headers: {
        accept:
          "text/html, application/xhtml+xml, text/*, application/json, application/pdf, */*;q=0.1",
        "accept-encoding": "gzip, deflate, br",
        "user-agent": "Curta",
        connection: "close",
      },
    });
    request.once("response", done);
    request.once("error", failed);
    request.end();
  });
}

/** What the connection is made to is what was checked: the socket takes its addresses from here only. */
function createCheckedLookup(mayConnect: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [], undefined);
      const [first] = addresses;
      if (first === undefined || !addresses.every(({ address }) => mayConnect(address)))
        return callback(forbidden(hostname), [], undefined);
      if (options.all === true) callback(null, addresses, undefined);
      else callback(null, first.address, first.family);
    });
  };
}

function forbidden(host: string): FetchError {
  return new FetchError(
    "url_not_allowed",
    `${host} is an address of a private network, which this server does not open.`,
  );
}

function refuseStatus(response: IncomingMessage): void {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  response.destroy();
  if (status === 429)
    throw new FetchError("too_many_requests", "The page's server refuses more requests for now.");
  throw new FetchError("url_not_accessible", `The page's server answers with status ${status}.`);
}

function unpacked(response: IncomingMessage): Readable {
  const encoding = (response.headers["content-encoding"] ?? "identity").trim().toLowerCase();
  const unpack = {
    gzip: createGunzip,
    "x-gzip": createGunzip,
    deflate: createInflate,
    br: createBrotliDecompress,
  };
  if (encoding === "identity" || encoding === "") return response;
  const create = Object.hasOwn(unpack, encoding)
    ? unpack[encoding as keyof typeof unpack]
    : undefined;
  if (create === undefined) {
    response.destroy();
    throw new FetchError(
      "unsupported_content_type",
      "The page is packed in a way that is not known here.",
    );
  }
  const stream = create();
  response.once("error", (error) => stream.destroy(error));
  response.once("aborted", () => stream.destroy(new Error("The connection ended too early.")));
  stream.once("close", () => response.destroy());
  return response.pipe(stream);
}

async function readBounded(stream: Readable, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop early destroys the stream.
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      const limit = `${Math.floor(bytesMax / (1024 * 1024))} MiB`;
      throw new FetchError("content_too_large", `The page is larger than ${limit}.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
