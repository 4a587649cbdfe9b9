/** What a cell leaves that was stopped, or a command that turned on the session: the next call finds a sound container. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import { createContainer, send, type TestContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";
import { PRELUDE } from "./cells.ts";

let server: TestServer;
let container: TestContainer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
});
afterAll(() => server.close());

async function prepare(): Promise<void> {
  container = await createContainer(server);
  await container.print(PRELUDE);
}

/** Living processes that are neither the keeper nor the session's main line or its checkpoint. */
const OTHERS = `alive = []
for name in os.listdir('/proc'):
    if name.isdigit() and int(name) not in (1, os.getpid()):
        with open(f'/proc/{name}/stat') as stat: alive += [name] * (stat.read().rpartition(')')[2].split()[0] != 'Z')
print(len(alive) - 1)`;

describe("a cell that is stopped at its time limit", () => {
  test.each([
    ["a fork bomb", "while True:\n    try: os.fork()\n    except OSError: pass"],
    [
      "children that have hidden in sessions of their own",
      "for _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            signal.signal(signal.SIGINT, signal.SIG_IGN)\n            while True: pass\n        os._exit(0)\nwhile True: pass",
    ],
  ])("leaves nothing of %s", async (_name, code) => {
    await prepare();
    const answer = await container.execute(code, 1);
    expect(answer.status).toBe("timeout");
    expect(await container.print(OTHERS)).toBe("0\n");
    expect(await container.print("print(kept)")).toBe("kept\n");
  });

  test("leaves children of earlier cells alone", async () => {
    await prepare();
    // At the beginning of a tick of the kernel's clock, so that the next cell begins in the same one.
    const atTick = "while time.clock_gettime(time.CLOCK_BOOTTIME) % 0.01 > 0.001: pass\n";
    for (let round = 0; round < 3; round += 1) {
      await container.print(
        `${atTick}child = os.fork()\nif child == 0: time.sleep(60); os._exit(0)`,
      );
      await container.execute("while True: pass", 1);
      expect(await container.print("print(os.waitpid(child, os.WNOHANG))")).toBe("(0, 0)\n");
    }
    await container.delete();
  });

  test("goes back when its threads would leave no room", async () => {
    await prepare();
    const bomb =
      "kept = 'other'\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n    except RuntimeError: pass";
    const answer = await container.execute(bomb, 1);
    expect([answer.status, answer.notice]).toEqual([
      "timeout",
      expect.stringContaining("back where it was"),
    ]);
    expect(await container.print("print(kept, threading.active_count())")).toBe("kept 1\n");
    const shell = await container.execute("echo on", 5, "bash");
    expect(shell.stdout).toBe("on\n");
  });
});

describe("a command against the session", () => {
  test("a stopped main line goes on", async () => {
    await prepare();
    const answer = await container.execute("kill -STOP -1; echo stopped", 5, "bash");
    expect(answer.stdout).toBe("stopped\n");
    const next = await container.execute("print(kept)", 5);
    expect([next.status, next.stdout]).toEqual(["ok", "kept\n"]);
  });

  test("a killed main line is not the next cell's fault", async () => {
    for (let round = 0; round < 2; round += 1) {
      await prepare();
      // Large, so that its end takes a while.
      await container.print("big = bytearray(os.urandom(1 << 20)) * 200");
      await container.execute("kill -STOP -1; kill -9 -1; true", 5, "bash");
      const next = await container.execute("print('on')", 5);
      expect([next.status, next.stdout, next.notice]).toEqual([
        "ok",
        "on\n",
        expect.stringMatching(/variables .*are gone/),
      ]);
      await container.delete();
    }
  });

  test("nor one that dies together with the shell", async () => {
    await prepare();
    for (let round = 0; round < 30; round += 1) {
      await container.print("x = 1");
      await container.execute("kill -9 -1", 5, "bash");
      expect(await container.execute("print('on')", 5)).toMatchObject({ status: "ok" });
    }
  });

  test("where no process is left, it says so", async () => {
    await prepare();
    await container.print(
      "def sleep(): time.sleep(600)\ntry:\n    while True: threading.Thread(target=sleep, daemon=True).start()\nexcept RuntimeError: pass",
    );
    const shell = await container.execute("echo on", 5, "bash");
    expect([shell.status, shell.error?.name]).toEqual(["error", "ProcessLimit"]);
    expect(shell.error?.message).toContain("64 processes and threads are used up");
    const path = `/v1/containers/${container.id}/checkpoints`;
    expect((await send(server, "POST", path, '{"name":"a"}')).status).toBe(409);
    expect(await container.print("print(kept)")).toBe("kept\n");
  });
});

test("a checkpoint can be gone back to again and again, however many processes there were", async () => {
  await prepare();
  const path = `/v1/containers/${container.id}/checkpoints`;
  expect((await send(server, "POST", path, '{"name":"a"}')).status).toBe(200);
  for (let round = 0; round < 5; round += 1) {
    await container.print(
      "kept = 'other'\ntry:\n    while os.fork(): pass\n    time.sleep(600)\nexcept OSError: pass",
    );
    expect((await send(server, "POST", `${path}/a/restore`, "{}")).status).toBe(200);
    expect(await container.print("print(kept)")).toBe("kept\n");
  }
});
