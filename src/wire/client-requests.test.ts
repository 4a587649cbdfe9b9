/** Requests as real clients send them, in `test/fixtures/client-requests`: each is a turn. */
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { expect, test } from "vitest";

import { parseMessagesRequest } from "./request.ts";

interface Recorded {
  client: string;
  betas: string;
  body: { messages: unknown[] };
}

const FOLDER = fileURLToPath(new URL("../../test/fixtures/client-requests/", import.meta.url));
const recorded = readdirSync(FOLDER).map((name): Recorded => {
  return JSON.parse(readFileSync(FOLDER + name, "utf8")) as Recorded;
});

test.each(recorded)("$client", async ({ betas, body }) => {
  const mb = 1024 * 1024;
  const request = await parseMessagesRequest(body, {
    betas: new Set(betas.split(",")),
    limits: { attachmentBytes: mb, workspaceBytes: mb, resultCharacters: 1000 },
  });
  expect(request.turn.prompt.messages).not.toEqual([]);
});
