/** The surroundings of a command: a folder of its own, and what it printed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Io } from "../../src/cli/io.ts";

export interface TestIo extends Io, AsyncDisposable {
  out(): string;
  err(): string;
  interrupt(): void;
}

export async function createTestIo(env: Io["env"] = {}): Promise<TestIo> {
  const folder = await mkdtemp(join(tmpdir(), "curta-cli-"));
  const out: string[] = [];
  const err: string[] = [];
  const controller = new AbortController();
  return {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    env: { CURTA_DATA: join(folder, "data"), ...env },
    folder,
    signal: controller.signal,
    out: () => out.join(""),
    err: () => err.join(""),
    interrupt: () => controller.abort(),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
