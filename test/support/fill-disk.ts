/** Fills the disk of the folder it is given through the files store, and prints what came of it. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { GatewayError } from "../../src/errors.ts";
import { openDatabase } from "../../src/store/database.ts";
import { openFilesStore } from "../../src/store/files.ts";

const folder = process.argv[2]!;
const database = openDatabase(folder);
const store = await openFilesStore({ database, folder, maxBytes: 2 ** 30, clock: Date.now });
const kind = { filename: "x.bin", mimeType: "application/octet-stream", downloadable: true };
const first = await store.add({ ...kind, bytes: new Uint8Array(600_000) });
let code = "none";
try {
  await store.add({ ...kind, bytes: new Uint8Array(4_000_000) });
} catch (error) {
  code = error instanceof GatewayError ? error.code : String(error);
}
const kept =
  (await store.read(first.id)).byteLength === 600_000 ? store.list({ limit: 10 }).files.length : 0;
const leftOver = readdirSync(join(folder, "files")).length - kept;
await store.delete(first.id);
const afterDelete = await store.add({ ...kind, bytes: new Uint8Array(600_000) }).then(
  () => "stored",
  (error: unknown) => String(error),
);
console.log(JSON.stringify({ code, kept, leftOver, afterDelete }));
