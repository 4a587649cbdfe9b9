/**
 * Reads HTML in a thread, because markup can be written so that parsing it takes minutes and memory without
 * end: the thread has a bound on both, and nobody else waits for it.
 */
import { Worker } from "node:worker_threads";

import { HTML_CHARACTERS_MAX, type HtmlText } from "./html-text.ts";

const TIME_MAX_MS = 5000;
const MEMORY_MAX_MB = 256;

/** Null when the page cannot be read within the bounds. */
export function readHtml(html: string, baseUrl?: string): Promise<HtmlText | null> {
  return new Promise((done) => {
    const worker = new Worker(new URL("./html-worker.ts", import.meta.url), {
      workerData: { html: html.slice(0, HTML_CHARACTERS_MAX), baseUrl },
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MAX_MB },
      env: {},
      execArgv: [],
    });
    const timer = setTimeout(() => void worker.terminate(), TIME_MAX_MS);
    worker.once("message", (text: HtmlText) => done(text));
    // Out of memory, or a stack that is too deep; `exit` follows.
    worker.once("error", () => done(null));
    worker.once("exit", () => {
      clearTimeout(timer);
      done(null);
    });
  });
}
