/** Named states against code that forges, hides, swaps and fills: what goes back is what was there, and nothing survives. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import { createContainer, send, type TestContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";
import { PRELUDE } from "./cells.ts";

let server: TestServer;
let container: TestContainer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]), env: { CURTA_FILES_MB: "32" } });
});
afterAll(() => server.close());

async function prepare(code = ""): Promise<void> {
  container = await createContainer(server);
  await container.print(`${PRELUDE}\n${SESSION}\n${code}`);
}

/** Attacks may use the harness's own sockets, as any code can. */
const SESSION = `import gc
session = next(thing for thing in gc.get_objects() if type(thing).__name__ == 'Session')`;

async function post(path: string, body: object = {}): Promise<number> {
  const url = `/v1/containers/${container.id}/checkpoints${path}`;
  return (await send(server, "POST", url, JSON.stringify(body))).status;
}
const mark = (name = "m"): Promise<number> => post("", { name });
const goBack = (name = "m"): Promise<number> => post(`/${name}/restore`);

test("folders as deep as they come are refused, or go", async () => {
  await prepare("open('a', 'w').write('a')");
  expect(await mark("flat")).toBe(200);
  await container.print(
    "for _ in range(3000): os.mkdir('d'); os.chdir('d')\nopen('deep', 'w').write('deep')\nos.chdir('/workspace')",
    30,
  );
  expect(await mark("deep")).toBe(400);
  expect(await goBack("flat")).toBe(200);
  expect(await container.print("print(kept, os.listdir())")).toBe("kept ['a']\n");
});

test("thousands of files are copied and brought back", async () => {
  await prepare();
  await container.print("for n in range(3000): open(f'{n}', 'w').write(f'{n}')");
  expect(await mark()).toBe(200);
  await container.print("for n in range(3000): os.remove(f'{n}')");
  expect(await goBack()).toBe(200);
  expect(await container.print("print(len(os.listdir()), open('2711').read())")).toBe(
    "3000 2711\n",
  );
});

test("a file with holes takes no more room than it had", async () => {
  await prepare(
    "with open('holes', 'wb') as file: file.truncate(30 << 20); file.seek(20 << 20); file.write(b'middle'); file.truncate(30 << 20)",
  );
  for (const name of ["a", "b", "c"]) {
    expect(await mark(name)).toBe(200);
    await container.print(`with open('holes', 'r+b') as file: file.write(b'${name}')`);
  }
  expect(await goBack("a")).toBe(200);
  expect(
    await container.print(
      "data = open('holes', 'rb').read(); print(len(data) >> 20, data[:2], data[20 << 20:][:6], data.count(0) == len(data) - 6, os.stat('holes').st_blocks < 200)",
    ),
  ).toBe("30 b'\\x00\\x00' b'middle' True True\n");
});

test("many names of one file are one file before and after", async () => {
  await prepare(
    "open('one', 'wb').write(os.urandom(1 << 20))\nos.mkdir('d')\nfor n in range(100): os.link('one', f'd/{n}')",
  );
  for (let round = 0; round < 3; round += 1) {
    expect(await mark()).toBe(200);
    await container.print("open('one', 'ab').write(b'more')");
    expect(await goBack()).toBe(200);
    expect(
      await container.print(
        "print(os.stat('one').st_nlink, os.path.getsize('d/99'), os.path.samefile('one', 'd/7'))",
      ),
    ).toBe(`101 ${1 << 20} True\n`);
  }
});

test("names that are no text, links in a circle, sockets, pipes, everything shut", async () => {
  await prepare(
    "open(b'\\xff\\n', 'w').write('x'); os.symlink('b', 'a'); os.symlink('a', 'b'); os.mkfifo('p'); socket.socket(socket.AF_UNIX).bind('s')\nos.mkdir('shut'); open('shut/in', 'w').write('in'); os.chmod('shut/in', 0); os.chmod('shut', 0)\nopen('-rf *', 'w').close(); os.chmod('/workspace', 0)",
  );
  expect(await mark()).toBe(200);
  await container.print("os.chmod('/workspace', 0o700)");
  await container.execute("chmod -R 700 .; rm -rf -- *", 10, "bash");
  expect(await goBack()).toBe(200);
  expect(
    await container.print(
      "print(sorted(os.listdir(b'.')), oct(os.stat('shut').st_mode)); os.chmod('shut', 0o700); os.chmod('shut/in', 0o400); print(open('shut/in').read())",
    ),
  ).toBe("[b'-rf *', b'a', b'b', b'shut', b'\\xff\\n'] 0o40000\nin\n");
});

/** A child that calls itself the copy which the session was asked for, and does not sleep. */
const FORGERY = `beat = os.open('/tmp/beat', os.O_RDWR | os.O_CREAT)
child = os.fork()
if child == 0:
    for number in range(1, 32):
        if number not in (9, 17, 18, 19): signal.signal(number, signal.SIG_IGN)
    while True:
        os.pwrite(beat, str(time.time()).encode().ljust(30), 0)
type(session).leave_bookmark = lambda self: self.tell_keeper(b'B%d' % child) or child`;
const BEATS = `before = os.pread(beat, 30, 0); time.sleep(0.3); print(os.pread(beat, 30, 0) != before)`;

test("a forged copy does not live through a time-out", async () => {
  await prepare(FORGERY);
  expect(await container.print(BEATS)).toBe("True\n");
  expect(await mark()).toBe(200);
  const hard =
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\nopen('/tmp/at', 'w').close()\nwhile True: pass";
  expect((await container.execute(hard, 1)).status).toBe("timeout");
  expect(await container.print(BEATS)).toBe("False\n");
});

test("of a forged copy nothing is left when it is gone back to", async () => {
  await prepare(FORGERY);
  expect(await mark()).toBe(200);
  expect(await goBack()).toBe(409);
  const answer = await container.execute(
    "import os, time\nbeat = os.open('/tmp/beat', os.O_RDWR | os.O_CREAT)\n" + BEATS,
  );
  expect([answer.status, answer.stdout]).toEqual(["ok", "False\n"]);
});

test.each([
  [
    "numbers that are none",
    "for word in (b'B', b'B-1', b'B0', b'B1', b'B' + b'9' * 60, b'Bx', b'', b'C1', b'T1', b'\\xff' * 64): session.control.send(word)",
  ],
  [
    "a flood of them",
    "for _ in range(100000):\n    try: session.control.send(b'B2', socket.MSG_DONTWAIT)\n    except OSError: pass",
  ],
  [
    "forged words on the channel",
    `for header in ('{"t":"marked","ok":true}', '{"t":"restored","n":0}', '{"t":"ready"}') * 20:
    session.channel.sendall(struct.pack('>II', len(header), 0) + header.encode())`,
  ],
  ["a harness that copies nothing", "type(session).mark = lambda self: None"],
  ["a harness that says it did", "type(session).leave_bookmark = lambda self: os.getpid()"],
])("the keeper and the server live through %s", async (_name, code) => {
  await prepare(code);
  const marked = await mark();
  expect([200, 409]).toContain(marked);
  if (marked === 200) await goBack();
  const next = await container.execute("print('on')");
  expect([next.status, next.stdout]).toEqual(["ok", "on\n"]);
});

test("a process that wakes itself while the copy is made changes nothing in it", async () => {
  // The kernel continues a stopped process whose timer sends it SIGCONT.
  await prepare(`os.mkdir('d'); open('d/f', 'w').write('x' * 100000)
class Event(ctypes.Structure): _fields_ = [('value', ctypes.c_void_p), ('signal', ctypes.c_int), ('notify', ctypes.c_int), ('rest', ctypes.c_char * 48)]
if os.fork() == 0:
    timer = ctypes.c_void_p()
    assert libc.timer_create(0, ctypes.byref(Event(None, signal.SIGCONT, 0)), ctypes.byref(timer)) == 0
    libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 1000000, 0, 1000000), None)
    while True:
        try:
            os.rename('d', 'e'); os.symlink('/etc', 'd'); os.unlink('d'); os.rename('e', 'd')
        except OSError: pass`);
  for (let round = 0; round < 5; round += 1) {
    const marked = await mark();
    if (marked !== 200) continue;
    expect(await goBack()).toBe(200);
    const seen = await container.print(
      "print([p for p, _, files in os.walk('.') if 'passwd' in files])",
    );
    expect(seen).toBe("[]\n");
    break;
  }
  expect(await container.print("print(kept)")).toBe("kept\n");
});
