"""The filter, run in a small evaluator of classic BPF: every row of the table, on both architectures."""

import errno
import struct
import unittest

from kernel import seccomp, syscalls

MACHINES = {"x86_64": 0, "aarch64": 1}
ALLOW = seccomp.RET_ALLOW
KILL = seccomp.RET_KILL_PROCESS


def refuse(error: int) -> int:
    return seccomp.RET_ERRNO | error


def evaluate(program: bytes, number: int, arguments: tuple[int, ...] = (), audit: int = 0) -> int:
    """Run the program over one call. Raises IndexError when it leaves itself."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<iIQ6Q", number if number < 1 << 31 else number - (1 << 32), audit, 0, *padded)
    instructions = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    position = accumulator = 0
    for _ in range(4096):
        code, yes, no, value = instructions[position]
        position += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x15:
            position += yes if accumulator == value else no
        elif code == 0x35:
            position += yes if accumulator >= value else no
        elif code == 0x45:
            position += yes if accumulator & value else no
        elif code == 0x05:
            position += value
        elif code == 0x06:
            return value
        else:
            raise AssertionError(f"unknown instruction {code:#x}")
    raise AssertionError("the program does not end")


class Filter(unittest.TestCase):
    def setUp(self) -> None:
        self.machines = []
        for machine, column in MACHINES.items():
            program = seccomp.build_filter(machine)
            audit = seccomp.ARCHITECTURES[machine][0]
            self.machines.append((machine, column, lambda n, *a, p=program, u=audit: evaluate(p, n, a, u)))

    def each_row(self, table):
        for machine, column, run in self.machines:
            for name, numbers in table.items():
                if numbers[column] is not None:
                    with self.subTest(machine=machine, name=name):
                        yield numbers[column], run

    def test_allowed_calls(self) -> None:
        for number, run in self.each_row(syscalls.ALLOWED):
            self.assertEqual(run(number), ALLOW)
            self.assertEqual(run(number, *[(1 << 64) - 1] * 6), ALLOW)

    def test_unknown_calls(self) -> None:
        for number, run in self.each_row(syscalls.UNKNOWN):
            self.assertEqual(run(number), refuse(errno.ENOSYS))

    def test_every_other_call_is_refused(self) -> None:
        guarded = (syscalls.SOCKET, syscalls.CLONE, syscalls.PRCTL, syscalls.IOCTL, syscalls.PRLIMIT64)
        for machine, column, run in self.machines:
            known = {numbers[column] for table in (syscalls.ALLOWED, syscalls.UNKNOWN) for numbers in table.values()}
            known |= {numbers[column] for numbers in guarded}
            for number in [*range(1200), 1 << 20, 0x3FFFFFFF]:
                if number not in known:
                    with self.subTest(machine=machine, number=number):
                        self.assertEqual(run(number), refuse(errno.EPERM))

    def test_no_call_stands_in_two_tables(self) -> None:
        for column in MACHINES.values():
            numbers = [row[column] for table in (syscalls.ALLOWED, syscalls.UNKNOWN) for row in table.values()]
            numbers += [row[column] for row in (syscalls.SOCKET, syscalls.CLONE, syscalls.PRCTL, syscalls.IOCTL)]
            numbers += [row[column] for row in (syscalls.PRLIMIT64, syscalls.EXECVE, syscalls.EXECVEAT)]
            present = [number for number in numbers if number is not None]
            self.assertEqual(len(present), len(set(present)))

    def test_foreign_architectures_are_killed(self) -> None:
        for machine in MACHINES:
            program = seccomp.build_filter(machine)
            for audit in (0x40000003, 0x40000028, 0xC00000F3, 0, 0xC000003E, 0xC00000B7):
                if audit != seccomp.ARCHITECTURES[machine][0]:
                    self.assertEqual(evaluate(program, 1, (), audit), KILL)

    def test_x32_is_killed(self) -> None:
        program = seccomp.build_filter("x86_64")
        for number in (0, 1, 41, 59, 520, 545, 0xBFFFFFFF):
            self.assertEqual(evaluate(program, 0x40000000 | number, (), 0xC000003E), KILL)

    def test_socket_families(self) -> None:
        for machine, column, run in self.machines:
            for family in range(64):
                expected = ALLOW if family == 1 else refuse(errno.EAFNOSUPPORT)
                self.assertEqual(run(syscalls.SOCKET[column], family), expected, (machine, family))
                # The kernel reads an int: bits above it must not smuggle another family past.
                self.assertEqual(run(syscalls.SOCKET[column], family | 1 << 32), expected)

    def test_clone_makes_threads_and_processes_but_no_namespaces(self) -> None:
        threads, fork = 0x3D0F00, 0x1200011
        for _machine, column, run in self.machines:
            self.assertEqual(run(syscalls.CLONE[column], threads), ALLOW)
            self.assertEqual(run(syscalls.CLONE[column], fork), ALLOW)
            for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
                self.assertEqual(run(syscalls.CLONE[column], fork | flag), refuse(errno.EPERM))

    def test_guarded_arguments(self) -> None:
        for _machine, column, run in self.machines:
            self.assertEqual(run(syscalls.IOCTL[column], 0, 0x5412), refuse(errno.ENOTTY))
            self.assertEqual(run(syscalls.IOCTL[column], 0, 0x5412 | 1 << 32), refuse(errno.ENOTTY))
            self.assertEqual(run(syscalls.IOCTL[column], 0, 0x541B), ALLOW)
            self.assertEqual(run(syscalls.PRCTL[column], 22), refuse(errno.EPERM))
            self.assertEqual(run(syscalls.PRCTL[column], 15), ALLOW)
            self.assertEqual(run(syscalls.PRLIMIT64[column], 0), ALLOW)
            self.assertEqual(run(syscalls.PRLIMIT64[column], 1), refuse(errno.EPERM))

    def test_programs_start_only_where_they_may(self) -> None:
        for machine, column in MACHINES.items():
            audit = seccomp.ARCHITECTURES[machine][0]
            for programs, expected in ((False, refuse(errno.EPERM)), (True, ALLOW)):
                program = seccomp.build_filter(machine, programs=programs)
                for row in (syscalls.EXECVE, syscalls.EXECVEAT):
                    self.assertEqual(evaluate(program, row[column], (), audit), expected)

    def test_the_program_fits_the_kernel(self) -> None:
        for machine in MACHINES:
            self.assertLess(len(seccomp.build_filter(machine)) // 8, 4096)


if __name__ == "__main__":
    unittest.main()
