/** The kit, whole, against Curta with the kit's own model. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { CASES as ALL_CASES } from "../../src/conformance/cases.ts";
import { createObedientModel } from "../../src/conformance/obedient-model.ts";
import { runCases } from "../../src/conformance/run.ts";
import { Target } from "../../src/conformance/target.ts";
import { startServer, type TestServer } from "../real/server.ts";

/** What Curta does not have. */
const ABSENT =
  /^(20250825|20260120|20260521|programmatic|models|counts|batches)\/|\/(20250825|20260120|20260521|programmatic|container-in-every-answer)$/;
const CASES = ALL_CASES.filter(({ name }) => !ABSENT.test(name));

const PING_SECONDS = 1;
/** A case that hangs fails by itself. */
const CASE_SECONDS = 120;

let server: TestServer;
const outcomes = new Map<string, string>();

beforeAll(async () => {
  server = await startServer({
    provider: createObedientModel(),
    env: { CURTA_PING_SECONDS: String(PING_SECONDS) },
  });
  const { signal } = new AbortController();
  const target = new Target({ url: server.url, key: "any", model: "scripted", signal });
  const options = {
    target,
    isScripted: true,
    pingSeconds: PING_SECONDS,
    caseSeconds: CASE_SECONDS,
    signal,
  };
  for await (const { name, outcome, reason } of runCases(CASES, options))
    outcomes.set(name, reason === "" ? outcome : `${outcome}: ${reason}`);
}, 600_000);

afterAll(() => server?.close());

test.each(CASES.map(({ name, title }) => [name, title]))("%s: %s", (name) => {
  expect(outcomes.get(name)).toBe("ok");
});
