/** A file over https that goes on where an earlier attempt stopped. */
import { createWriteStream } from "node:fs";
import { truncate } from "node:fs/promises";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface DownloadOptions {
  url: string;
  /** Appended to. What it holds already must be the beginning of the file. */
  file: string;
  haveBytes: number;
  totalBytes: number;
  onProgress: (haveBytes: number) => void;
  signal: AbortSignal;
  connectMs?: number;
  silenceMs?: number;
}

/** Firewalls often swallow connections instead of refusing them, and there is a second source to go to. */
const CONNECT_MS = 6_000;
const SILENCE_MS = 20_000;

/** Rejects on any trouble; what arrived until then stays in the file. */
export async function download(options: DownloadOptions): Promise<void> {
  const { url, file, totalBytes, signal } = options;
  const silence = createWatchdog(options.silenceMs ?? SILENCE_MS);
  const connect = createWatchdog(options.connectMs ?? CONNECT_MS);
  try {
    connect.pet();
    const response = await fetch(url, {
      headers: options.haveBytes > 0 ? { range: `bytes=${options.haveBytes}-` } : {},
      signal: AbortSignal.any([signal, connect.signal, silence.signal]),
    });
    connect.stop();
    if (!response.ok || !response.body) throw new Error(`HTTP status ${response.status}`);
    // A server that ignores the range sends everything from the start.
    let have = response.status === 206 ? options.haveBytes : 0;
    if (have !== options.haveBytes) await truncate(file, 0);
    silence.pet();
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        silence.pet();
        have += chunk.length;
        options.onProgress(have);
        // A server may not fill the disk by sending without end.
        if (have > totalBytes) done(new Error("the server sent more than the file has"));
        else done(null, chunk);
      },
    });
    await pipeline(Readable.from(response.body), meter, createWriteStream(file, { flags: "a" }), {
      signal,
    });
    if (have < totalBytes) throw new Error("the connection ended early");
  } finally {
    connect.stop();
    silence.stop();
  }
}

/** Aborts its signal when it is not petted for so long. */
function createWatchdog(limitMs: number): {
  signal: AbortSignal;
  pet: () => void;
  stop: () => void;
} {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => clearTimeout(timer);
  const pet = (): void => {
    stop();
    timer = setTimeout(
      () => controller.abort(new Error(`no answer within ${limitMs / 1000} s`)),
      limitMs,
    );
  };
  return { signal: controller.signal, pet, stop };
}
