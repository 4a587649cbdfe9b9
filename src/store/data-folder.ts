/** A data folder belongs to one server at a time: two would run the same batches and sweep each other's containers. */
import { mkdirSync } from "node:fs";

import { GatewayError } from "../errors.ts";
import { toStorageError } from "./database.ts";
import { readHolder, tryLock, type Lock } from "./file-lock.ts";

const NAME = "server";

export function claimDataFolder(folder: string): Lock {
  let lock: Lock | null;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    lock = tryLock(folder, NAME);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw toStorageError(cause, `The data folder ${folder} cannot be used: ${reason}`);
  }
  if (lock !== null) return lock;
  throw new GatewayError(
    "conflict",
    `Curta is running with the data folder ${folder} already (${readHolder(folder, NAME)}); stop it, or give this one a CURTA_DATA and a CURTA_PORT of its own.`,
  );
}
