/**
 * The floor under every HTTP server on Node: the same framework and adapter as Curta's, and nothing behind.
 *
 * It reads a JSON body and answers with one. It prints its address, and ends with its standard input.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";

const app = new Hono();
app.post("/echo", async (context) => context.json(await context.req.json<object>()));

const listener = getRequestListener(app.fetch);
const server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(
    `Echo listens on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`,
  );
});
process.stdin.on("end", () => process.exit(0)).resume();
