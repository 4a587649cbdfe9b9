/** One conversion in a thread of its own; `html-reader.ts` starts it and ends it when it takes too long. */
import { parentPort, workerData } from "node:worker_threads";

import { convertHtml } from "./html-text.ts";

const { html, baseUrl } = workerData as { html: string; baseUrl: string | undefined };
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port to a thread has no origin
parentPort?.postMessage(convertHtml(html, baseUrl));
