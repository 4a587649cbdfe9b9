/** Checklist 25 to 34: what of the kernel can be reached. */
import { testAttacks } from "./cells.ts";

testAttacks([
  {
    name: "25 ptrace, process_vm_readv, pidfd_getfd",
    code: `print(call(101 if x86 else 117, 16, 1, 0, 0), call(310 if x86 else 270, 1, 0, 0, 0, 0, 0), call(438, 3, 0, 0))`,
    prints: "EPERM EPERM EPERM",
  },
  {
    name: "26 unshare, setns and clone with each namespace",
    code: `flags = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80)
print({call(272 if x86 else 97, flag) for flag in flags}, call(308 if x86 else 268, 0, 0))
print({call(56 if x86 else 220, flag | 17, 0, 0, 0, 0) for flag in flags[:-1]}, call(435, ctypes.create_string_buffer(88), 88))`,
    prints: "{'EPERM'} EPERM\n{'EPERM'} ENOSYS",
  },
  {
    name: "27 mounting, the old way and the new",
    code: `print({call(number, 0, 0, 0, 0, 0) for number in ((165, 166, 155, 161) if x86 else (40, 39, 41, 51)) + tuple(range(428, 434)) + (442,)})`,
    prints: "{'EPERM'}",
  },
  {
    name: "28 bpf, perf_event_open, userfaultfd, keys, kexec, modules",
    code: `print({call(number, 0, 0, 0, 0, 0) for number in ((321, 298, 323, 248, 249, 250, 246, 320, 175, 313, 176) if x86 else (280, 241, 282, 217, 218, 219, 104, 294, 105, 273, 106))})`,
    prints: "{'EPERM'}",
  },
  {
    name: "29 personality and modify_ldt",
    code: `print(call(135 if x86 else 92, 0x40000), call(154, 0, 0, 0) if x86 else 'EPERM')`,
    prints: "EPERM EPERM",
  },
  {
    name: "30 open_by_handle_at and name_to_handle_at",
    code: `print(call(304 if x86 else 265, 0, 0, 0), call(303 if x86 else 264, 0, 0, 0, 0, 0))`,
    prints: "EPERM EPERM",
  },
  {
    name: "31 typing into a terminal, and other ioctls",
    code: `import fcntl
print({attempt(fcntl.ioctl, descriptor, command, b'x') for descriptor in (0, 1, 2) for command in (0x5412, 0x541C, 0x5403, 0x4B4D)})`,
    prints: "{'ENOTTY'}",
  },
  {
    name: "32 no setuid files, no capabilities, no new privileges",
    code: `import stat
found = [os.path.join(folder, name) for folder, _, names in os.walk('/usr/bin') for name in names if os.lstat(os.path.join(folder, name)).st_mode & (stat.S_ISUID | stat.S_ISGID)]
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print(found, {int(status[name], 16) for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')}, status['NoNewPrivs'].strip(), status['Seccomp'].strip())`,
    prints: "[] {0} 1 2",
  },
  {
    name: "32 becoming somebody else, and running programs",
    code: `print({attempt(action, 0) for action in (os.setuid, os.setgid, os.seteuid)}, attempt(os.setgroups, [0]))
print(attempt(os.execv, '/usr/bin/python3', ['python3']), attempt(os.chroot, '/tmp'), call(322 if x86 else 281, -100, b'/bin/sh', 0, 0, 0))`,
    prints: "{'EPERM'} EPERM\nEPERM EPERM EPERM",
  },
  {
    name: "33 the process is shielded from its neighbours' branch prediction, where the processor needs it",
    code: `print(dict(line.split(':', 1) for line in open('/proc/self/status'))['SpeculationIndirectBranch'].strip())`,
    prints: /^(conditional force disabled|not affected|unsupported|always (dis|en)abled)$/m,
  },
  {
    name: "34 devices: five harmless ones, and none can be made",
    code: `print(sorted(name for name in os.listdir('/dev') if not os.path.islink('/dev/' + name) and not os.path.isdir('/dev/' + name)))
print(attempt(os.mknod, '/tmp/mem', 0o600 | 0x2000, os.makedev(1, 1)), attempt(open, '/dev/kvm'), attempt(open, '/dev/mem'))`,
    prints: /^\['full', 'null', 'random', 'urandom', 'zero'\]\n(EPERM|EACCES) ENOENT ENOENT\n$/,
  },
]);
