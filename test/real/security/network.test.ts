/** Checklist 17 to 24: there is no network, by any family, door or left-over descriptor. */
import { testAttacks } from "./cells.ts";

testAttacks([
  {
    name: "17 TCP, UDP and raw sockets of both internet families",
    code: `kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)
print({attempt(socket.socket, family, kind) for family in (socket.AF_INET, socket.AF_INET6) for kind in kinds})`,
    prints: "{'EAFNOSUPPORT'}",
  },
  {
    name: "17 with bits above the low half of the family, which the kernel does not read",
    code: `print(call(41 if x86 else 198, socket.AF_INET | 1 << 40, 1, 0))`,
    prints: "EAFNOSUPPORT",
  },
  {
    name: "18 DNS through the C library",
    code: `print(attempt(socket.getaddrinfo, 'example.org', 80), attempt(socket.gethostbyname, 'localhost.'))`,
    prints: /^(EAI|gaierror|[-\d]|\[Errno)/,
  },
  {
    name: "19 abstract and named local sockets reach nobody outside",
    code: `found = [attempt(socket.socket(socket.AF_UNIX).connect, name) for name in (chr(0) + '/tmp/.X11-unix/X0', '/run/dbus/system_bus_socket', '/server/zygote', '/var/run/docker.sock')]
print(set(found) <= {'ENOENT', 'ECONNREFUSED'}, open('/proc/net/unix').read().count(chr(10)) < 12)`,
    prints: "True True",
  },
  {
    name: "20 every other family",
    code: `print({family for family in range(64) if family != socket.AF_UNIX for kind in (1, 2, 3, 5) if attempt(socket.socket, family, kind) == 'done'})`,
    prints: "set()",
  },
  {
    name: "20 pairs of other families",
    code: `print({family for family in range(64) if family != 1 and call(53 if x86 else 199, family, 1, 0, (ctypes.c_int * 2)()) == 'done'})`,
    prints: "set()",
  },
  {
    name: "21 the cloud's metadata address",
    code: `import urllib.request
print(attempt(urllib.request.urlopen, 'http://169.254.169.254/latest/meta-data', None, 1))`,
    prints: /^(URLError|EAFNOSUPPORT|\[Errno|<urlopen)/,
  },
  {
    name: "22 a 32-bit entry kills the process that tries it",
    code: `import mmap
child = os.fork()
if child == 0:
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(bytes.fromhex('b866000000bb01000000cd80c3'))  # mov eax, socketcall; mov ebx, 1; int 0x80; ret
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    os._exit(7)
print(os.waitpid(child, 0)[1] & 127 if x86 else 31)`,
    prints: /^(31|11)$/m,
  },
  {
    name: "22 an x32 number kills the process that tries it",
    code: `child = os.fork()
if child == 0:
    libc.syscall(ctypes.c_long(0x40000000 | 41), 2, 1, 0)
    os._exit(7)
print(os.waitpid(child, 0)[1] & 127 if x86 else 31)`,
    prints: "31",
  },
  {
    name: "23 io_uring",
    code: `print(call(425, 8, ctypes.create_string_buffer(120)))`,
    prints: "ENOSYS",
  },
  {
    name: "24 no listening socket was inherited, and no interface is up",
    code: `listening = [f for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f) and os.readlink('/proc/self/fd/' + f).startswith('socket:') and socket.socket(fileno=os.dup(int(f))).getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]
print(listening, [line.split(':')[0].strip() for line in open('/proc/net/dev').read().splitlines()[2:]])`,
    prints: "[] ['lo']",
  },
]);
