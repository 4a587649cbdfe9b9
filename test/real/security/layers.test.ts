/**
 * Each layer of the walls taken away once: the attack that it stops is seen to come through without it, and to
 * be held with it. So a test that finds an attack held says something.
 */
import { expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import type { Layer } from "../../../src/sandbox/layers.ts";
import { createContainer, send, type TestContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";
import { PRELUDE } from "./cells.ts";

const MIB = 1 << 20;

const CALLS = `print(attempt(socket.socket, socket.AF_INET), call(135 if x86 else 92, 0xffffffff), attempt(os.memfd_create, 'x'), call(321 if x86 else 280, 0, 0, 0) == 'EPERM')`;
const PROGRAM = `child = os.fork()
if child == 0:
    print(attempt(os.execv, sys.executable, [sys.executable, '-S', '-c', 'import os; os.write(1, b"it runs\\\\n")'])); sys.stdout.flush(); os._exit(0)
os.waitpid(child, 0)
None`;
const CHILDREN = `children = []
try:
    while len(children) < 200:
        child = os.fork()
        if child == 0: time.sleep(60); os._exit(0)
        children.append(child)
except OSError: pass
for child in children: os.kill(child, 9); os.waitpid(child, 0)
print(len(children))`;
const CLOCK = `print(time.clock_gettime(time.CLOCK_BOOTTIME) < 300)`;
const LISTEN = `listening = socket.socket(socket.AF_UNIX); listening.bind(chr(0) + 'neighbour'); listening.listen()`;
const CONNECT = `print(attempt(socket.socket(socket.AF_UNIX).connect, chr(0) + 'neighbour'))`;
/** A link that whoever collects would follow, and a picture that is none. */
const OUTPUTS = `from IPython.display import display
os.symlink(os.__file__, os.environ['OUTPUT_DIR'] + '/link')
display({'image/png': b'<script>alert(1)</script>', 'text/plain': 'picture'}, raw=True)`;
/** Announces a gigabyte and sends as much of it as it can. */
const FLOOD = `import gc
session = next(thing for thing in gc.get_objects() if type(thing).__name__ == 'Session')
session.channel.sendall(struct.pack('>II', 20, 1 << 30) + b'{"t":"display"}     ')
block = bytes(4 << 20)
for _ in range(60): session.channel.sendall(block)`;

interface Outcome {
  calls: string;
  program: string;
  children: number;
  clock: string;
  connect: string;
  files: string[];
  images: string[];
  floodBytes: number;
}

/** Tries everything on a server that lacks some layers. */
async function attack(without: Layer[], wanted: readonly (keyof Outcome)[]): Promise<Outcome> {
  const server = await startServer({ provider: new ScriptedProvider([]), without });
  try {
    const container = await createContainer(server);
    await container.print(PRELUDE);
    const outcome: Partial<Outcome> = {};
    const wants = (key: keyof Outcome) => wanted.includes(key);
    if (wants("calls")) outcome.calls = (await container.print(CALLS)).trim();
    if (wants("program")) outcome.program = (await container.print(PROGRAM)).trim();
    if (wants("children")) outcome.children = Number(await container.print(CHILDREN));
    if (wants("clock")) outcome.clock = (await container.print(CLOCK)).trim();
    if (wants("connect")) {
      const neighbour = await createContainer(server);
      await neighbour.print(PRELUDE + LISTEN);
      outcome.connect = (await container.print(CONNECT)).trim();
    }
    if (wants("files")) Object.assign(outcome, await sendOutputs(server, container));
    if (wants("floodBytes")) outcome.floodBytes = await flood(container);
    return outcome as Outcome;
  } finally {
    await server.close();
  }
}

async function sendOutputs(server: TestServer, container: TestContainer) {
  const { outputs, files } = await container.execute(OUTPUTS);
  const contents = files.map(async ({ id }) => {
    const response = await send(server, "GET", `/v1/files/${id}/content`);
    return await response.text();
  });
  return {
    files: await Promise.all(contents),
    images: outputs.flatMap(({ data }) => data["image/png"] ?? []),
  };
}

/** Bytes that the server holds at most while the channel is flooded; it runs in this process. */
async function flood(container: TestContainer): Promise<number> {
  const before = process.memoryUsage().arrayBuffers;
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers);
  }, 2);
  await container.execute(FLOOD, 4);
  clearInterval(timer);
  return most - before;
}

const ALL = ["calls", "program", "children", "clock", "connect", "files", "floodBytes"] as const;

test("with every layer each of these attacks is held", async () => {
  const held = await attack([], ALL);
  expect(held).toMatchObject({
    calls: "EAFNOSUPPORT EPERM ENOSYS True",
    program: "EPERM",
    clock: "True",
    connect: "ECONNREFUSED",
    files: [],
    images: [],
  });
  expect(held.children).toBeLessThan(67);
  expect(held.floodBytes).toBeLessThan(64 * MIB);
});

test("without seccomp calls reach the kernel; programs are held by Landlock still", async () => {
  const { calls, program } = await attack(["seccomp"], ["calls", "program"]);
  expect(calls).toMatch(/^done done done /);
  expect(["EACCES", "it runs"]).toContain(program);
});

test("without seccomp and Landlock programs run", async () => {
  const { program } = await attack(["seccomp", "landlock"], ["program"]);
  expect(program).toBe("it runs");
});

test("without namespaces the clocks are the host's, and neighbours' sockets answer once Landlock is gone", async () => {
  const { clock, connect } = await attack(["namespaces", "landlock"], ["clock", "connect"]);
  expect(clock).toBe("False");
  expect(connect).toBe("done");
});

test("without limits processes are not counted", async () => {
  const { children } = await attack(["limits"], ["children"]);
  expect(children).toBe(200);
});

test("without the checks of outputs a link is followed, and any bytes pass for a picture", async () => {
  const { files, images } = await attack(["output-checks"], ["files"]);
  expect(files.join()).toContain("OS routines");
  expect(images).toHaveLength(1);
});

test("without the checks of the channel a container fills the server's memory", async () => {
  const { floodBytes } = await attack(["channel-checks"], ["floodBytes"]);
  expect(floodBytes).toBeGreaterThan(128 * MIB);
});
