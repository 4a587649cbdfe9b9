import { expect, test } from "vitest";

import { startServer, type Answer } from "../../test/fixtures/upstream/server.ts";
import { createTransport } from "./transport.ts";

const stream: Answer = (response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write("data: one\n\n");
  response.end("data: [DONE]\n\n");
};

test.each([
  ["at once", 0],
  ["when the rest has come", 20],
])("a request that is over %s harms nobody, and the next one works", async (_name, waitMs) => {
  const uncaught: unknown[] = [];
  const onUncaught = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", onUncaught);
  await using server = await startServer([stream]);
  const transport = createTransport(5_000);
  try {
    for (let round = 0; round < 5; round += 1) {
      const over = new AbortController();
      const response = await transport.send(new URL(server.url), { method: "POST" }, over.signal);
      let text = "";
      for await (const chunk of response.body) {
        text += Buffer.from(chunk).toString();
        // What follows is not read: a reader of events leaves at the last one.
        if (text.includes("[DONE]")) break;
      }
      response.close();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      over.abort(new Error("The request has ended."));
      await new Promise((resolve) => setImmediate(resolve));
      expect(text).toContain("[DONE]");
    }
    expect(uncaught).toEqual([]);
  } finally {
    process.off("uncaughtException", onUncaught);
    transport.close();
  }
});

test("an abort while the server is silent ends the wait with its reason", async () => {
  await using server = await startServer([
    (response) => void response.writeHead(200).write("data: one\n\n"),
  ]);
  const transport = createTransport(5_000);
  const gone = new AbortController();
  const response = await transport.send(new URL(server.url), { method: "POST" }, gone.signal);
  const reason = new Error("client gone");
  const reading = (async () => {
    for await (const _ of response.body) gone.abort(reason);
  })();
  await expect(reading).rejects.toBe(reason);
  await expect(transport.send(new URL(server.url), { method: "POST" }, gone.signal)).rejects.toBe(
    reason,
  );
  transport.close();
});
