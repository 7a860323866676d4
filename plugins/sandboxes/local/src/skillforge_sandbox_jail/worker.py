"""The worker: runs the cells of one session, in the process that the code may do with what it likes.

A request is a frame of one byte (what to do), 16 bytes (the cell's nonce) and UTF-8 text; an answer is a frame of JSON. What
the worker answers are claims: the code can forge them, and then deceives its own session and no other. Code that patches
builtins or modules must not break the loop, so all that the loop needs is bound here before any such code runs.
"""

from __future__ import annotations
import __future__

import ast
import io
import linecache
import sys
import traceback
from _json import encode_basestring_ascii as quote
from _signal import (  # type: ignore[import-not-found]
    ITIMER_PROF,
    ITIMER_REAL,
    ITIMER_VIRTUAL,
    SIG_BLOCK,
    SIG_IGN,
    SIG_UNBLOCK,
    SIGINT,
    SIGKILL,
    SIGUSR2,
    default_int_handler,
    pthread_sigmask,
    setitimer,
    signal,
    sigwait,
)  # fmt: skip
from _socket import CMSG_LEN, socket
from _thread import _count as count_threads
from _thread import get_ident
from builtins import (
    BaseException,
    ChildProcessError,
    EOFError,
    Exception,
    OSError,
    SystemExit,
    ValueError,
    bool,
    compile,
    eval,
    exec,
    frozenset,
    int,
    isinstance,
    len,
    repr,
    set,
    setattr,
    slice,
    str,
    type,
)  # fmt: skip
from collections.abc import Callable
from posix import (
    P_ALL,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    _exit,
    close,
    dup2,
    fork,
    getpid,
    kill,
    read,
    waitid,
    waitpid,
    write,
)  # fmt: skip
from posix import open as open_file
from typing import Any, TextIO

from skillforge_sandbox_jail.descriptors import keep_privately
from skillforge_sandbox_jail.frames import framed, read_frame

RUN, RUN_CHECKPOINTED, FORK = b"R", b"C", b"F"
NONCE = 16
"""Bytes of a cell's nonce, which are hexadecimal digits."""

LONGEST_TEXT = 64 * 1024
"""Characters kept of a value, of a traceback and of late output."""

_KEEP_AST = ast.PyCF_ONLY_AST
_FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_module, _expression, _expression_statement = ast.Module, ast.Expression, ast.Expr
_format_exception = traceback.format_exception
_all_frames, _settrace, _setprofile = sys._current_frames, sys.settrace, sys.setprofile
_name_of = type.__dict__["__name__"].__get__
_text, _file = io.TextIOWrapper, io.FileIO
_write_text, _write_bytes = io.TextIOWrapper.write, io.BufferedWriter.write


class Worker:
    """One interpreter on its way from cell to cell."""

    _stdin: TextIO
    _stdout: TextIO
    _stderr: TextIO

    def __init__(self, channel: int, variables: dict[str, Any]) -> None:
        self._variables = variables
        self._sources = linecache.cache
        self._cells = 0
        self._future_flags = 0
        self._copies: set[int] = set()
        self._zombies: set[int] = set()
        self._late = ""
        self._old_threads: frozenset[int] = frozenset()
        self._take(channel, 1, 2)

    def serve(self) -> None:
        """Run what is asked until the other side closes."""
        self._greet()
        while True:
            try:
                request = read_frame(self._channel)
            except (EOFError, OSError):
                return
            what, nonce = request[:1], request[1 : 1 + NONCE].decode()
            if what == FORK:
                self._branch()
                continue
            code = request[1 + NONCE :].decode("utf-8", "surrogatepass")
            snapshot = self._snapshot() if what == RUN_CHECKPOINTED else None
            if snapshot == 0:
                self._greet()
                continue
            self._run(code, nonce)
            self._channel.sendall(framed(self._answer))
            if snapshot:
                kill(snapshot, SIGKILL)
                waitpid(snapshot, 0)
                self._copies.discard(snapshot)

    # Cells ---------------------------------------------------------------------------------------------------------

    def _run(self, code: str, nonce: str) -> None:
        """Run one cell; the answer to send is left in `_answer`."""
        try:
            try:
                self._prepare()
                status, value, detail = self._attempt(code)
            finally:
                _settrace(None)
                _setprofile(None)
                for timer in (ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF):
                    setitimer(timer, 0)
                signal(SIGINT, SIG_IGN)
        except BaseException as fault:  # an interrupt between the code and the line above; or objects that fight back
            status, value, detail = "error", None, _name_of(type(fault))
        self._flush()
        if getpid() != self._pid:
            _exit(0)  # a child that the code forked has come to the end of the cell: only the worker goes on
        threads = self._count_old_threads()
        late, self._late = self._late, ""
        self._answer = (
            f'{{"nonce":"{nonce}","status":"{status}","value":{"null" if value is None else _quoted(value)},'
            f'"detail":{_quoted(detail)},"late":{_quoted(late)},"threads":{threads},'
            f'"children":{"true" if self._has_children() else "false"}}}'
        ).encode()

    def _attempt(self, code: str) -> tuple[str, str | None, str]:
        """(status, value, detail) of `code`."""
        try:
            return "ok", self._evaluate(code), ""
        except SystemExit as stop:
            return self._describe_exit(stop)
        except BaseException as fault:
            self._show_fault(fault)
            return "error", None, _name_of(type(fault))

    def _evaluate(self, code: str) -> str | None:
        """Run `code`; the repr of its last expression, where that is one and not None."""
        self._cells += 1
        name = f"<cell {self._cells}>"
        self._sources[name] = (len(code), None, [line + "\n" for line in code.split("\n")], name)
        tree = compile(code, name, "exec", _KEEP_AST | self._future_flags, True)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], _expression_statement) else None
        if tree.body:
            program = compile(tree, name, "exec", self._future_flags, True)
            self._future_flags |= program.co_flags & _FUTURES
            exec(program, self._variables)
        if last is None:
            return None
        value = eval(compile(_expression(last.value), name, "eval", self._future_flags, True), self._variables)
        return None if value is None else str.__getitem__(repr(value), slice(LONGEST_TEXT))

    def _describe_exit(self, stop: SystemExit) -> tuple[str, None, str]:
        code = stop.code
        if code is None or isinstance(code, int):
            return "exit", None, f"exit code {int(code or 0) & 0xFF}"
        self._write_error(f"{code}\n")
        return "exit", None, "exit code 1"

    def _show_fault(self, fault: BaseException) -> None:
        """The traceback, from the cell's own first line on, to stderr."""
        trace = fault.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        try:
            text = "".join(_format_exception(type(fault), fault, trace))
        except Exception:
            text = f"{_name_of(type(fault))}\n"
        if len(text) > LONGEST_TEXT:
            text = text[: LONGEST_TEXT // 2] + "\n[...]\n" + text[-LONGEST_TEXT // 2 :]
        self._write_error(text)

    def _write_error(self, text: str) -> None:
        self._flush()
        data = text.encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[write(2, data) :]
        except OSError:
            pass

    # Between cells -------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Undo what the cell before may have done to the interpreter's own means."""
        signal(SIGINT, default_int_handler)
        pthread_sigmask(SIG_UNBLOCK, (SIGINT,))
        for number, copy in self._streams:
            dup2(copy, number)
        if not (_is_open(self._stdin) and _is_open(self._stdout) and _is_open(self._stderr)):
            self._make_streams()
        for name, stream in (("stdin", self._stdin), ("stdout", self._stdout), ("stderr", self._stderr)):
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        self._bury_zombies()

    def _bury_zombies(self) -> None:
        """Forget the children that nobody has waited for since they ended at least a cell ago: they use up the limit."""
        for pid in self._zombies:
            try:
                waitpid(pid, WNOHANG)
            except ChildProcessError:
                pass
        self._zombies = self._children()

    def _make_streams(self) -> None:
        self._stdin = _text(_file(0, "r", False))
        self._stdout, self._stderr = TextStream(1, self._keep_late), TextStream(2, self._keep_late)

    def _flush(self) -> None:
        for stream in (self._stdout, self._stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass

    def _count_old_threads(self) -> int:
        """Remember which threads the cell leaves behind; their number."""
        self._old_threads = frozenset(_all_frames()) - {get_ident()} if count_threads() else frozenset()
        return len(self._old_threads)

    def _keep_late(self, text: str) -> bool:
        """Keep `text` apart where a thread of an earlier cell wrote it; whether it did."""
        if get_ident() not in self._old_threads:
            return False
        self._late = (self._late + text)[-LONGEST_TEXT:]
        return True

    def _has_children(self) -> bool:
        """Whether a cell leaves processes behind; in doubt, it does."""
        try:
            waitid(P_ALL, 0, WEXITED | WNOHANG | WNOWAIT)
        except ChildProcessError:
            return False
        return not self._copies or bool(self._children())

    def _children(self) -> set[int]:
        """The processes that this one is the parent of, copies of it left out; none where /proc is out of sight."""
        try:
            waitid(P_ALL, 0, WEXITED | WNOHANG | WNOWAIT)
            table = open_file(f"/proc/self/task/{self._pid}/children", 0)
        except OSError:
            return set()
        children = read(table, LONGEST_TEXT).split()
        close(table)
        return {int(pid) for pid in children} - self._copies

    # Copies of the interpreter -------------------------------------------------------------------------------------

    def _snapshot(self) -> int | None:
        """Fork a copy that waits; its pid, None where there is none, and 0 in the copy once it takes this one's place."""
        pthread_sigmask(SIG_BLOCK, (SIGUSR2,))
        try:
            pid = fork()
        except OSError:  # too many processes: the cell goes without
            return None
        if pid:
            pthread_sigmask(SIG_UNBLOCK, (SIGUSR2,))
            self._copies.add(pid)
            self._channel.sendall(framed(f'{{"nonce":"","status":"snapshot","pid":{pid}}}'.encode()))
            return pid
        sigwait((SIGUSR2,))
        pthread_sigmask(SIG_UNBLOCK, (SIGUSR2,))
        self._pid = getpid()
        return 0

    def _branch(self) -> None:
        """Fork a worker that goes on by itself, on a channel and streams that come with the request."""
        _, ancillary, *_ = self._channel.recvmsg(1, CMSG_LEN(3 * 4))
        data = ancillary[0][2]
        channel, stdout, stderr = (int.from_bytes(data[at : at + 4], sys.byteorder) for at in (0, 4, 8))
        try:
            pid = fork()
        except OSError:
            pid = None
        if pid == 0:
            self._copies, self._zombies = set(), set()
            self._channel.close()
            self._take(channel, stdout, stderr)
            self._greet()
            return
        if pid is not None:
            self._copies.add(pid)
        for number in (channel, stdout, stderr):
            close(number)

    def _take(self, channel: int, stdout: int, stderr: int) -> None:
        """Make these descriptors this worker's own."""
        self._channel = socket(fileno=keep_privately(channel))
        self._streams = ((0, keep_privately(0)), (1, keep_privately(stdout)), (2, keep_privately(stderr)))
        for number, copy in self._streams:
            dup2(copy, number)
        self._make_streams()
        self._pid = getpid()

    def _greet(self) -> None:
        self._channel.sendall(framed(f'{{"nonce":"","status":"ready","pid":{self._pid}}}'.encode()))


class ByteStream(io.BufferedWriter):
    """Bytes to a descriptor, but not those of threads of earlier cells."""

    def __init__(self, number: int, keep_late: Callable[[str], bool]) -> None:
        super().__init__(_file(number, "w", False))
        self._keep_late = keep_late

    def write(self, data: Any) -> int:
        if count_threads() and self._keep_late(str(data, "utf-8", "replace")):
            return len(data)
        return _write_bytes(self, data)


class TextStream(io.TextIOWrapper):
    """Text to a descriptor, but not that of threads of earlier cells, wherever they have kept the stream.

    Flushed at each line: what a crash or a time-out cuts off is seen up to there.
    """

    def __init__(self, number: int, keep_late: Callable[[str], bool]) -> None:
        super().__init__(ByteStream(number, keep_late), "utf-8", "backslashreplace", "\n", True)
        self._keep_late = keep_late

    def write(self, text: str) -> int:
        if count_threads() and self._keep_late(text):
            return len(text)
        return _write_text(self, text)


def _is_open(stream: TextIO) -> bool:
    try:
        return not stream.closed
    except ValueError:  # its buffer was taken out
        return False


def _quoted(text: str) -> str:
    """`text` as JSON; half characters, which JSON cannot hold, as Python would escape them."""
    return quote(text if text.isascii() else text.encode("utf-8", "backslashreplace").decode())
