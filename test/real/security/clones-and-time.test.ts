/** Checklist 51 to 55: clones differ, clocks run, neighbours are out of reach, failed cells leave nothing. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import { createContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
});
afterAll(() => server.close());

describe("54 a session cannot signal, see or slow down another one", () => {
  test("a signal to its own process group stays inside", async () => {
    const [hostile, neighbour] = [await createContainer(server), await createContainer(server)];
    await neighbour.print("kept = 41");
    const answer = await hostile.execute("import os, signal\nos.kill(0, signal.SIGKILL)");
    expect(answer.status).toBe("killed");
    expect(await neighbour.print("print(kept + 1)")).toBe("42\n");
    expect(await hostile.print("print('alive')")).toBe("alive\n");
  });

  test("a lower priority for its process group stays inside", async () => {
    const [hostile, neighbour] = [await createContainer(server), await createContainer(server)];
    await hostile.execute(
      "import os\nos.setpriority(os.PRIO_PGRP, 0, 5)\nos.setpriority(os.PRIO_USER, 0, 5)",
    );
    expect(await neighbour.print("import os\nprint(os.getpriority(os.PRIO_PROCESS, 0))")).toBe(
      "0\n",
    );
  });
});
