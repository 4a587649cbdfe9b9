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
  // The one socket is the way to ask for a loaded Python.
  expect(targets.filter((line) => /socket|anon_inode|deleted/.test(line)).length).toBe(1);
  expect(targets.length).toBeLessThanOrEqual(5);
});

test("a name that looks like a number, a parenthesis in a process's name: nothing of it lives on", async () => {
  const hide =
    "cp /usr/bin/sleep './) S 1 1 1 ('; './) S 1 1 1 (' 60 & cp /usr/bin/sleep 7; (setsid ./7 60 &); echo on";
  await container.execute(hide, 10, "bash");
  const { stdout } = await container.execute("ps -e -o args= | grep -c ' 60$'", 10, "bash");
  expect(stdout).toBe("0\n");
});

/** Asks the keeper for a program as the launcher does, with what the launcher would not send. */
const BAD_REQUESTS = `/usr/bin/python3 - <<'EOF'
import array, os, socket
requests = socket.socket(fileno=os.dup(197))
def ask(message, descriptors):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handed = array.array('i', [theirs.fileno(), *descriptors])
    try:
        requests.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handed)])
    except OSError:
        return
    theirs.close()
    ours.settimeout(5)
    answers.add(ours.recv(16)[:1])
answers = set()
for message in (b'x', b'\\0' * 50, b'a' * 1000, os.urandom(1000), b'\\0'.join([b'x', b'9 -1', b'9 19', b'-1 5000 x']), b'\\0'.join([b'', b'18 1', b'', b'0 0'])):
    for descriptors in ([0], [0, 1, 2], [0] * 60, [0] * 250):
        ask(message, descriptors)
    requests.send(b'x')
    requests.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2]))])
print(sorted(answers))
EOF
`;

test("the keeper refuses requests for programs that are none, and lives", async () => {
  const asked = await container.execute(BAD_REQUESTS, 20, "bash");
  expect(asked.stdout).toMatch(/^\[(b'', )?b'N'\]\n$/);
  const next = await container.execute("python3 -c 'import numpy; print(7)'", 10, "bash");
  expect(next.stdout).toBe("7\n");
});

test("a program with its libraries loaded is inside the same walls", async () => {
  const code = `python3 -c 'import numpy, os
status = open("/proc/self/status").read()
print([line.split()[1] for line in status.splitlines() if line.startswith(("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp:"))])
print([os.readlink(f"/proc/self/fd/{n}").split(":")[0] for n in sorted(map(int, os.listdir("/proc/self/fd")))[3:-1]])
try: os.kill(1, 9); open("/proc/1/mem")
except OSError as error: print(type(error).__name__)'`;
  const loaded = await container.execute(code, 10, "bash");
  const started = await container.execute(code.replace("python3", "/usr/bin/python3"), 10, "bash");
  expect(loaded.stdout).toBe(started.stdout);
  expect(loaded.stdout).toContain("['1000', '0000000000000000', '0000000000000000', '1', '2']");
});

test("a program ends with its launcher, and all of them with the command", async () => {
  const sleeper = 'python3 -c \'import numpy, time; open("up", "w"); time.sleep(60)\' &';
  const wait = "until [ -e up ]; do :; done; rm up;";
  const running = "ps -e -o comm= | grep -c '^python3'";
  // The keeper and the session's processes are Pythons too.
  const before = Number((await container.execute(running, 10, "bash")).stdout);
  const killed = await container.execute(
    `${sleeper} ${wait} kill -9 $!; for i in $(seq 200); do n=$(${running}); [ $n = ${before} ] && break; done; echo $n; ${sleeper} ${wait}`,
    20,
    "bash",
  );
  expect(killed.stdout).toBe(`${before}\n`);
  expect(Number((await container.execute(running, 10, "bash")).stdout)).toBe(before);
});

test("a Python session has no way to ask for programs", async () => {
  const code =
    "import os\ntry:\n    os.fstat(197); print('open')\nexcept OSError: print('closed')\ntry:\n    os.execv('/run/python3', ['python3'])\nexcept OSError as error: print(type(error).__name__)";
  expect(await container.print(code)).toBe("closed\nPermissionError\n");
});

test("requests to the keeper with descriptors that are no sockets use up none of its own", async () => {
  const ask = `exec /usr/bin/python3 -S -c '
import array, os, socket
requests = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=197)
null = os.open("/dev/null", os.O_RDONLY)
def ask(*descriptors): requests.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])
for _ in range(1500): ask(null, null)
ours, theirs = socket.socketpair()
ask(theirs.fileno(), null)
ours.settimeout(5)
print(ours.recv(10))
'`;
  const { stdout } = await container.execute(ask, 20, "bash");
  expect(stdout).toBe("b'N'\n");
});
