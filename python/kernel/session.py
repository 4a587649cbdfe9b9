"""A session: the Python interpreter that runs a container's cells, and its checkpoint.

The session's process is the *main line*. When a cell has succeeded and nobody waits for an answer,
the main line forks: the child is the *checkpoint*, which sleeps until its parent dies, and the main
line goes on to run the next cell, so threads, child processes and open files live on. When the main
line is killed or crashes, the checkpoint wakes, kills whatever else the cell left running, tells the
server, and is the main line from then on, with the memory that was there before the cell. A session
that has not run a cell yet needs no checkpoint: the keeper can fork it anew.

User code runs in this process and can do to it whatever it likes. The only thing it can reach that
matters is the channel, and the server believes nothing that comes out of it.
"""

import _signal as signal  # What `signal` itself adds are enumerations, each a detour through a dozen pages.
import asyncio
import contextlib
import gc
import json
import os
import resource
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy
from IPython.core import async_helpers

from . import failure, forks, libc
from .ahead import touch_ahead
from .arrays import begin_epoch, drop_arrays, kept_bytes
from .blas import drop_scratch, is_alone, lift_limit, watch_threads
from .cell import cell_name, cell_sources, run_cell
from .client_tools import ClientTools
from .command import end_all, processes
from .display import Figures, begin_figures, flush_figures
from .memory import MemoryMeter, release_memory, trim_heap
from .protocol import ChannelClosed, Header, encode_frame, encode_start, parse, read_request
from .shell import Bundle, Displays, Shell
from .streams import Output, OutputFile
from .twins import give_back_twins

SEND_BYTES = 1 << 16
TRUTH = ("false", "true")
DONT_WAIT = int(socket.MSG_DONTWAIT)
handler_of = signal.getsignal
# Code that patches it must not end the session.
select_from = select.select
send_from_file = os.sendfile
# The keeper needs that long at most on a machine that is busy with others.
GO_SECONDS = 3.0
# The first process of the container.
KEEPER = 1
# Calls nothing by a name that the user may have given another meaning.
REHEARSAL = "None"
EXAMPLE = '{"n":1}'
# Whoever had to wait for a container to be made sends its first cell sooner than this.
FIRST_CELL_SECONDS = 0.02
# Between two steps of what is done ahead of time, which are as long: others' cells come first.
PACE_SECONDS = 0.002
# By then a killed copy is gone.
COLLECT_SECONDS = 0.01
# Whoever waits longer for a cell has no use for the warm memory of the last one's arrays.
KEEP_SECONDS = 1.0
# A checkpoint that has slept as long has time to look at its memory: the next cell is not there yet.
REST_SECONDS = 0.1
DISPLAY_TEXT_BYTES_MAX = 16 << 20
# What each display counts for, so that their number is bounded as well.
DISPLAY_BYTES_LEAST = 4096
# Displays of one cell together; the server keeps fewer.
DISPLAYS_BYTES_MAX = 128 << 20


class Session:
    """The state of a main line."""

    def __init__(self, channel: socket.socket, control: socket.socket, shell: Shell, token: bytes) -> None:
        self.channel = channel
        self.control = control
        self.shell = shell
        # Lets the server find the first whole frame after a main line died in the middle of one.
        self.token = token
        self.outputs = (Output(1, "stdout"), Output(2, "stderr"))
        self.pending: list[bytes] = []
        self.pending_bytes = 0
        self.checkpoint = 0
        # The copy before it: killed, and to be collected before user code sees that there was one.
        self.ended = 0
        # The last cell has left everything as it was, so that the checkpoint from before it still stands.
        self.same = False
        # There is no checkpoint until the next cell comes.
        self.parked = False
        self.main = os.getpid()
        self.running = False
        self.interrupted = False
        # While the main thread sends, an interrupt waits: a frame cut in the middle would end the channel.
        self.sending = threading.RLock()
        self.in_main_send = False
        self.interrupt_waits = False
        self.display_bytes = 0
        self.output_folder = ""
        self.callbacks: dict[str, list[Callable[[], object]]] = shell.events.callbacks
        self.own_callbacks = {event: len(calls) for event, calls in self.callbacks.items()}
        self.memory = MemoryMeter()
        self.tools = ClientTools(channel, token, self.send_calls)

    def serve(self, waits: bool) -> None:
        """Run cells until the server hangs up. `waits`: the first one is not there at once."""
        sys.stdout = sys.__stdout__ = self.outputs[0].text
        sys.stderr = sys.__stderr__ = self.outputs[1].text
        Displays.send = self.send_display
        OutputFile.push = staticmethod(self.push_output)
        signal.signal(signal.SIGINT, self.on_interrupt)
        os.register_at_fork(after_in_child=self.on_fork)
        self.send({"t": "ready"})
        self.flush()
        self.rehearse(FIRST_CELL_SECONDS)
        if waits and touch_ahead(lambda: self.is_asked(PACE_SECONDS)):
            self.memory.leave_out()
        while True:
            try:
                header, payload = read_request(self.channel, self.token)
            except (ChannelClosed, ValueError):
                os._exit(0)
            if "park" in header:
                try:
                    self.park()
                except Exception:
                    pass  # The code has patched what this uses: the session stays as it is.
                continue
            if "mark" in header:
                self.mark()
                continue
            if "n" not in header:
                continue  # The answer to a call of a cell that has ended.
            if self.parked and not self.unpark():
                continue
            self.collect_ended()
            self.execute(header, payload.decode("utf-8", "replace"))
            has_drawn = Figures.shown and gc.isenabled()
            if has_drawn:
                # A figure is a knot of cycles, a megabyte of it that the checkpoint would keep as well.
                gc.collect()
                trim_heap()
            if has_drawn or self.memory.ahead:
                # Thousands of pages were copied and are as they were.
                self.give_back()
            if not self.same:
                self.make_checkpoint()
                self.rehearse()
            if not select_from([self.channel], [], [], COLLECT_SECONDS)[0]:
                self.collect_ended()
                if kept_bytes() and not select_from([self.channel], [], [], KEEP_SECONDS)[0]:
                    drop_arrays()
                    drop_scratch()

    def execute(self, header: Header, code: str) -> None:
        """Run one cell and send what came of it."""
        number = int(header["n"])
        shell = self.shell
        # Past the trait's checks and observers, which nobody here needs.
        shell._trait_values["execution_count"] = number
        shell.failure = None
        shell.changes_nothing = self.same = False
        folder = self.output_folder = f"/outputs/{number:06d}"
        try:
            os.mkdir(folder)
        except OSError:
            pass  # No inode left: the cell may free some, and learns of it when it writes there.
        os.environ["OUTPUT_DIR"] = folder
        for output in self.outputs:
            output.begin()
        sys.stdout, sys.stderr = (output.text for output in self.outputs)
        begin_figures()
        lift_limit()
        self.display_bytes = 0
        started = time.perf_counter()
        cpu = cpu_seconds()
        self.interrupted = self.interrupt_waits = False
        if handler_of(signal.SIGINT) != self.on_interrupt:
            signal.signal(signal.SIGINT, self.on_interrupt)
        tools = header.get("tools")
        if tools:
            self.tools.declare(shell.user_ns, tools)
        own = not tools and not self.has_hooks()
        try:
            self.running = True
            self.call_hooks("pre_execute")
            error = run_cell(shell, code, cell_name(number))
            if error is not None:
                shell.failure = error
            self.call_hooks("post_execute")
            flush_figures(folder)
        except BaseException as error:  # An interrupt between two lines of IPython's own, or worse.
            shell.failure = error
        finally:
            self.running = False
        self.same = own and shell.changes_nothing and shell.failure is None and self.has_sound_checkpoint()
        try:
            self.tools.end_cell()
            self.finish(number, started, cpu)
        except KeyboardInterrupt:
            self.finish(number, started, cpu)

    def end_children(self, started: float) -> None:
        """End the processes that a stopped cell has started: its time is over for them, too.

        The kernel tells the start of a process in ticks, and a cell may begin in the tick in which one of the cell
        before was started. That one is older than the checkpoint, and processes are numbered in turn.
        """
        ticks = os.sysconf("SC_CLK_TCK")
        since = int((time.clock_gettime(time.CLOCK_BOOTTIME) - (time.perf_counter() - started)) * ticks)
        own = {KEEPER, os.getpid(), self.main, self.checkpoint}

        def find() -> list[int]:
            table = processes().items()
            return [
                process
                for (process, start), (_, dead) in table
                if (start > since or (start == since and process > self.checkpoint)) and process not in own and not dead
            ]

        try:
            for process in end_all(find):
                collect(process)
        except OSError:
            pass  # The code has used up every descriptor.

    def call_hooks(self, event: str) -> None:
        """Call what user code has registered with the shell beyond what was there before it."""
        hooks = self.callbacks[event]
        if len(hooks) > self.own_callbacks[event]:
            for hook in hooks[self.own_callbacks[event] :]:
                hook()

    def has_hooks(self) -> bool:
        """Whether code of the user's own sees each cell."""
        shell = self.shell
        return bool(
            any(len(hooks) > self.own_callbacks.get(event, 0) for event, hooks in self.callbacks.items())
            or shell.ast_transformers
            or shell.input_transformers_post
            or sys.gettrace()
            or sys.getprofile()
        )

    def has_sound_checkpoint(self) -> bool:
        """Whether there is one that lives, and nothing but cells that could have changed something since."""
        try:
            return (
                self.checkpoint > 0
                and is_alone()
                and os.waitid(os.P_PID, self.checkpoint, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
            )
        except OSError:
            return False

    def rehearse(self, wait_seconds: float = 0) -> None:
        """Run a cell for nothing when nobody asks for one within the time given.

        After a fork the first write to each page costs a fault and a copy, some five hundred of them in the
        simplest cell. Paid here, between two cells, they are not paid while somebody waits.
        """
        shell = self.shell
        if self.has_hooks():
            return  # They must not see a cell that nobody sent.
        send, send_pages = self.send, self.send_pages
        number = shell._trait_values["execution_count"]
        source = cell_sources.get(cell_name(number))
        try:
            if select_from([self.channel], [], [], wait_seconds)[0]:
                return
            self.send = encode_frame  # type: ignore[assignment]
            self.send_pages = lambda *_arguments: None  # type: ignore[method-assign]
            self.outputs[0].text.write("\n")
            parse(EXAMPLE, 0)
            self.execute({"n": number}, REHEARSAL)
        except Exception:
            pass  # The code has closed a stream or patched what the harness uses: its next cell will tell it.
        finally:
            self.send, self.send_pages = send, send_pages  # type: ignore[method-assign]
            if source:
                # Whoever defined a function in that cell reads its lines in later tracebacks.
                cell_sources[cell_name(number)] = source

    def finish(self, number: int, started: float, cpu: float) -> None:
        if os.getpid() != self.main:
            leave_child(self.outputs, self.shell.failure)
        error = self.shell.failure
        if self.interrupted:
            self.end_children(started)
        memory_error = isinstance(error, MemoryError)
        # Threads cannot be ended: when a stopped cell leaves so many that there is no room for a checkpoint or a
        # shell, the session goes back to the one that it has.
        goes_back = memory_error or (self.interrupted and is_crowded())
        if memory_error:
            release_reserve()
        self.send_output()
        status, code = self.report(error)
        folder = self.output_folder
        try:
            os.rmdir(folder)
            left = False
        except OSError:
            left = True
        one, other = self.outputs
        truncated = self.display_bytes > DISPLAYS_BYTES_MAX or one.truncated() or other.truncated()
        shown = json.dumps(Figures.shown_files[:100]) if Figures.shown_files else "[]"
        # Written out, because an encoder's many small steps are a part of every cell that can be measured.
        self.send(
            f'{{"t":"done","n":{number},"status":"{status}","code":{code}'
            f',"wall":{(time.perf_counter() - started) * 1000:.3f},"cpu":{(cpu_seconds() - cpu) * 1000:.3f}'
            f',"peak":{self.memory.measure()},"files":{TRUTH[left]},"shown":{shown}'
            f',"truncated":{TRUTH[truncated]},"rollback":{TRUTH[goes_back]},"same":{TRUTH[self.same]}}}'
        )
        for output in self.outputs:
            output.end()
        self.shell.failure = None
        self.flush()
        if goes_back:
            os._exit(0)

    def report(self, error: BaseException | None) -> tuple[str, int]:
        """Send the error of the cell, if any, and return its status and return code."""
        if error is None:
            return "ok", 0
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return "ok", 0
        described = failure.describe(error)
        status, code = "error", 1
        if isinstance(error, SystemExit):
            code = error.code & 0xFF if isinstance(error.code, int) else 1
        elif isinstance(error, MemoryError):
            status = "out_of_memory"
            described["variables"] = failure.largest_variables(self.shell.user_ns, error)
        elif isinstance(error, KeyboardInterrupt) and self.interrupted:
            status, code = "interrupted", 130
            described["variables"] = failure.locals_of(failure.frames_of(error))
        self.send({"t": "error", **described})
        return status, code

    def send_display(self, kind: str, data: Bundle, metadata: Bundle) -> None:
        """Send a MIME bundle after everything that was printed before it. Any thread may call this."""
        texts: dict[str, str] = {}
        blobs: list[tuple[str, bytes]] = []
        for mime, value in data.items():
            if not isinstance(mime, str) or len(mime) > 200:
                continue
            if isinstance(value, str):
                texts[mime] = value
            elif isinstance(value, (bytes, bytearray)):
                blobs.append((mime, bytes(value)))
        size = sum(len(text) for text in texts.values())
        if size > DISPLAY_TEXT_BYTES_MAX:
            plain = texts.get("text/plain", "")
            texts = {"text/plain": failure.shorten(plain, 1 << 20)}
        parts = [(mime, text.encode("utf-8", "replace")) for mime, text in texts.items()] + blobs
        self.display_bytes += DISPLAY_BYTES_LEAST + sum(len(part) for _, part in parts)
        if self.display_bytes > DISPLAYS_BYTES_MAX:
            return
        header = {
            "t": "display",
            "kind": kind,
            "parts": [(mime, len(part)) for mime, part in parts],
            "binary": len(blobs),
            "metadata": plain_metadata(metadata),
        }
        payload = b"".join(part for _, part in parts)
        with self.whole_frames():
            self.send_output()
            self.send(header, payload)
            self.flush()

    def send_calls(self, calls: list[tuple[int, str, bytes]]) -> None:
        """Tell the server of calls of the client's tools, after everything that was printed before them."""
        header = {
            "t": "calls",
            "n": self.shell.execution_count,
            "calls": [(number, name, len(data)) for number, name, data in calls],
        }
        with self.whole_frames():
            self.send_output()
            self.send(header, b"".join(data for _, _, data in calls))
            self.flush()

    @contextlib.contextmanager
    def whole_frames(self) -> Iterator[None]:
        """Let frames out one at a time, and no interrupt between their bytes."""
        in_main = threading.current_thread() is threading.main_thread()
        with self.sending:
            before = self.in_main_send
            if in_main:
                self.in_main_send = True
            try:
                yield
            finally:
                if in_main:
                    self.in_main_send = before
        if in_main and not before and self.interrupt_waits:
            self.interrupt_waits = False
            if self.running:
                raise KeyboardInterrupt

    def send_output(self) -> None:
        with self.sending:
            for output in self.outputs:
                output.flush()
                self.send_file(output)

    def push_output(self) -> None:
        """Send what lies in the files while user code runs. Once it has ended, what is sent is the end's affair."""
        with self.sending:
            if self.running:
                for output in self.outputs:
                    sent = output.sent
                    try:
                        self.send_file(output)
                    except MemoryError:
                        output.sent = sent  # The end of the cell has the reserve to send it.

    def send_file(self, output: Output) -> None:
        """Send what was appended to a file since the last time: copied with other frames when little, else as it lies."""
        size = output.unsent()
        if size > SEND_BYTES:
            self.send_pages(output, size)
            return
        offset, data = output.take_file()
        if data:
            self.send(stream_header(output, offset), data)

    def send_pages(self, output: Output, size: int) -> None:
        """Let the kernel pass on the file's own pages: no copy, and the interpreter is free for the code meanwhile."""
        offset = output.sent
        output.sent = offset + size
        self.pending.append(encode_start(stream_header(output, offset), size))
        self.flush()
        channel = self.channel.fileno()
        try:
            while offset < output.sent:
                left = output.sent - offset
                # Where the code has cut its own file meanwhile there is nothing, but the frame's length is promised.
                offset += send_from_file(channel, output.spare, offset, left) or self.channel.send(bytes(min(left, SEND_BYTES)))
        except OSError:
            os._exit(0)

    def send(self, header: Header | str, payload: bytes = b"") -> None:
        frame = encode_frame(header, payload)
        with self.sending:
            self.pending.append(frame)
            self.pending_bytes += len(frame)
            if self.pending_bytes > SEND_BYTES:
                self.flush()

    def flush(self) -> None:
        with self.sending:
            data = b"".join(self.pending)
            self.pending.clear()
            self.pending_bytes = 0
            try:
                self.channel.sendall(data)
            except OSError:
                os._exit(0)

    def make_checkpoint(self) -> None:
        """Fork the state as it is now. Only then does the copy before it go: at no moment is there none."""
        old = self.checkpoint
        main = self.main
        # The copy must not lose the keeper's word, however late it comes to run.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        try:
            process = forks.fork_silently()
        except OSError:
            process = -1  # No process left: a crash goes back to the copy before, and the answer says so.
        if process != 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if process > 0:
                self.checkpoint = process
                self.tell_keeper(b"C%d" % process)
                self.ended = end_process(old)
                begin_epoch()
            return
        wait_for_end(main)
        self.take_over()

    def park(self) -> None:
        """Make do with as little memory as possible, because nobody has asked for long.

        The checkpoint goes, which the next cell makes anew before it runs, and what memory is left may go to
        where the machine swaps to. Where threads or children are at work the session may still die, and keeps its
        checkpoint.
        """
        if self.parked or not is_alone():
            return
        self.collect_ended()
        self.ended, self.checkpoint = end_process(self.checkpoint), 0
        self.collect_ended()
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            self.parked = True
            self.tell_keeper(b"C0")
            self.give_back()
            release_memory()
            return
        self.make_checkpoint()

    def unpark(self) -> bool:
        """Make the checkpoint that was given up. False in the checkpoint, when it wakes: that cell was not its."""
        main = self.main
        self.make_checkpoint()
        self.parked = False
        return self.main == main

    def is_asked(self, seconds: float) -> bool:
        """Whether the server sends something within the time given."""
        return bool(select_from([self.channel], [], [], seconds)[0])

    def give_back(self) -> None:
        """Give back what is the zygote's, unless there is another thread that may write to it meanwhile."""
        if is_alone():
            before = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
            given = give_back_twins()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if given:
                self.memory.look()

    def collect_ended(self) -> None:
        """Collect the last copy but one, whose end takes milliseconds that nobody has to wait for."""
        process, self.ended = self.ended, 0
        try:
            if process:
                os.waitpid(process, 0)
        except OSError:
            pass  # The code has collected it.

    def mark(self) -> None:
        """Leave a copy of the session as it is now, a bookmark, which sleeps until the keeper wakes it."""
        process = self.leave_bookmark()
        if process:
            self.send({"t": "marked", "ok": process > 0})
            self.flush()

    def leave_bookmark(self) -> int:
        """Fork a bookmark. Returns its number, -1 when there is none, and 0 in one that was woken."""
        woken = False
        # From its first moment on the copy can be stopped, and must not lose the signal that wakes it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        while True:
            try:
                process = forks.fork_silently()
            except OSError:
                process = -1
            if process == 0:
                # The bookmark. When it is woken it leaves another in its place and becomes the main line.
                wait_for_keeper()
                woken = True
                continue
            if process > 0:
                self.tell_keeper(b"B%d" % process)
            if woken:
                self.become_main()
                return 0
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return process

    def take_over(self) -> None:
        """Become the main line, when the keeper has said so or is busy for too long to say it."""
        word = signal.sigtimedwait({signal.SIGUSR1}, GO_SECONDS)
        if word is None or word.si_pid != KEEPER:
            try:
                os.kill(-1, signal.SIGKILL)
            except OSError:
                pass  # Nobody else was left.
        self.become_main()

    def become_main(self) -> None:
        """Be the main line, with the memory of this copy. Nobody else of the session is left."""
        self.main = 0  # Tells on_fork that this child is no user's.
        forks.wake()
        self.main = os.getpid()
        self.checkpoint = self.ended = 0
        self.parked = False
        forget_event_loop()
        self.sending = threading.RLock()
        self.in_main_send = False
        signal.signal(signal.SIGINT, self.on_interrupt)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, range(1, 32))
        self.tell_keeper(b"T%d" % self.main)
        self.pending = [self.token]
        self.pending_bytes = 0
        for output in self.outputs:
            output.sent = 0
            self.send_file(output)
            output.end()
        self.forget_requests()
        # Of whoever reads why the cell ended: what took most memory before it.
        variables = failure.largest_variables(self.shell.user_ns, None)
        self.send({"t": "restored", "n": self.shell.execution_count, "variables": variables})
        self.flush()
        self.make_checkpoint()

    def tell_keeper(self, message: bytes) -> None:
        try:
            self.control.send(message, DONT_WAIT)
        except OSError:
            pass  # Closed by the code, or flooded by it: the keeper finds nobody and starts anew.

    def forget_requests(self) -> None:
        """Drop the cell that was sent to the dead main line: the server reports it as ended with it."""
        try:
            while self.channel.recv(1 << 16, socket.MSG_DONTWAIT):
                pass
        except OSError:
            pass

    def on_interrupt(self, _signal: int, _frame: Any) -> None:
        if not self.running:
            return
        self.interrupted = True
        if self.in_main_send:
            self.interrupt_waits = True
            return
        raise KeyboardInterrupt

    def on_fork(self) -> None:
        """In a child that user code forks: print to the files, never into the channel."""
        self.sending = threading.RLock()
        self.in_main_send = False
        if self.main:
            self.channel.close()
            self.control.close()
            self.send = lambda *_arguments: None  # type: ignore[method-assign]
            self.flush = lambda: None  # type: ignore[method-assign]
            self.send_file = lambda _output: None  # type: ignore[method-assign]
            signal.signal(signal.SIGINT, signal.default_int_handler)


def start_session(
    channel: socket.socket, control: socket.socket, shell: Shell, token: bytes, waits: bool
) -> None:
    """Run the session in this process for good. Called by the keeper right after its fork."""
    try:
        forks.begin()
        seed_numpy()
        seed_sympy()
        watch_threads()
        Session(channel, control, shell, token).serve(waits)
    except BaseException:  # The harness itself failed: the keeper reports the exit.
        traceback.print_exc()
    os._exit(70)


def stream_header(output: Output, offset: int) -> str:
    return f'{{"t":"stream","s":{output.descriptor},"o":{offset}}}'


def leave_child(outputs: tuple[Output, ...], error: BaseException | None) -> None:
    """End a child that user code forked and that came to the end of the cell, as Python would."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code & 0xFF if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        code = 1
        print(failure.describe(error)["traceback"], file=outputs[1].text)
    for output in outputs:
        try:
            output.text.flush()
        except (OSError, ValueError):
            pass
    os._exit(code)


def end_process(process: int) -> int:
    """Kill a child and return its number, to be collected; 0 is none."""
    try:
        if process:
            os.kill(process, signal.SIGKILL)
        return process
    except OSError:
        return 0  # The code has ended and collected it.


def collect(process: int) -> None:
    """Wait for a child that was killed. Others are somebody else's to collect."""
    try:
        os.waitpid(process, 0)
    except OSError:
        pass


def is_crowded() -> bool:
    """Whether this process has more threads than half of what the container may have."""
    return len(os.listdir("/proc/self/task")) * 2 > resource.getrlimit(resource.RLIMIT_NPROC)[0]


def wait_for_keeper() -> None:
    """Sleep until the keeper, and nobody else, says so. Signals are blocked."""
    while True:
        word = signal.sigtimedwait({signal.SIGUSR1}, 60.0)
        if word is not None and word.si_pid == KEEPER:
            return


def wait_for_end(process: int) -> None:
    """Sleep until the parent is gone. Signals are blocked. Needs no descriptor, of which the code may have left none."""
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGUSR2)
    seconds = REST_SECONDS
    word = None
    while os.getppid() == process:
        # Blocked like every signal here; the time limit covers a signal that the code has sent itself.
        word = signal.sigtimedwait({signal.SIGUSR2}, seconds)
        if word is None and seconds == REST_SECONDS:
            give_back_twins()
        seconds = 60.0
    libc.prctl(libc.PR_SET_PDEATHSIG, 0)
    if word is None:
        # The parent has ended while nobody waited. Its signal is there, or about to be: unblocked it would kill.
        signal.sigtimedwait({signal.SIGUSR2}, COLLECT_SECONDS)


def cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def release_reserve() -> None:
    """Lift the soft memory limit to the hard one, so that the report itself has room."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def seed_numpy() -> None:
    numpy.random.seed(int.from_bytes(os.urandom(4), "big"))


def seed_sympy() -> None:
    from sympy.core.random import seed

    seed(int.from_bytes(os.urandom(8), "big"))


def forget_event_loop() -> None:
    """The loop's epoll descriptor was shared with the main line that died."""
    async_helpers._asyncio_event_loop = None
    asyncio.set_event_loop(None)


def plain_metadata(metadata: Any) -> dict[str, Any]:
    """Metadata as far as it is plain JSON of a sane size."""
    if not isinstance(metadata, dict) or not metadata:
        return {}
    try:
        return metadata if len(json.dumps(metadata, allow_nan=False)) < 10000 else {}
    except Exception:
        return {}
