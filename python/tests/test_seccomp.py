"""The filter, run in a small evaluator of classic BPF: every row of the table, on both architectures."""

import errno
import struct
import unittest

from kernel import seccomp, syscalls

MACHINES = tuple(seccomp.ARCHITECTURES)
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


def rows(*answers: str) -> list[syscalls.Call]:
    return [call for call in syscalls.CALLS if call.answer in answers]


def number_of(name: str, machine: str) -> int:
    (number,) = [call.number(machine) for call in syscalls.CALLS if call.name == name]
    assert number is not None
    return number


class Table(unittest.TestCase):
    def test_every_row_says_why_and_stands_once(self) -> None:
        names = [call.name for call in syscalls.CALLS]
        self.assertEqual(sorted(names), sorted(set(names)))
        for machine in MACHINES:
            numbers = [number for call in syscalls.CALLS if (number := call.number(machine)) is not None]
            self.assertEqual(len(numbers), len(set(numbers)))
        for call in syscalls.CALLS:
            self.assertGreater(len(call.why), 3, call.name)
            self.assertIn(call.answer, (syscalls.ALLOW, syscalls.CHECK, syscalls.ENOSYS, syscalls.EPERM))
            self.assertFalse(call.x86_64 is None and call.aarch64 is None, call.name)

    def test_the_two_architectures_differ_only_in_what_the_newer_one_dropped(self) -> None:
        for call in syscalls.CALLS:
            if call.x86_64 is not None and call.x86_64 >= 424:
                self.assertEqual(call.x86_64, call.aarch64, call.name)
            self.assertIsNotNone(call.x86_64, call.name)

    def test_the_calls_that_check_are_those_that_have_a_check(self) -> None:
        self.assertEqual({call.name for call in rows(syscalls.CHECK)}, set(seccomp.CHECKS))

    def test_the_profiles_differ_in_starting_programs_and_in_what_takes_that_away(self) -> None:
        differing = {call.name for call in syscalls.CALLS if call.answer_in(True) != call.answer_in(False)}
        binding = {"landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self"}
        self.assertEqual(differing, {"execve", "execveat", *binding})
        self.assertEqual(set(seccomp.PROGRAM_CHECKS), {"prctl"})


class Filter(unittest.TestCase):
    def setUp(self) -> None:
        self.machines = []
        for machine, audit in seccomp.ARCHITECTURES.items():
            program = seccomp.build_filter(machine)
            self.machines.append((machine, lambda n, *a, p=program, u=audit: evaluate(p, n, a, u)))

    def each(self, *answers):
        for machine, run in self.machines:
            for call in rows(*answers):
                if call.number(machine) is not None:
                    with self.subTest(machine=machine, name=call.name):
                        yield call.number(machine), run

    def test_allowed_calls(self) -> None:
        for number, run in self.each(syscalls.ALLOW):
            self.assertEqual(run(number), ALLOW)
            self.assertEqual(run(number, *[(1 << 64) - 1] * 6), ALLOW)

    def test_unknown_calls(self) -> None:
        for number, run in self.each(syscalls.ENOSYS):
            self.assertEqual(run(number), refuse(errno.ENOSYS))

    def test_every_other_call_is_refused(self) -> None:
        for machine, run in self.machines:
            known = {call.number(machine) for call in rows(syscalls.ALLOW, syscalls.ENOSYS, syscalls.CHECK)}
            for number in [*range(1200), 1 << 20, 0x3FFFFFFF]:
                if number not in known:
                    with self.subTest(machine=machine, number=number):
                        self.assertEqual(run(number), refuse(errno.EPERM))

    def test_foreign_architectures_are_killed(self) -> None:
        for machine in MACHINES:
            program = seccomp.build_filter(machine)
            for audit in (0x40000003, 0x40000028, 0xC00000F3, 0, 0xC000003E, 0xC00000B7):
                if audit != seccomp.ARCHITECTURES[machine]:
                    self.assertEqual(evaluate(program, 1, (), audit), KILL)

    def test_x32_is_killed(self) -> None:
        program = seccomp.build_filter("x86_64")
        for number in (0, 1, 41, 59, 520, 545, 0xBFFFFFFF):
            self.assertEqual(evaluate(program, 0x40000000 | number, (), 0xC000003E), KILL)

    def test_socket_families(self) -> None:
        for machine, run in self.machines:
            for family in range(64):
                expected = ALLOW if family == 1 else refuse(errno.EAFNOSUPPORT)
                self.assertEqual(run(number_of("socket", machine), family), expected, (machine, family))
                # The kernel reads an int: bits above it must not smuggle another family past.
                self.assertEqual(run(number_of("socket", machine), family | 1 << 32), expected)

    def test_clone_makes_threads_and_processes_but_no_namespaces(self) -> None:
        threads, fork = 0x3D0F00, 0x1200011
        for machine, run in self.machines:
            self.assertEqual(run(number_of("clone", machine), threads), ALLOW)
            self.assertEqual(run(number_of("clone", machine), fork), ALLOW)
            for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
                self.assertEqual(run(number_of("clone", machine), fork | flag), refuse(errno.EPERM))

    def test_guarded_arguments(self) -> None:
        for machine, run in self.machines:
            self.assertEqual(run(number_of("ioctl", machine), 0, 0x5412), refuse(errno.ENOTTY))
            self.assertEqual(run(number_of("ioctl", machine), 0, 0x5412 | 1 << 32), refuse(errno.ENOTTY))
            self.assertEqual(run(number_of("ioctl", machine), 0, 0x541B), ALLOW)
            self.assertEqual(run(number_of("prctl", machine), 22), refuse(errno.EPERM))
            self.assertEqual(run(number_of("prctl", machine), 15), ALLOW)
            self.assertEqual(run(number_of("prlimit64", machine), 0), ALLOW)
            self.assertEqual(run(number_of("prlimit64", machine), 1), refuse(errno.EPERM))

    def test_programs_start_only_where_they_may(self) -> None:
        for machine, audit in seccomp.ARCHITECTURES.items():
            for programs, expected in ((False, refuse(errno.EPERM)), (True, ALLOW)):
                program = seccomp.build_filter(machine, programs=programs)
                for name in ("execve", "execveat"):
                    self.assertEqual(evaluate(program, number_of(name, machine), (), audit), expected)
                # PR_SET_SECCOMP: a session binds itself to the narrower filter.
                self.assertEqual(evaluate(program, number_of("prctl", machine), (22,), audit), expected)

    def test_the_program_fits_the_kernel(self) -> None:
        for machine in MACHINES:
            self.assertLess(len(seccomp.build_filter(machine)) // 8, 4096)


if __name__ == "__main__":
    unittest.main()
