"""The keeper: PID 1 of a container, and the one process in it that the server trusts.

It is forked from the zygote into the container's namespaces, builds the walls (isolation.py), and
then forks the session's main line. It never runs user code, cannot be signalled from inside, and is
not dumpable, so user code cannot look into it either. Over its own socket the server asks it to write,
read, list and collect files, to interrupt or kill the main line, to send what a running cell has
printed so far, and to start a fresh session when nothing is left to go back to. When the server hangs
up, the keeper ends, and the kernel ends everything else in the container.

It keeps the session's channel open without reading it, for the next session. A fresh session is a
fork of the keeper, whose memory is the zygote's as it was: no user code has touched it.

A shell command (command.py) is a program that the keeper starts. So the keeper's own walls leave room for
programs, and the session binds itself to the narrower ones, in which there are none, before it runs anything.
"""

import _signal as signal  # Without the enumerations, whose pages each container would make its own.
import errno
import faulthandler
import os
import resource
import select
import socket
import time
from typing import Any, NamedTuple

from . import isolation, last_look, libc, workspace
from .cgroup import NEAR_MB, Group, join_group
from .command import Command, processes, send_signal
from .forks import fork_silently
from .isolation import Limits
from .launches import Launches
from .protocol import ChannelClosed, Header, encode_frame, read_frame
from .script import become
from .session import start_session
from .shell import Shell
from .snapshots import Snapshots
from .twins import Tables, close_tables, give_back_twins, open_tables

# On a machine that is busy with others.
TAKE_OVER_SECONDS = 4.0
# Nothing else is left of the session then. Shorter than what the server waits for the keeper (keeper.ts).
GO_BACK_SECONDS = 30.0
SESSION_OOM_SCORE = "300"
WATCH_SECONDS = 0.05
IDLE_WATCH_SECONDS = 0.25
# Nothing has come for as long: time to look at its own memory.
REST_SECONDS = 0.1
# While little memory is left.
NEAR_SECONDS = 0.004
STACK_SECONDS = 0.1
# What was killed is gone by then, and a checkpoint that waits for the word does not give up.
COLLECT_SECONDS = 0.25
TAIL_BYTES_MAX = 1 << 20
PROCESS_MAX = 1 << 22
WORDS_MAX = 64
# Of the kernel's flags of a process.
PF_EXITING = 0x4
MARKS_MAX = 32


class Mark(NamedTuple):
    """A named state to go back to: a sleeping copy of the session, and the number of the workspace's copy."""

    process: int
    start: int
    number: int


class Keeper:
    """The state of the keeper."""

    def __init__(
        self,
        server: socket.socket,
        channel: socket.socket,
        shell: Shell,
        limits: Limits,
        settings: dict[str, Any],
        hidden: int,
        tables: Tables,
    ) -> None:
        self.server = server
        self.channel = channel
        self.shell = shell
        self.limits = limits
        self.token = settings["token"]
        # In the pool, for somebody to come.
        self.waits: bool = settings["waits"]
        # Without a group of its own nobody but the keeper counts the container's memory.
        self.group: Group = settings["group_of_container"]
        self.memory_kills = 0
        self.memory_is_near = False
        self.counts_memory = settings["cgroup"] == 0 and "limits" not in limits.without
        self.main = 0
        # The sleeping copy, as the main line names it; 0 while there is none.
        self.checkpoint = 0
        self.output_bytes: int = settings["output_bytes"]
        self.wake_pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.control, self.session_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        # The server wants what is printed as it is printed; bytes per stream that it has, bytes seen last time.
        self.live = False
        self.watching = False
        self.cell = 0
        self.sent = [0, 0]
        self.seen = [0, 0]
        # Of a session: no programs.
        self.narrow_filter: bytes = settings["filter"]
        self.command: Command | None = None
        # How its shell has ended.
        self.command_end: tuple[int, resource.struct_rusage] | None = None
        # The main line has died, and the server does not know it yet.
        self.is_burying = False
        self.snapshots = Snapshots(hidden)
        self.marks: dict[str, Mark] = {}
        self.mark_number = 0
        # The bookmark that the session has left last, until it has a name.
        self.fresh_mark = 0
        # Name of the checkpoint that is being gone back to.
        self.going_back = ""
        self.poll = select.poll()
        self.tables = tables
        # It has not looked at its memory since something came.
        self.is_stirred = True

    def serve(self) -> None:
        """Work until the server hangs up."""
        child_ended, wake = self.wake_pipe
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        self.start_session()
        for descriptor in (self.server.fileno(), self.control.fileno(), child_ended):
            self.poll.register(descriptor, select.POLLIN)
        while True:
            ready = dict(self.poll.poll(self.patience()))
            if ready:
                self.is_stirred = True
            elif self.is_stirred and not (self.watching or self.command):
                self.rest()
            if self.command:
                self.read_command(ready)
            if child_ended in ready:
                os.read(child_ended, 4096)
                self.reap()
            if self.control.fileno() in ready:
                self.reap()
                self.hear()
            if self.server.fileno() in ready:
                self.answer()
            if self.watching:
                self.watch()
            elif self.counts_memory:
                self.bound_memory()

    def rest(self) -> None:
        """Give back what is no different from the zygote's memory."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        give_back_twins(self.tables)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.is_stirred = False

    def start_session(self) -> None:
        """Fork a fresh main line."""
        for descriptor in (1, 2):
            os.ftruncate(descriptor, 0)
        process = fork_silently()
        if process == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            self.server.close()
            self.control.close()
            for descriptor in (*self.wake_pipe, *self.group.descriptors(), self.snapshots.folder):
                if descriptor >= 0:
                    os.close(descriptor)
            close_tables(self.tables)
            if self.command:
                self.command.close()
            libc.prctl(libc.PR_SET_DUMPABLE, 1)
            # When memory runs out, the kernel ends a process of the session before it thinks of the keeper.
            isolation.write_file("/proc/self/oom_score_adj", SESSION_OOM_SCORE)
            isolation.narrow(self.narrow_filter, self.limits)
            faulthandler.enable(file=2, all_threads=False)
            faulthandler.register(signal.SIGUSR1, file=2, all_threads=False)
            last_look.install()
            start_session(self.channel, self.session_control, self.shell, self.token, self.waits)
        self.main = process
        self.waits = False

    def reap(self) -> None:
        """Collect the dead, and tell the server when the main line is among them."""
        while True:
            try:
                process, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            if self.command:
                self.command.launches.ended(process, status, usage)
                if process == self.command.process:
                    self.command_end = status, usage
                    self.finish_command()
            if process == self.main:
                self.main = 0
                # What it said last counts: which process its checkpoint is.
                self.hear()
                if self.going_back:
                    continue
                self.is_burying = True
                if self.main == 0:
                    self.make_way()
                alone = self.main == 0 and self.is_alone()
                code = os.waitstatus_to_exitcode(status)
                kills = self.group.kills()
                # What the kernel has killed besides, now or before, is not what this one died of when it crashed.
                memory = code == -signal.SIGKILL and kills > self.memory_kills
                self.memory_kills = kills
                died = {"signal": max(-code, 0), "code": max(code, 0), "memory": memory, "alone": alone}
                self.tell({"ev": "died", **died})
                self.is_burying = False
                self.finish_command()

    def hear(self) -> None:
        """Take in what the session says of itself. A lie harms only the session."""
        for _ in range(WORDS_MAX):
            try:
                message = self.control.recv(64, socket.MSG_DONTWAIT)
                process = int(message[1:])
            except BlockingIOError:
                return
            except (OSError, ValueError):
                continue
            if message[:1] == b"C":
                self.checkpoint = process if 1 < process <= PROCESS_MAX else 0
            elif message[:1] == b"B":
                self.hear_of_bookmark(process)
            elif self.main == 0 and is_child(process):
                # Only when the old main line is dead can the checkpoint be it.
                self.main = process
                self.checkpoint = 0
                self.watching = self.live = False

    def hear_of_bookmark(self, process: int) -> None:
        """A session that was brought back has left a bookmark in the place of the one that it was."""
        start = start_of(process)
        mark = self.marks.get(self.going_back)
        if mark is None or start is None:
            self.fresh_mark = process if start is not None else 0
        else:
            self.marks[self.going_back] = Mark(process, start, mark.number)

    def answer(self) -> None:
        """Carry out one request of the server."""
        try:
            header, payload = read_frame(self.server)
        except (ChannelClosed, ValueError):
            os._exit(0)
        reply: Header = {"re": header["id"]}
        data = b""
        try:
            fields, data = self.carry_out(header, payload)
            reply.update(fields)
        except workspace.Refused as refused:
            reply.update(refused=refused.code, message=refused.message)
        except OSError as error:
            reply.update(refused="failed", message=os.strerror(error.errno or 0))
        except MemoryError:
            reply.update(refused="too_large", message="The container's memory is used up.")
        self.tell(reply, data)

    def carry_out(self, header: Header, payload: bytearray) -> tuple[Header, bytes]:
        operation = header["op"]
        if operation == "put":
            workspace.write(header["path"], payload)
        elif operation == "edit":
            return {"existed": workspace.edit(header["path"], payload)}, b""
        elif operation == "remove":
            workspace.remove(header["path"])
        elif operation == "get":
            return {}, workspace.read(header["path"], header["max"])
        elif operation == "look":
            entries, data = workspace.look(header["path"], header["max"])
            return {"entries": entries}, data
        elif operation == "list":
            files, nameless, whole = workspace.list_files()
            return {"files": files, "nameless": nameless, "whole": whole}, b""
        elif operation == "collect":
            files, data = workspace.collect(header["folder"], header["count"], header["max"], header["total"])
            return {"files": files}, data
        elif operation == "watch":
            self.watching, self.live, self.cell = True, header["live"], header["cell"]
            self.sent = [0, 0]
            self.seen = [0, 0]
        elif operation == "rest":
            self.watching = self.live = False
        elif operation == "interrupt":
            self.signal(signal.SIGINT)
        elif operation == "stack":
            self.ask_for_stack(last_look.SIGNAL, last_look.SIGNAL)
        elif operation == "kill":
            self.signal(signal.SIGKILL)
        elif operation == "restart":
            self.restart(header["cell"])
        elif operation == "mark":
            self.mark(header["name"])
        elif operation == "unmark":
            self.unmark(header["name"])
        elif operation == "go_back":
            self.go_back(header["name"])
        elif operation == "command":
            self.start_command(header["n"], header["folder"], bytes(payload))
        elif operation == "end_command":
            if self.command and self.command.number == header["n"]:
                self.command.kill(self.session_processes())
        else:
            raise workspace.Refused("invalid", "unknown operation")
        return {}, b""

    def start_command(self, number: int, folder: str, code: bytes) -> None:
        if self.command:
            raise workspace.Refused("invalid", "A command is running already.")
        self.memory_kills = self.group.kills()

        def send(stream: int, data: bytes) -> None:
            self.tell({"ev": "command_output", "n": number, "s": stream}, data)

        def launch(environment: dict[str, str]) -> Launches:
            return Launches(self.poll, environment, lambda program: become(program, self.shell))

        try:
            self.command = Command(number, code, folder, self.output_bytes, send, launch)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOMEM):
                raise
            raise workspace.Refused(
                "no_process",
                f"No program can be started: the container's {self.limits.processes} processes and threads are used up. "
                "End what earlier code has left running.",
            ) from error
        for descriptor in self.command.streams:
            self.poll.register(descriptor, select.POLLIN)

    def read_command(self, ready: dict[int, int]) -> None:
        command = self.command
        assert command
        command.launches.read(ready)
        # In the order of the streams, so that what has come at once is told as most programs write it.
        for descriptor in [stream for stream in command.streams if stream in ready]:
            if not command.read(descriptor):
                self.poll.unregister(descriptor)
        if command.overflow:
            command.kill(self.session_processes())

    def finish_command(self) -> None:
        """Say that a command has ended, but first that the main line died with it: the next call waits for another."""
        if self.command_end and not self.is_burying:
            end, self.command_end = self.command_end, None
            self.end_command(*end)

    def end_command(self, status: int, usage: resource.struct_rusage) -> None:
        """The shell has ended: end what it left behind, and say how it went."""
        command = self.command
        assert command
        for descriptor in command.streams:
            self.poll.unregister(descriptor)
        command.end(self.session_processes())
        self.command = None
        self.look_after_session()
        code = os.waitstatus_to_exitcode(status)
        kills = self.group.kills()
        memory, self.memory_kills = kills > self.memory_kills, kills
        self.tell(
            {
                "ev": "command_done",
                "n": command.number,
                "signal": max(-code, 0),
                "code": max(code, 0),
                "cpu": round(command.cpu_seconds(usage) * 1000, 3),
                "peak": command.peak_bytes(usage),
                "memory": memory,
                "overflow": command.overflow,
                "files": command.left_files(),
            }
        )

    def look_after_session(self) -> None:
        """A command may have stopped or killed the main line: the next call is to find it at work, or to wait for it."""
        self.signal(signal.SIGCONT)
        deadline = time.monotonic() + TAKE_OVER_SECONDS
        while is_dying(self.main) and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.001)

    def session_processes(self) -> tuple[int, ...]:
        bookmarks = (mark.process for mark in self.marks.values())
        return tuple(process for process in (self.main, self.checkpoint, *bookmarks) if process)

    def signal(self, number: int) -> None:
        if self.main > 1:
            send_signal(self.main, number)

    def ask_for_stack(self, *more: int) -> None:
        """Let faulthandler write the main line's stack, before the kill that follows gets there first."""
        for number in (signal.SIGUSR1, *more):
            start = size = os.fstat(2).st_size
            self.signal(number)
            deadline = time.monotonic() + STACK_SECONDS
            while time.monotonic() < deadline:
                time.sleep(0.005)
                before, size = size, os.fstat(2).st_size
                if size == before != start:
                    break  # Written, and no longer growing.

    def is_alone(self) -> bool:
        """Whether no process is left that could take over."""
        deadline = time.monotonic() + COLLECT_SECONDS
        while is_dying(self.checkpoint) and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.001)
        kept = {1, *(mark.process for mark in self.marks.values())}
        return all(dead or number in kept for (number, _), (_, dead) in processes().items())

    def make_way(self) -> None:
        """End everything but the checkpoint, which a fork bomb would not let come to itself in time."""
        if self.checkpoint == 0:
            return
        self.kill_all_but(self.checkpoint)
        self.collect_killed(COLLECT_SECONDS, self.checkpoint)
        # The word to take over: for moments there are two copies, and only one may.
        send_signal(self.checkpoint, signal.SIGUSR1)

    def kill_all_but(self, *spared: int) -> None:
        """Kill every process of the container but these, the keeper and the bookmarks."""
        kept = {1, *spared, *(mark.process for mark in self.marks.values())}
        try:
            # Stopped first, all at once: nothing can fork between two looks at the list.
            os.kill(-1, signal.SIGSTOP)
        except ProcessLookupError:
            return
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) not in kept:
                send_signal(int(name), signal.SIGKILL)
        for process in spared:
            send_signal(process, signal.SIGCONT)

    def collect_killed(self, seconds: float, *spared: int) -> None:
        """Collect what `kill_all_but` has killed: until then it counts as processes, and the next fork may find none."""
        kept = {1, *spared, *(mark.process for mark in self.marks.values())}
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.reap()
            if kept.issuperset(int(name) for name in os.listdir("/proc") if name.isdigit()):
                return
            time.sleep(0.001)

    def mark(self, name: str) -> None:
        """Keep the bookmark that the session has just left under a name, and the workspace with it."""
        self.hear()
        process, self.fresh_mark = self.fresh_mark, 0
        start = start_of(process)
        if start is None:
            raise workspace.Refused("no_process", "The session could not be copied: its processes are used up.")
        if len(self.marks) >= MARKS_MAX:
            send_signal(process, signal.SIGKILL)
            raise workspace.Refused("invalid", f"A container has {MARKS_MAX} checkpoints at most.")
        self.mark_number += 1
        os.kill(-1, signal.SIGSTOP)
        try:
            self.snapshots.take(self.mark_number)
        except BaseException:
            send_signal(process, signal.SIGKILL)
            raise
        finally:
            os.kill(-1, signal.SIGCONT)
        self.unmark(name)
        self.marks[name] = Mark(process, start, self.mark_number)
        # Whatever it is that calls itself a copy: it does nothing until it is gone back to.
        send_signal(process, signal.SIGSTOP)

    def unmark(self, name: str) -> None:
        mark = self.marks.pop(name, None)
        if mark is None:
            return
        if start_of(mark.process) == mark.start:
            send_signal(mark.process, signal.SIGKILL)
        self.snapshots.drop(mark.number)

    def unmark_lost(self, name: str) -> None:
        """There was no process left to lie in its place: it can be gone back to no more."""
        self.snapshots.drop(self.marks.pop(name).number)

    def go_back(self, name: str) -> None:
        """End the session, bring the workspace back and wake the bookmark, which is the main line from then on."""
        mark = self.marks.get(name)
        if mark is None or start_of(mark.process) != mark.start or is_dying(mark.process):
            raise workspace.Refused("not_found", "The checkpoint is gone: code has ended its process.")
        self.going_back = name
        deadline = time.monotonic() + GO_BACK_SECONDS
        try:
            self.kill_all_but()
            # Until its parent has ended the bookmark is no child of the keeper's, which then would not believe it.
            self.collect_killed(GO_BACK_SECONDS / 2)
            self.main = self.checkpoint = 0
            self.watching = self.live = False
            self.bring_back(mark)
            send_signal(mark.process, signal.SIGUSR1)
            send_signal(mark.process, signal.SIGCONT)
            # It says which one lies in its place, and then that it is the main line. It forks twice for that, which
            # takes seconds beside containers that fork without end.
            while self.main == 0 and start_of(mark.process) == mark.start and time.monotonic() < deadline:
                self.hear()
                time.sleep(0.001)
        finally:
            self.going_back = ""
        if self.main == 0:
            self.unmark(name)
            raise workspace.Refused("changed", "The checkpoint did not wake: the session is started anew, without variables.")
        if self.marks[name].process == self.main:
            self.unmark_lost(name)

    def bring_back(self, mark: Mark) -> None:
        try:
            self.snapshots.bring_back(mark.number)
        except OSError as error:
            raise workspace.Refused(
                "changed", f"The workspace could not be brought back whole: {os.strerror(error.errno or 0)}."
            ) from error

    def restart(self, cell: int) -> None:
        """Kill everything and begin again with a fresh interpreter and the same files."""
        self.kill_all_but()
        kept = {mark.process for mark in self.marks.values()}
        deadline = time.monotonic() + TAKE_OVER_SECONDS
        while time.monotonic() < deadline and any(
            name.isdigit() and int(name) not in (1, *kept) for name in os.listdir("/proc")
        ):
            try:
                process, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if process == 0:
                time.sleep(0.001)
            if self.command and process == self.command.process:
                self.end_command(status, usage)
        while select.select([self.control], [], [], 0)[0]:
            self.control.recv(64)
        self.checkpoint = 0
        self.watching = self.live = False
        self.send_last_words(cell)
        self.channel.sendall(self.token)
        self.start_session()

    def send_last_words(self, cell: int) -> None:
        """Send what the dead session printed, a crash's report included, before the files are emptied."""
        for descriptor in (1, 2):
            data = os.pread(descriptor, self.output_bytes, 0)
            if data:
                self.tell({"ev": "tail", "cell": cell, "s": descriptor, "o": 0}, data)

    def watch(self) -> None:
        """Send what was printed, one look behind, so that displays sent before it arrive before it."""
        if self.live:
            for index in (0, 1):
                size = os.fstat(index + 1).st_size
                until = min(self.seen[index], size)
                self.seen[index] = size
                if until > self.sent[index]:
                    length = min(until - self.sent[index], TAIL_BYTES_MAX)
                    data = os.pread(index + 1, length, self.sent[index])
                    self.tell({"ev": "tail", "cell": self.cell, "s": index + 1, "o": self.sent[index]}, data)
                    self.sent[index] += len(data)
        if self.counts_memory:
            self.bound_memory()
        elif self.group.usage >= 0:
            self.look_at_group()

    def look_at_group(self) -> None:
        """End a cell whose main line is about to use up the group's memory, while it can still say where it was."""
        self.memory_is_near = self.group.left() < NEAR_MB * isolation.MIB
        used = self.group.used_up() if self.memory_is_near else 0
        # Of others the kernel takes the largest, and the cell learns of it.
        if used and memory_of(self.main) > used / 2:
            self.tell({"ev": "memory", "bytes": used})
            self.ask_for_stack()
            self.signal(signal.SIGKILL)

    def patience(self) -> int | None:
        """Milliseconds until the next look. What a cell left running may take memory between cells as well."""
        if self.watching or (self.command and self.counts_memory):
            return int((NEAR_SECONDS if self.memory_is_near else WATCH_SECONDS) * 1000)
        if self.is_stirred and not self.command:
            return int(REST_SECONDS * 1000)
        return int(IDLE_WATCH_SECONDS * 1000) if self.counts_memory else None

    def bound_memory(self) -> None:
        """End the main line, and with it all that it started, when the container holds too much."""
        limit = (self.limits.memory_mb + self.limits.files_mb) * isolation.MIB
        if resident_of_container() <= limit:
            return  # Counts shared pages once for each process, but costs a hundredth of the exact sum.
        used = memory_of_container()
        if used > limit:
            self.tell({"ev": "memory", "bytes": used})
            if self.command:
                self.command.kill(self.session_processes())
            else:
                self.ask_for_stack()
                self.signal(signal.SIGKILL)

    def tell(self, header: Header, data: bytes = b"") -> None:
        try:
            self.server.sendall(encode_frame(header, data))
        except OSError:
            os._exit(0)


def start_keeper(server: socket.socket, channel: socket.socket, shell: Shell, settings: dict[str, Any]) -> None:
    """Turn this fresh clone of the zygote into a keeper, for good."""
    limits: Limits = settings["limits"]
    try:
        # A signal to "my process group" crosses PID namespaces: the zygote's group is all containers' group.
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        settings["group_of_container"] = join_group(settings["name"], settings["cgroup"], limits)
        libc.call("unshare", libc.CLONE_NEWCGROUP)
        isolation.enter_user_namespace(settings["user"], settings["group"])
        if "namespaces" not in limits.without:
            isolation.enter_time_namespace()
        if "output-checks" in limits.without:
            workspace.RESOLVE = 0
        hidden = isolation.build_tree(limits, settings["output_bytes"])
        tables = open_tables()
        libc.prctl(libc.PR_SET_DUMPABLE, 0)
        isolation.seal(settings["programs_filter"], limits, hidden)
        Keeper(server, channel, shell, limits, settings, hidden, tables).serve()
    except BaseException as error:
        try:
            server.sendall(encode_frame({"ev": "failed", "message": f"{type(error).__name__}: {error}"[:500]}))
        except OSError:
            pass
    os._exit(71)


def start_of(process: int) -> int | None:
    """When a living process began, which tells it from a later one of the same number."""
    if process <= 1:
        return None
    for (number, start), (_, dead) in processes().items():
        if number == process and not dead:
            return start
    return None


def is_dying(process: int) -> bool:
    """Whether a process has been killed and is not collected yet.

    A kill is pending until the process takes it up, and exits from then on; so in this order, or what is taken up
    between the two looks would be seen in neither.
    """
    if process <= 1:
        return False
    try:
        with open(f"/proc/{process}/status", "rb") as status:
            pending = [int(line.split()[1], 16) for line in status if line.startswith((b"SigPnd:", b"ShdPnd:"))]
        with open(f"/proc/{process}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return False
    exiting = int(fields[6]) & PF_EXITING
    return bool(exiting) or fields[0] in (b"Z", b"X") or any(mask >> (signal.SIGKILL - 1) & 1 for mask in pending)


def is_child(process: int) -> bool:
    """Whether a number that user code may have made up names a living child of this process."""
    try:
        return process > 1 and os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except (OSError, OverflowError):
        return False


def memory_of_container() -> int:
    """Private and shared-writable memory of all processes, in bytes."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            try:
                with open(f"/proc/{name}/smaps_rollup") as rollup:
                    for line in rollup:
                        if line.startswith(("Private_Dirty:", "Pss_Shmem:")):
                            total += int(line.split()[1]) * 1024
            except OSError:
                continue
    return total


def memory_of(process: int) -> int:
    """What a process holds that no file stands behind, in bytes."""
    try:
        with open(f"/proc/{process}/status", "rb") as status:
            lines = [line.split() for line in status if line.startswith((b"RssAnon:", b"RssShmem:"))]
    except OSError:
        return 0
    return sum(int(line[1]) for line in lines) * 1024


def resident_of_container() -> int:
    """Resident memory of all processes, in bytes, each with all that it shares."""
    pages = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            try:
                with open(f"/proc/{name}/statm") as statm:
                    pages += int(statm.read().split()[1])
            except OSError:
                continue
    return pages * resource.getpagesize()
