/** Ten requests in the lesson's spirit, answered by the embedded model. */
import { expect, test } from "vitest";

import { askRequests, describeResults } from "./ask-requests.ts";
import { OWN_REQUESTS } from "./requests.ts";
import { startServer } from "./server.ts";

/** A model of this size is not right every time. */
const RIGHT_AT_LEAST = 6;

test("ten other requests with the embedded model", { timeout: 1_200_000 }, async () => {
  // An upstream in the environment of whoever runs the tests must not answer instead.
  const server = await startServer({ env: { CURTA_UPSTREAM_URL: "", CURTA_MODEL: "" } });
  try {
    const results = await askRequests(server.url, OWN_REQUESTS);
    console.log(describeResults(results));
    const right = results.filter((result) => result.problem === null);
    expect(right.length, describeResults(results)).toBeGreaterThanOrEqual(RIGHT_AT_LEAST);
  } finally {
    await server.close();
  }
});
