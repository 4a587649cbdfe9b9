/** Checklist 1 to 16: what a container can use up, and what outlives what. */
import { testAttacks } from "./cells.ts";

testAttacks([
  {
    name: "1 the forks of one container hardly wait for locks that the others' hold",
    // Each mapping of a file costs a fork a turn at the lock of that file, which all containers share.
    code: `from collections import Counter
counts = Counter(line.split()[4] for line in open('/proc/self/maps') if 'memfd:' in line)
print(max(counts.values(), default=1) < 40)`,
    prints: "True",
  },
  {
    name: "1 a fork bomb ends with its cell",
    code: `while True:
    try: os.fork()
    except OSError: pass`,
    status: "timeout",
    timeout: 1,
    alone: true,
    mayLose: true,
  },
  {
    name: "1 processes are bounded",
    code: `children = []
try:
    while len(children) < 1000:
        child = os.fork()
        if child == 0: time.sleep(60); os._exit(0)
        children.append(child)
except OSError as error: print(error.errno == errno.EAGAIN, len(children) <= 66)
for child in children: os.kill(child, 9); os.waitpid(child, 0)`,
    prints: "True True",
    alone: true,
  },
  {
    name: "2 threads are bounded, and printing goes on without",
    code: `count = 0
try:
    while count < 1000: threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); count += 1
except RuntimeError: print(count <= 66)
for number in range(2000): print(end='')`,
    prints: "True",
    alone: true,
  },
  {
    name: "3 a daemon by double fork ends with the interpreter that started it",
    code: `reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writing, b'up'); time.sleep(100)
    os._exit(0)
os.read(reading, 2)
os.abort()`,
    status: "killed",
    alone: true,
  },
  {
    name: "4 a child in a session of its own does not survive a hard time-out",
    code: `if os.fork() == 0:
    os.setsid(); time.sleep(100); os._exit(0)
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True: pass`,
    status: "timeout",
    timeout: 1,
  },
  {
    name: "3, 4 and nothing of them is left",
    code: `print(len([name for name in os.listdir('/proc') if name.isdigit()]) <= 3)`,
    prints: "True",
  },
  {
    name: "5 signals ignored or blocked",
    code: `for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True: pass`,
    status: "timeout",
    timeout: 1,
  },
  {
    name: "5 an alarm that rings",
    code: `signal.signal(signal.SIGALRM, signal.SIG_DFL)
signal.setitimer(signal.ITIMER_REAL, 0.01)
time.sleep(5)`,
    status: "killed",
  },
  {
    name: "6 atexit and __del__ that never end",
    code: `import atexit
class Endless:
    def __del__(self):
        while True: pass
atexit.register(lambda: [None for _ in iter(int, 1)])
endless = Endless()
sys.exit(3)`,
    status: "error",
  },
  {
    name: "6 __del__ that never ends, run in the cell",
    code: `class Endless:
    def __del__(self):
        while True:
            try: time.sleep(1)
            except BaseException: pass
Endless()
None`,
    status: "timeout",
    timeout: 1,
  },
  {
    name: "7 ten times the memory",
    code: `parts = []
while True: parts.append(bytearray(b'x') * (64 << 20))`,
    status: "out_of_memory",
    timeout: 20,
  },
  {
    name: "8 memory of many children",
    code: `import mmap
for _ in range(8):
    if os.fork() == 0:
        data = b'x' * (800 << 20)
        time.sleep(30); os._exit(0)
try:
    while True: os.wait()
except (ChildProcessError, KeyboardInterrupt): pass`,
    status: ["ok", "timeout", "out_of_memory", "error"],
    timeout: 6,
    alone: true,
    mayLose: true,
  },
  {
    name: "9 shared anonymous memory",
    code: `import mmap
parts = []
while True:
    part = mmap.mmap(-1, 64 << 20)
    for position in range(0, len(part), 4096): part[position] = 1
    parts.append(part)`,
    status: "out_of_memory",
    timeout: 20,
    alone: true,
    mayLose: true,
  },
  {
    name: "9 memfd and System V shared memory do not exist, /dev/shm is bounded",
    code: `print(attempt(os.memfd_create, 'x'), call(29 if x86 else 194, 0, 4096, 0o1600))
try:
    with open('/dev/shm/x', 'wb') as file:
        while True: file.write(bytes(8 << 20))
except OSError as error: print(error.errno in (errno.ENOSPC, errno.EFBIG), os.path.getsize('/dev/shm/x') <= 512 << 20)`,
    prints: "ENOSYS ENOSYS\nTrue True",
    alone: true,
  },
  {
    name: "10 fallocate and sparse files",
    code: `with open('big', 'wb') as file:
    print(attempt(os.posix_fallocate, file.fileno(), 0, 4 << 30), attempt(file.truncate, 1 << 40))`,
    prints: "EFBIG EFBIG",
  },
  {
    name: "11 files by the million",
    code: `count = 0
try:
    os.mkdir('many')
    while count < 100000: open('many/%d' % count, 'w').close(); count += 1
except OSError as error: print(error.errno == errno.ENOSPC, count < 20000)`,
    prints: "True True",
    alone: true,
  },
  {
    name: "12 folders within folders",
    // Each level makes the next one slower, so most of the room goes to files.
    code: `depth = 0
for n in range(14000): open(f'f{n}', 'w').close()
try:
    while depth < 30000: os.mkdir('d'); os.chdir('d'); depth += 1
except OSError as error: print(error.errno == errno.ENOSPC)
os.chdir('/workspace')`,
    prints: "True",
    timeout: 30,
    alone: true,
  },
  {
    name: "13 printing without end",
    code: `while True: print('x' * 1000)`,
    prints: /^x{1000}\n/,
    status: "timeout",
    timeout: 2,
  },
  {
    name: "13 one line of half a gigabyte",
    code: `print('x' * (500 << 20))`,
    prints: /^x{1000}/,
  },
  {
    name: "13 a flood past Python's own streams",
    code: `block = b'x' * (1 << 20)
for _ in range(200):
    if attempt(os.write, 2, block) != 'done': break
print('after')`,
    prints: "after",
  },
  {
    name: "14 every descriptor used up, and left open",
    code: `open_ones = []
try:
    while True: open_ones.append(os.open('/dev/null', os.O_RDONLY))
except OSError as error: print(error.errno == errno.EMFILE)`,
    prints: "True",
    alone: true,
  },
  {
    name: "14 all descriptors closed",
    code: `os.closerange(0, 1024)`,
    status: ["ok", "killed"],
  },
  {
    name: "15 a C call that looks at no signal",
    code: `10 ** 10 ** 9`,
    status: "timeout",
    timeout: 1,
  },
  {
    name: "16 semaphores and queues of System V and POSIX",
    code: `print(call(64 if x86 else 190, 0, 1, 0o1600), call(68 if x86 else 186, 0, 0o1600), call(240 if x86 else 180, b'x', 0o102, 0o600, 0))`,
    prints: "ENOSYS ENOSYS ENOSYS",
  },
  {
    name: "the limits cannot be raised, nor those of others changed",
    code: `import resource
print({attempt(resource.setrlimit, kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)) for kind in (resource.RLIMIT_DATA, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)}, attempt(resource.prlimit, 1, resource.RLIMIT_NOFILE, (0, 0)))`,
    prints: "{'ValueError'} EPERM",
  },
  {
    name: "the first process takes no signal",
    code: `for number in range(1, 65): attempt(os.kill, 1, number)
time.sleep(0.1)
print(os.path.exists('/proc/1'))`,
    prints: "True",
  },
]);
