/** The same walls around shell commands, which may start programs: attacks with the tools that are there. */
import { afterAll, beforeAll, expect, test } from "vitest";

import { ScriptedProvider } from "../../../src/providers/scripted.ts";
import { createContainer, type TestContainer } from "../direct-client.ts";
import { startServer, type TestServer } from "../server.ts";

let server: TestServer;
let container: TestContainer;
beforeAll(async () => {
  server = await startServer({ provider: new ScriptedProvider([]) });
  container = await createContainer(server);
});
afterAll(() => server.close());

const PYTHON_CALLS = `python3 - <<'EOF'
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
x86 = os.uname().machine == 'x86_64'
def call(number):
    ctypes.set_errno(0)
    return errno.errorcode.get(ctypes.get_errno()) if libc.syscall(ctypes.c_long(number), 0, 0, 0, 0, 0, 0) == -1 else 'done'
for number in (101, 272, 308, 165, 321, 323, 248, 425, 310) if x86 else (117, 97, 268, 40, 280, 282, 217, 425, 270):
    print(call(number), end=' ')
for family in (2, 10, 16, 17, 38, 40):
    try:
        socket.socket(family, socket.SOCK_DGRAM); print('open', end=' ')
    except OSError as error:
        print(errno.errorcode[error.errno], end=' ')
EOF`;

test.each([
  [
    "system calls are those of the table, whatever program makes them",
    PYTHON_CALLS,
    /^(EPERM ){7}ENOSYS EPERM (EAFNOSUPPORT ?){6}$/,
  ],
  [
    "no way to the network",
    "exec 3<>/dev/tcp/127.0.0.1/80 || echo shut; exec 3<>/dev/udp/8.8.8.8/53 || echo shut",
    /^shut\nshut$/,
  ],
  [
    "no program has a special bit, and none would help",
    "find / -xdev -perm /6000 2>/dev/null | wc -l; cp /usr/bin/id i; chmod 4755 i; ./i -u; grep NoNewPrivs /proc/self/status | cut -f2",
    /^0\n1000\n1$/,
  ],
  ["no capability in any set", "grep -h Cap /proc/self/status | cut -f2 | sort -u", /^0{16}$/],
  [
    "the keeper is out of reach",
    "kill -9 1; cat /proc/1/environ /proc/1/maps; ls /proc/1/fd /proc/1/root; echo x > /proc/1/mem; echo alive",
    /^alive$/,
  ],
  [
    "the tree is read-only",
    "for f in /usr/bin/bash /etc/passwd /usr/lib; do (echo x >> $f/x || echo x >> $f) 2>/dev/null && echo wrote $f; done; rm -f /usr/bin/ls; ls /usr/bin/ls",
    /^\/usr\/bin\/ls$/,
  ],
  [
    "no name and no mount of the host",
    "hostname 2>/dev/null || uname -n; cat /proc/self/mountinfo | awk '{ print $4 }' | grep -vE '^/(root|workspace|outputs|tmp|home|null|zero|full|u?random|empty|shm)?(/.*)?$'",
    /^sandbox$/,
  ],
  [
    "no devices can be made, nothing mounted",
    "mknod d c 1 1; mount -t tmpfs x /tmp; unshare -r id; echo no",
    /^no$/,
  ],
  [
    "limits cannot be raised",
    "ulimit -n 100000; ulimit -u 100000; ulimit -c unlimited; prlimit --pid 1 2>/dev/null; ulimit -c",
    /^0$/,
  ],
  ["the environment has no secrets", "env | grep -ciE 'key|token|secret|curta'", /^0$/],
])("%s", async (_name, code, prints) => {
  const answer = await container.execute(code, 20, "bash");
  expect(answer.stdout.trim()).toMatch(prints);
});

test("descriptors of the harness are not handed down", async () => {
  const { stdout } = await container.execute(
    "ls -l /proc/self/fd | awk '{ print $NF }'",
    10,
    "bash",
  );
  const targets = stdout.split("\n").filter((line) => /^(pipe|socket|anon|\/)/.test(line));
  expect(targets.filter((line) => /socket|anon_inode|deleted/.test(line))).toEqual([]);
  expect(targets.length).toBeLessThanOrEqual(4);
});

test("a name that looks like a number, a parenthesis in a process's name: nothing of it lives on", async () => {
  const hide =
    "cp /usr/bin/sleep './) S 1 1 1 ('; './) S 1 1 1 (' 60 & cp /usr/bin/sleep 7; (setsid ./7 60 &); echo on";
  await container.execute(hide, 10, "bash");
  const { stdout } = await container.execute("ps -e -o args= | grep -c ' 60$'", 10, "bash");
  expect(stdout).toBe("0\n");
});
