/* oxlint-disable vitest/no-standalone-expect -- what judges an attack runs inside its test */
/** Checklist 35 to 42: what can be read, and what can be written. */
import { expect } from "vitest";

import { createContainer } from "../direct-client.ts";
import { testAttacks } from "./cells.ts";

/** Reads all memory that the process may read. The patterns do not match themselves. */
const SEARCH = `import re
planted = 'control-' + 'value'
patterns = {'control': re.compile(rb'control-[v]alue'), 'secret': re.compile(rb'secret-of-the-[s]erver')}
found, searched = set(), 0
with open('/proc/self/mem', 'rb', 0) as memory:
    for line in open('/proc/self/maps').read().splitlines():
        span, rights = line.split()[:2]
        if 'r' not in rights or '[v' in line: continue
        start, end = (int(part, 16) for part in span.split('-'))
        for position in range(start, end, 8 << 20):
            try:
                memory.seek(position)
                block = memory.read(min(end - position, (8 << 20) + 64))
            except (OSError, OverflowError, ValueError): break
            searched += len(block)
            found |= {name for name, pattern in patterns.items() if pattern.search(block)}
print(found, searched > 50 << 20)`;

testAttacks(
  [
    {
      name: "35 the keeper's memory, files, root and environment",
      code: `names = ('environ', 'mem', 'maps', 'auxv', 'stack', 'syscall', 'io')
print({attempt(open, '/proc/1/' + name) for name in names} <= {'EACCES', 'EPERM', 'ENOENT'}, {attempt(os.listdir, '/proc/1/' + name) for name in ('fd', 'root', 'cwd', 'map_files')})`,
      prints: "True {'EACCES'}",
    },
    {
      name: "35 only this container's processes exist",
      code: `print({int(name) for name in os.listdir('/proc') if name.isdigit()} <= set(range(1, 400)), len([name for name in os.listdir('/proc') if name.isdigit()]) <= 4)`,
      prints: "True True",
    },
    {
      name: "36 kernel settings, sysfs and control groups",
      code: `print(os.listdir('/proc/sys'), os.listdir('/sys'), attempt(open, '/proc/sysrq-trigger', 'w'), os.path.exists('/sys/fs/cgroup'))
print({line.rsplit(':', 1)[1].strip() for line in open('/proc/self/cgroup')})`,
      prints: /^\[\] \[\] \w+ False\n\{'\/'\}\n$/,
    },
    {
      name: "37 host name, machine id, uptime, mounts and kernel log say nothing of the host",
      code: `mounts = open('/proc/self/mountinfo').read()
print(os.uname().nodename, os.path.exists('/etc/machine-id'), float(open('/proc/uptime').read().split()[0]) < 600, time.clock_gettime(time.CLOCK_BOOTTIME) < 600)
boot = int(open('/proc/stat').read().split('btime ')[1].split()[0])
print(time.time() - boot < 600, [line.split()[4] for line in mounts.splitlines() if line.split()[4] == '/'], 'curta' in mounts, '/var' in mounts, '/home' in mounts.replace('/home/user', '').replace('/home ', ''))
print([open('/proc/' + name).read(1) for name in ('cmdline', 'version', 'loadavg', 'cgroups', 'interrupts')], attempt(open, '/dev/kmsg'))`,
      prints: "sandbox False True True\nTrue [] False False False\n['', '', '', '', ''] ENOENT",
    },
    {
      name: "37 names below /proc are those that are known to be harmless",
      code: `open_to_all = []
for name in sorted(os.listdir('/proc')):
    if name.isdigit() or name in ('self', 'thread-self', 'mounts', 'net', 'sysvipc'): continue
    try:
        content = os.listdir('/proc/' + name) if os.path.isdir('/proc/' + name) else open('/proc/' + name, 'rb').read(1)
    except OSError: continue
    if content: open_to_all.append(name)
print(set(open_to_all) - set('cpuinfo meminfo stat uptime filesystems'.split()))`,
      prints: "set()",
    },
    {
      name: "38 no secret of the server in the environment or the command line",
      code: `text = open('/proc/self/environ').read() + open('/proc/1/cmdline').read() + repr(os.environ)
print([word for word in ('secret-of-the-server', 'API_KEY', 'TOKEN', 'ANTHROPIC', '/root', '/tmp/curta') if word in text])`,
      prints: "[]",
    },
    {
      name: "38 no secret of the server in any page that the code can read",
      code: SEARCH,
      prints: "{'control'} True",
      timeout: 30,
      // The cell before names the secret that it looks for.
      alone: true,
    },
    {
      name: "39 descriptors: three streams, their spares, the channel and the control socket",
      code: `import stat
inherited = []
for number in sorted(map(int, os.listdir('/proc/self/fd'))):
    try: kind = os.fstat(number).st_mode
    except OSError: continue
    inherited.append('socket' if stat.S_ISSOCK(kind) else 'file' if stat.S_ISREG(kind) else 'null' if stat.S_ISCHR(kind) else 'other')
print(sorted(inherited))`,
      prints: "['file', 'file', 'file', 'file', 'null', 'socket', 'socket']",
      alone: true,
    },
    {
      name: "40 caches and start-up files that one session poisons are no other's",
      code: `import site
places = ('/tmp/matplotlib/matplotlibrc', '/tmp/sitecustomize.py', '/workspace/numpy.py', '/workspace/pandas.py', '/workspace/sitecustomize.py', '/home/user/.config/matplotlib/matplotlibrc', '/home/user/.local/lib/python3.11/site-packages/evil.pth', '/home/user/.pythonrc.py', '/tmp/ipython/profile_default/startup/evil.py', '/home/user/.ipython/profile_default/startup/evil.py', '/dev/shm/evil.py')
made = 0
for place in places:
    os.makedirs(os.path.dirname(place), exist_ok=True)
    open(place, 'w').write('raise SystemExit("poisoned")'); made += 1
print(made)`,
      prints: "11",
      alone: true,
      async judge(_answer, _container, server) {
        const next = await createContainer(server);
        const code = `import os, sys, numpy, pandas, matplotlib.pyplot as plt
plt.plot([1, 2]); plt.savefig('/tmp/x.png'); plt.close()
print([path for folder in ('/tmp', '/workspace', '/home/user', '/dev/shm') for path, _, names in os.walk(folder) if any(name.startswith(('evil', 'sitecustom', 'numpy.', '.pythonrc')) for name in names)])`;
        expect(await next.print(code)).toBe("[]\n");
        await next.delete();
      },
    },
    {
      name: "41 the interpreter, its packages, the kernel and start-up files cannot be written",
      code: `import numpy
places = (os.__file__, numpy.__file__, '/kernel/kernel/session.py', os.path.dirname(numpy.__file__) + '/../x.pth', os.path.dirname(os.__file__) + '/sitecustomize.py', '/usr/x', '/etc/x', '/etc/passwd', '/x', '/dev/x', '/proc/x')
print({attempt(open, place, 'a') for place in places} <= {'EROFS', 'EACCES', 'ENOENT', 'EPERM'}, attempt(os.rename, '/usr/lib', '/usr/lob'), attempt(os.remove, os.__file__), attempt(os.chmod, os.__file__, 0o777), attempt(os.utime, os.__file__))`,
      prints: /^True (EROFS|EACCES) (EROFS|EACCES) (EROFS|EPERM) (EROFS|EACCES|EPERM)\n$/,
    },
    {
      name: "42 shared read-only pages: no writable mapping, no page-cache writing call",
      code: `import mmap
descriptor = os.open(os.__file__, os.O_RDONLY)
size = os.fstat(descriptor).st_size
def write_shared(): mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
before = os.pread(descriptor, 100, 0)
pipe = os.pipe()
os.splice(descriptor, pipe[1], 50, 0)
os.write(pipe[1], b'X' * 50)
private = mmap.mmap(descriptor, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
private[0:4] = b'XXXX'
own = os.open('/proc/self/mem', os.O_RDWR)
print(attempt(write_shared), call(278 if x86 else 75, pipe[1], 0, 0, 0), os.pread(descriptor, 100, 0) == before)`,
      prints: "EACCES EPERM True",
    },
  ],
  { CURTA_UPSTREAM_KEY: "secret-of-the-server", CURTA_API_KEYS: "test,secret-of-the-server" },
);
