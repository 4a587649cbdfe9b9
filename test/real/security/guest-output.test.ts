/* oxlint-disable vitest/no-standalone-expect -- what judges an attack runs inside its test */
/** Checklist 43 to 50: what the server does with what comes out. */
import { expect } from "vitest";

import { createContainer, send, type Answer, type TestContainer } from "../direct-client.ts";
import type { TestServer } from "../server.ts";
import { testAttacks } from "./cells.ts";

async function readFiles({ files }: Answer, server: TestServer): Promise<string[]> {
  const responses = files.map(({ id }) => send(server, "GET", `/v1/files/${id}/content`));
  return await Promise.all(responses.map(async (response) => (await response).text()));
}

/** Nothing but the code's own bytes has left the container. */
async function isOwn(answer: Answer, _container: TestContainer, server: TestServer) {
  for (const text of await readFiles(answer, server)) expect(["mine", ""]).toContain(text);
}

/** Finds the harness's own session object, as hostile code can. */
const SESSION = `import gc, json
session = next(thing for thing in gc.get_objects() if type(thing).__name__ == 'Session')
def frame(header, payload=b''):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('>II', len(head), len(payload)) + head + payload
`;

testAttacks([
  {
    name: "43 outputs that are links, pipes, devices, sockets, folders or have impossible names",
    code: `out = os.environ['OUTPUT_DIR']
os.symlink('/etc/passwd', out + '/link'); os.symlink('/proc/1/environ', out + '/proc')
os.mkfifo(out + '/pipe'); os.mkdir(out + '/folder'); socket.socket(socket.AF_UNIX).bind(out + '/socket')
open(out + '/new\\nline', 'w').close(); open(os.fsencode(out) + b'/\\xff\\xfe', 'w').close()
open(out + '/' + 'n' * 255, 'w').close(); open(out + '/..data', 'w').close(); open(out + '/\u202egnp.exe', 'w').close()
print('made')`,
    prints: "made",
    async judge(answer, container, server) {
      await isOwn(answer, container, server);
      const names = answer.files.map(({ filename }) => filename);
      expect(names.toSorted()).toEqual(["..data", "n".repeat(255)].toSorted());
    },
  },
  {
    name: "43 an output folder that is a link",
    code: `out = os.environ['OUTPUT_DIR']
os.rmdir(out); os.symlink('/etc', out)
print('made')`,
    prints: "made",
    judge: (answer) => Promise.resolve(expect(answer.files).toEqual([])),
  },
  {
    name: "44 a file swapped for a link while it is collected",
    code: `out = os.environ['OUTPUT_DIR']
open(out + '/real', 'w').write('mine'); os.symlink('/etc/passwd', out + '/other')
def swap():
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        os.rename(out + '/real', out + '/x'); os.rename(out + '/other', out + '/real'); os.rename(out + '/x', out + '/other')
threading.Thread(target=swap).start()`,
    judge: isOwn,
  },
  {
    name: "44 processes that exchange files, folders and links all the time, over many collections",
    code: `out = '/outputs'
exchange = lambda one, other: libc.renameat2(-100, one.encode(), -100, other.encode(), 2)
for _ in range(3):
    if os.fork() == 0:
        os.makedirs('/tmp/swap', exist_ok=True)
        end = time.monotonic() + 6
        count = 0
        while time.monotonic() < end:
            for folder in os.listdir(out):
                here = f'{out}/{folder}'
                try:
                    if not os.path.islink(here): open(here + '/file', 'w').write('mine')
                    for target in (os.__file__, '/proc/1/environ', '/proc/self/environ', '/etc/passwd'):
                        link = f'/outputs/{os.getpid()}-{count}'; count += 1
                        os.symlink(target, link); exchange(link, here + '/file'); exchange(link, here + '/file'); os.remove(link)
                    link = f'/outputs/{os.getpid()}-{count}'; count += 1
                    os.symlink('/etc', link); exchange(link, here); exchange(link, here); os.remove(link)
                except OSError: pass
        os._exit(0)
print('racing')`,
    prints: "racing",
    alone: true,
    async judge(_answer, container, server) {
      let collected = 0;
      const end = performance.now() + 5000;
      while (performance.now() < end) {
        const answer = await container.execute(
          "open(os.environ['OUTPUT_DIR'] + '/file', 'w').write('mine'); None",
        );
        await isOwn(answer, container, server);
        collected += answer.files.length;
      }
      expect(collected).toBeGreaterThan(5);
    },
  },
  {
    name: "44 a path of the workspace whose folders are exchanged for links while it is read and written",
    code: `os.makedirs('safe', exist_ok=True); open('safe/passwd', 'w').write('mine'); os.symlink('/etc', 'link')
if os.fork() == 0:
    end = time.monotonic() + 5
    while time.monotonic() < end: libc.renameat2(-100, b'safe', -100, b'link', 2)
    os._exit(0)
print('racing')`,
    prints: "racing",
    alone: true,
    async judge(_answer, container, server) {
      const path = `/v1/containers/${container.id}/files/safe/passwd`;
      const statuses = new Set<number>();
      const end = performance.now() + 4000;
      while (performance.now() < end) {
        const response = await send(server, "GET", path);
        const body = await response.text();
        if (response.ok) expect(["mine", "put"]).toContain(body);
        statuses.add(response.status);
        statuses.add((await send(server, "PUT", path, new TextEncoder().encode("put"))).status);
      }
      expect(statuses).toEqual(new Set([200, 400]));
      expect(await container.print("print('put' in open('/etc/passwd').read())")).toBe("False\n");
    },
  },
  {
    name: "43 sparse outputs larger than all limits together",
    code: `for number in range(20):
    with open(os.environ['OUTPUT_DIR'] + f'/{number}', 'wb') as file: file.truncate(60 << 20)`,
    timeout: 15,
  },
  {
    name: "45 a pickle that does something when loaded is loaded only where it does",
    code: `import pickle
class Evil:
    def __reduce__(self): return (os.abort, ())
open(os.environ['OUTPUT_DIR'] + '/evil.pkl', 'wb').write(pickle.dumps(Evil()))
print('made')`,
    prints: "made",
  },
  {
    name: "45 an archive that unpacks to more than the container may hold",
    code: `import zipfile
with zipfile.ZipFile('bomb.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
    for number in range(3): archive.writestr(str(number), bytes(150 << 20))
try: zipfile.ZipFile('bomb.zip').extractall('/tmp/bomb')
except OSError as error: print(error.errno == errno.ENOSPC)
import shutil; shutil.rmtree('/tmp/bomb'); os.remove('bomb.zip')`,
    prints: "True",
    timeout: 20,
  },
  {
    name: "46 a drawing with a script in it is handed out as a file to save, never as a page",
    code: `open(os.environ['OUTPUT_DIR'] + '/x.svg', 'w').write('<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script>&x;</svg>')
open(os.environ['OUTPUT_DIR'] + '/x.html', 'w').write('<script>alert(1)</script>')
print('made')`,
    prints: "made",
    async judge({ files }, _container, server) {
      expect(files).toHaveLength(2);
      for (const { id } of files) {
        const { headers } = await send(server, "GET", `/v1/files/${id}/content`);
        expect(headers.get("content-disposition")).toMatch(/^attachment/);
        expect(headers.get("x-content-type-options")).toBe("nosniff");
      }
    },
  },
  {
    name: "46 a picture that would unpack to 10 GB is not passed on",
    code: `from IPython.display import display
import zlib
ihdr = b'IHDR' + struct.pack('>IIBBBBB', 50000, 50000, 8, 6, 0, 0, 0)
png = bytes.fromhex('89504e470d0a1a0a') + struct.pack('>I', 13) + ihdr + struct.pack('>I', zlib.crc32(ihdr))
display({'image/png': png, 'text/plain': 'bomb'}, raw=True)
display({'image/png': b'GIF89a', 'image/jpeg': 'no base64', 'text/plain': 'no picture'}, raw=True)
display({'image/png': png[:20], 'text/plain': 'cut'}, raw=True)`,
    judge: ({ outputs }) =>
      Promise.resolve(
        expect(outputs.map(({ data }) => data)).toEqual([
          { "text/plain": "bomb" },
          { "text/plain": "no picture" },
          { "text/plain": "cut" },
        ]),
      ),
  },
  {
    name: "46 a figure of ten thousand dots an inch",
    code: `import matplotlib.pyplot as plt
figure = plt.figure(figsize=(50, 50), dpi=10000); plt.plot([1, 2])
figure.savefig(os.environ['OUTPUT_DIR'] + '/x.png')`,
    status: ["error", "out_of_memory", "timeout", "killed"],
    timeout: 10,
  },
  {
    name: "47 control messages on stdout are text",
    code: `os.write(1, struct.pack('>II', 11, 0) + b'{"t":"done"}')
print('{"t":"done","n":1}')`,
    prints: /\{"t":"done","n":1\}\n$/,
  },
  {
    name: "47 a forged end of the cell",
    code: `${SESSION}session.channel.sendall(frame({'t': 'done', 'n': session.shell.execution_count, 'status': 'ok', 'code': 0, 'wall': 0, 'cpu': 0, 'peak': 0, 'files': True, 'shown': [], 'truncated': False, 'rollback': False, 'same': False}))
time.sleep(0.2)`,
    mayLose: true,
  },
  {
    name: "47 forged words out of turn",
    code: `${SESSION}for word in ({'t': 'ready'}, {'t': 'restored', 'n': 0}, {'t': 'done', 'n': 10**9, 'status': 'ok', 'code': 0, 'wall': 0, 'cpu': 0, 'peak': 0, 'files': False, 'shown': [], 'truncated': False, 'rollback': False, 'same': False}):
    session.channel.sendall(frame(word))
print('sent')`,
    prints: "sent",
  },
  ...[
    ["a frame of 4 GB", "struct.pack('>II', 0xffffffff, 0xffffffff)"],
    ["a header that is not JSON", "frame(b'{{{{')"],
    [
      "half a million parts",
      'frame(b\'{"t":"display","kind":"display_data","metadata":{},"parts":[\' + b\',\'.join([b\'1\'] * 400000) + b\']}\')',
    ],
    ["the token, which it has found", "session.token"],
    ["noise", "os.urandom(1 << 20)"],
  ].map(([what, bytes]) => ({
    name: `47 the channel carries ${what}`,
    code: `${SESSION}session.channel.sendall(${bytes})\nprint('sent')`,
    status: ["ok" as const, "killed" as const],
    mayLose: true,
  })),
  {
    name: "47 three hundred frames that fit, in the wrong state and out of order",
    code: `${SESSION}import random
word = lambda: random.choice([
    {'t': 'ready'}, {'t': 'restored', 'n': random.randrange(5)},
    {'t': 'stream', 's': random.choice([1, 2]), 'o': random.choice([0, 10, 1 << 40])},
    {'t': 'display', 'kind': 'display_data', 'parts': [], 'metadata': {}},
    {'t': 'error', 'name': 'E', 'message': 'm', 'traceback': 't', 'line': 1},
    {'t': 'done', 'n': random.choice([1, 10 ** 6]), 'status': 'ok', 'code': 0, 'wall': 0, 'cpu': 0, 'peak': 0, 'files': True, 'shown': [], 'truncated': False, 'rollback': random.random() < .5, 'same': random.random() < .5}])
for _ in range(300): session.channel.sendall(frame(word()))
for _ in range(300):
    try: session.control.send(os.urandom(random.randrange(64)), socket.MSG_DONTWAIT)
    except OSError: pass
print('sent')`,
    status: ["ok", "error", "killed"],
    mayLose: true,
  },
  {
    name: "47 noise on the channel, again and again",
    code: "print('ready')",
    prints: "ready",
    alone: true,
    mayLose: true,
    async judge(_answer, container) {
      for (let round = 0; round < 8; round += 1) {
        await container.execute(
          `${SESSION}import os\nsession.channel.sendall(os.urandom(${1 << (3 * round)}))\nNone`,
          5,
        );
      }
      expect(await container.print("print('alive')")).toBe("alive\n");
    },
  },
  {
    name: "47 metadata too deep to be written again",
    code: `${SESSION}session.channel.sendall(frame(b'{"t":"display","kind":"display_data","parts":[],"metadata":{"a":' + b'[' * 200000 + b']' * 200000 + b'}}'))
print('sent')`,
    prints: "sent",
  },
  {
    name: "47 a cut frame, then the end",
    code: `${SESSION}session.channel.sendall(frame({'t': 'stream', 's': 1, 'o': 0}, b'x' * 1000)[:100])
os.abort()`,
    status: "killed",
  },
  {
    name: "47 forged words on the keeper's socket",
    code: `${SESSION}for word in (b'T1', b'T-1', b'T' + b'9' * 60, b'Tx', b'', b'T%d' % os.getpid(), b'C1', b'C-1', b'C' + b'9' * 60):
    session.control.send(word)
while True: pass`,
    status: "timeout",
    timeout: 1,
  },
  {
    name: "47 the checkpoint killed, then the interpreter",
    code: `for name in os.listdir('/proc'):
    if name.isdigit() and int(name) not in (1, os.getpid()): os.kill(int(name), 9)
os.abort()`,
    status: "killed",
    mayLose: true,
  },
  {
    name: "47 the checkpoint stopped, then the interpreter ended",
    code: `for name in os.listdir('/proc'):
    if name.isdigit() and int(name) not in (1, os.getpid()): os.kill(int(name), signal.SIGSTOP)
os.abort()`,
    status: "killed",
    mayLose: true,
  },
  {
    name: "48 __repr__ that hangs",
    code: `class Hangs:
    def __repr__(self):
        while True: pass
Hangs()`,
    status: "timeout",
    timeout: 1,
  },
  {
    name: "48 __repr__ that leaves",
    code: `class Leaves:
    def __repr__(self): raise SystemExit(3)
Leaves()`,
    status: ["ok", "error"],
  },
  {
    name: "48 an exception whose text hangs",
    code: `class Hangs(Exception):
    def __str__(self):
        while True: pass
raise Hangs()`,
    status: "timeout",
    timeout: 1,
  },
  {
    name: "48 an exception whose text leaves, in a class without a name",
    code: `class Leaves(Exception):
    def __str__(self): raise SystemExit
Leaves.__name__ = 'x' * 100000
raise Leaves()`,
    status: ["error", "killed"],
  },
  { name: "48 sys.stdout closed", code: `sys.stdout.close()`, status: "ok" },
  {
    name: "48 sys.stdout replaced",
    code: `sys.stdout = sys.__stdout__ = None; sys.stderr = 5`,
    status: ["ok", "error"],
  },
  { name: "48 descriptor 1 closed", code: `os.close(1); os.close(2)`, status: "ok" },
  {
    name: "49 the harness's modules overwritten",
    code: `json_module = __import__('json'); json_module.dumps = None`,
    status: ["ok", "killed"],
  },
  { name: "49 os.fork overwritten", code: `real_fork, os.fork = os.fork, lambda: 0` },
  { name: "49 and put back", code: `os.fork = real_fork; print('back')`, prints: "back" },
  {
    name: "49 NaN in metadata",
    code: `from IPython.display import display
display({'text/plain': 'x'}, raw=True, metadata={'x': float('nan')})`,
  },
  {
    name: "49 displays from many threads",
    code: `from concurrent.futures import ThreadPoolExecutor
from IPython.display import display
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda number: display({'text/plain': 'y' * 300000}, raw=True), range(40)))`,
  },
  {
    name: "49 a time-out in the middle of a large display",
    code: `from IPython.display import display
text = 'x' * (4 << 20)
while True: display({'text/plain': text}, raw=True)`,
    status: "timeout",
    timeout: 1,
  },
  {
    name: "50 an id that was guessed, is old, or belongs to somebody else's path",
    code: "print('here')",
    prints: "here",
    alone: true,
    async judge(_answer, container, server) {
      const gone = await createContainer(server);
      await gone.delete();
      // 128 bits or more, drawn at random: nothing of one id is found in the next.
      const [one, other] = [container.id, gone.id].map((id) => id.slice("container_".length));
      expect(one!.length).toBeGreaterThanOrEqual(22);
      expect(Array.from(one!).filter((sign, place) => sign === other![place]).length).toBeLessThan(
        12,
      );
      const flipped = one!.slice(0, -1) + (one!.endsWith("a") ? "b" : "a");
      const guesses = [gone.id, `container_${flipped}`, "container_", "*", "__proto__"];
      for (const guess of [...guesses, `${container.id}%00`, container.id.toUpperCase()]) {
        for (const [method, path] of [
          ["GET", ""],
          ["GET", "/files"],
          ["GET", "/files/x"],
          ["DELETE", ""],
        ] as const) {
          const { status } = await send(server, method, `/v1/containers/${guess}${path}`);
          expect([guess, path, [400, 404, 405, 410].includes(status)]).toEqual([guess, path, true]);
        }
      }
      expect(await container.print("print('still')")).toBe("still\n");
    },
  },
]);
