/** Uploads of any size go to the disk as they come: the server's memory does not grow with them. */
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";

import { startServeProcess, type ServeProcess } from "../fixtures/serve-process.ts";

const MIB = 1024 * 1024;
const UPLOAD_MB = 500;
/** Pieces on their way, and what the collector has not seen yet. */
const GROWTH_MB = 160;

let data: string;
let server: ServeProcess;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "curta-uploads-"));
  const cache = process.env.CURTA_CACHE;
  server = await startServeProcess({
    CURTA_DATA: data,
    CURTA_UPLOAD_MB: String(UPLOAD_MB),
    // Nobody is asked: files need no model.
    CURTA_UPSTREAM_URL: "http://127.0.0.1:9",
    CURTA_UPSTREAM_API: "anthropic",
    ...(cache === undefined ? {} : { CURTA_CACHE: cache }),
  });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
});

/** The most memory that the process has ever had, and what it has. */
function memoryMb(): { peak: number; now: number } {
  const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return { peak: kib("VmHWM") / 1024, now: kib("VmRSS") / 1024 };
}

const HEAD = Buffer.from(
  '--b\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n',
);
const END = Buffer.from("\r\n--b--\r\n");

/** Sends so many MiB, with or without saying how many before. */
async function upload(mb: number, saysLength: boolean): Promise<{ status: number; body: string }> {
  const length = HEAD.length + mb * MIB + END.length;
  const sent = request(`${server.url}/v1/files`, {
    method: "POST",
    // A connection of its own: on one that was given up in the middle of a body nothing else can be asked.
    agent: false,
    headers: {
      "content-type": "multipart/form-data; boundary=b",
      ...(saysLength && { "content-length": length }),
    },
  });
  const answer = new Promise<{ status: number; body: string }>((resolve, reject) => {
    sent.on("error", reject);
    sent.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
  });
  const piece = Buffer.alloc(MIB, "x");
  const answered = new AbortController();
  const stop = () => answered.abort();
  void answer.then(stop, stop);
  sent.write(HEAD);
  for (let n = 0; n < mb && !answered.signal.aborted; n += 1) {
    if (!sent.write(piece))
      await Promise.race([new Promise((resolve) => sent.once("drain", resolve)), answer]);
  }
  sent.end(END);
  return await answer;
}

test("500 MB cost the server some pieces of memory", async () => {
  const before = memoryMb();
  const { status, body } = await upload(UPLOAD_MB, true);
  expect(JSON.parse(body)).toMatchObject({ size_bytes: UPLOAD_MB * MIB });
  expect(status).toBe(200);
  expect(memoryMb().peak - before.now).toBeLessThan(GROWTH_MB);
});

test.each([
  ["that says so", true],
  ["that does not say so", false],
])(
  "a larger one %s is refused with a status that the client reads, and leaves nothing",
  async (_, saysLength) => {
    const before = await readdir(join(data, "files"));
    const { status, body } = await upload(UPLOAD_MB + 4, saysLength);
    expect([status, body]).toEqual([413, expect.stringContaining("uploadMb")]);
    expect(await readdir(join(data, "files"))).toEqual(before);
  },
);
