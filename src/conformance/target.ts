/** The server that is measured: plain requests, no client library between. */
import { Failure, check, parse, shorten } from "./verdict.ts";
import { LessonMessage, NativeMessage, type Message } from "./message.ts";
import { ErrorEnvelope } from "./objects.ts";
import {
  foldStream,
  readStream,
  type FoldedStream,
  type Form,
  type StreamEvent,
} from "./stream.ts";
import type { z } from "zod";

export interface Answer {
  status: number;
  headers: Headers;
  bytes: Uint8Array<ArrayBuffer>;
  text: string;
  /** Undefined when the body is not JSON. */
  json: unknown;
}

export interface SendOptions {
  json?: unknown;
  /** Sent as it is, with its own content type. */
  body?: string | FormData;
  /** Instead of, or beside, the usual ones; an empty value takes one away. */
  headers?: Record<string, string>;
  betas?: readonly string[];
}

export interface MessageOptions {
  betas?: readonly string[];
  headers?: Record<string, string>;
  form?: Form;
}

export interface TargetOptions {
  url: string;
  key: string;
  model: string;
  signal: AbortSignal;
}

const ANSWER_BYTES = 64 * 1024 * 1024;
const VERSION = "2023-06-01";

export class Target {
  readonly model: string;
  readonly key: string;
  readonly #url: string;
  readonly #signal: AbortSignal;

  constructor({ url, key, model, signal }: TargetOptions) {
    this.#url = toBase(url);
    this.model = model;
    this.key = key;
    this.#signal = signal;
  }

  /** The same server, with a signal that ends earlier. */
  within(signal: AbortSignal): Target {
    return new Target({ url: this.#url, key: this.key, model: this.model, signal });
  }

  async send(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    const response = await this.#fetch(method, path, options);
    const bytes = new Uint8Array(await response.arrayBuffer());
    check(bytes.byteLength <= ANSWER_BYTES, `The answer is longer than ${ANSWER_BYTES} bytes.`);
    const text = new TextDecoder().decode(bytes);
    return { status: response.status, headers: response.headers, bytes, text, json: toJson(text) };
  }

  /** Sends a turn that has to succeed. Model and `max_tokens` are filled in. */
  async message(body: object, options: MessageOptions = {}): Promise<Message> {
    const answer = await this.send("POST", "/v1/messages", {
      json: this.#fill(body),
      betas: options.betas,
      headers: options.headers,
    });
    check(answer.status === 200, `The status is ${answer.status}: ${shorten(answer.text, 400)}`);
    const schema: z.ZodType<Message> = options.form === "lesson" ? LessonMessage : NativeMessage;
    return parse(schema, answer.json, "message");
  }

  /** The same, streamed; every event is checked. */
  async stream(body: object, options: MessageOptions = {}): Promise<FoldedStream> {
    return foldStream(await this.events(body, options), options.form);
  }

  async events(body: object, options: MessageOptions = {}): Promise<StreamEvent[]> {
    const response = await this.#fetch("POST", "/v1/messages", {
      json: { ...this.#fill(body), stream: true },
      betas: options.betas,
      headers: options.headers,
    });
    if (response.status !== 200 || response.body === null) {
      throw new Failure(`The status is ${response.status}: ${shorten(await response.text(), 400)}`);
    }
    const type = response.headers.get("content-type") ?? "none";
    check(type.startsWith("text/event-stream"), `The content type of the stream is ${type}.`);
    return readStream(response.body);
  }

  /** Sends something that has to be refused, and returns the envelope. */
  async refusal(
    body: unknown,
    options: SendOptions & { path?: string } = {},
  ): Promise<z.infer<typeof ErrorEnvelope> & { status: number }> {
    const answer = await this.send("POST", options.path ?? "/v1/messages", {
      ...(options.body === undefined && { json: body }),
      ...options,
    });
    check(answer.status !== 200, "The request is accepted.");
    return { ...readEnvelope(answer), status: answer.status };
  }

  #fill(body: object): object {
    return { model: this.model, max_tokens: 2048, ...body };
  }

  async #fetch(method: string, path: string, options: SendOptions): Promise<Response> {
    const headers = new Headers({ "anthropic-version": VERSION, "x-api-key": this.key });
    if (options.json !== undefined) headers.set("content-type", "application/json");
    if (options.betas !== undefined && options.betas.length > 0)
      headers.set("anthropic-beta", options.betas.join(","));
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      if (value === "") headers.delete(name);
      else headers.set(name, value);
    }
    const body = options.json === undefined ? options.body : JSON.stringify(options.json);
    try {
      return await fetch(`${this.#url}${path}`, {
        method,
        headers,
        body,
        signal: this.#signal,
        redirect: "manual",
      });
    } catch (cause) {
      if (this.#signal.aborted) throw this.#signal.reason;
      throw new Failure(`The connection failed: ${reasonOf(cause)}`);
    }
  }
}

export function readEnvelope(answer: Answer): z.infer<typeof ErrorEnvelope> {
  check(answer.json !== undefined, `An error that is not JSON: ${shorten(answer.text)}`);
  const parsed = ErrorEnvelope.safeParse(answer.json);
  if (parsed.success) return parsed.data;
  throw new Failure(`An error of ${answer.status} without the envelope: ${shorten(answer.text)}`);
}

/** With or without `/v1`: both are base URLs of clients. */
function toBase(url: string): string {
  return url.replace(/\/+$/, "").replace(/\/v1$/, "");
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return inner instanceof Error ? inner.message : String(inner);
}
