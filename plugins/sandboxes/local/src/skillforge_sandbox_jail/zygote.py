"""The zygote: a warm interpreter of which every session is a fork; and the launcher, which is its parent and its end.

The supervisor's requests come as packets of JSON on one socket, each with the four descriptors of a session: the control of
its init, the channel of its worker, and where its output goes. The answer to each brings a pidfd of the session's init.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import platform
import select
import shutil
import signal
import socket
import sys
import time
import types
from posix import _exit  # which code may replace in `os`
from typing import Any, NoReturn

from skillforge_sandbox_jail import linux, probe, rootfs, seccomp
from skillforge_sandbox_jail.confinement import confine, work
from skillforge_sandbox_jail.frames import read_frame
from skillforge_sandbox_jail.init import SessionInit
from skillforge_sandbox_jail.processes import run_child
from skillforge_sandbox_jail.settings import Settings

PACKET = 64 * 1024
SESSION_USER = 1000
"""Every session's user, as its code sees it."""

NICENESS = 5
"""How far sessions stand back: what feeds all of them must not wait for the processor behind them.

Where the kernel shares the processor among the sessions of `setsid` (sched_autogroup), niceness counts for nothing between
them: then all that is forked here counts as one, as nothing below this process calls `setsid` by itself.
"""

ZYGOTE_IDS = 65536
CGROUP_PATIENCE = 1.0
"""Seconds in which the groups of ended sessions must have become empty."""

FIRST_OUTSIDE_ID = 100_000
"""Where root's sessions get their users: outside ids from here on belong to nobody."""


def launch(control: int) -> NoReturn:
    """Start the zygote that the first packet asks for, and end it when the supervisor closes or dies."""
    connection = socket.socket(fileno=control)
    settings = Settings(**json.loads(connection.recv(PACKET)))
    if os.geteuid() == 0:
        os.setgroups([])
    os.nice(NICENESS)
    go_on, release = os.pipe()
    zygote = linux.clone(linux.ALL_NAMESPACES) if settings.namespaces else os.fork()
    if zygote == 0:
        os.close(release)
        os.read(go_on, 1)
        os.close(go_on)
        run_child(lambda: Zygote(connection, settings).serve())
    if settings.namespaces:
        ids = _ids_for_zygote()
        linux.write_id_maps(zygote, ids, ids if len(ids) > 1 else [(0, os.getegid(), 1)])
    os.write(release, b".")
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    poll.register(os.pidfd_open(zygote), select.POLLIN)
    ended = dict(poll.poll())
    with contextlib.suppress(ProcessLookupError):
        os.kill(zygote, signal.SIGKILL)
    os.waitpid(zygote, 0)
    if connection.fileno() not in ended:
        _exit(1)  # the zygote has died alone: the supervisor will start another
    if not settings.namespaces:
        shutil.rmtree(settings.scratch, ignore_errors=True)
    if settings.cgroups:
        _remove_cgroups(settings.cgroups)
    os._exit(0)


class Zygote:
    """Imports what sessions need, once; then forks one session after the other."""

    def __init__(self, control: socket.socket, settings: Settings) -> None:
        self._control = control
        self._settings = settings
        self._filter = seccomp.program(platform.machine(), private=settings.namespaces)
        self._ids = probe.usable_ids()
        self._sessions = 0
        self._variables: dict[str, Any] = {}

    def serve(self) -> None:
        """Make sessions until the supervisor closes."""
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        try:
            self._warm_up()
        except Exception as error:
            self._control.send(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()[:PACKET])
            return
        self._control.send(json.dumps({"ready": platform.python_version()}).encode())
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # sessions that end are not waited for
        while True:
            answer: dict[str, str]
            data, descriptors, *_ = socket.recv_fds(self._control, PACKET, 4)
            if not data:
                return
            try:
                answer, given = {}, [self._start_session(descriptors)]
            except OSError as error:
                answer, given = {"error": str(error)}, []
            for number in descriptors:
                os.close(number)
            socket.send_fds(self._control, [json.dumps(answer).encode()], given)
            for number in given:
                os.close(number)

    def _warm_up(self) -> None:
        settings = self._settings
        if settings.namespaces:
            rootfs.enter(settings.libraries)
        else:
            os.chmod(settings.scratch, 0o711)
        sys.path[:] = [path for path in sys.path if os.path.exists(path)]
        sys.argv[:] = [""]
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        self._variables = main.__dict__
        for name in settings.preload:
            importlib.import_module(name)
        sys.path.insert(0, "")  # a session's own folder
        exec(compile(settings.prelude, "<prelude>", "exec"), self._variables)
        gc.collect()
        gc.freeze()

    def _start_session(self, descriptors: list[int]) -> int:
        """A pidfd of the init of a new session, which takes these descriptors."""
        settings = self._settings
        self._sessions += 1
        go_on, release = os.pipe()
        try:
            pid = linux.clone(linux.ALL_NAMESPACES) if settings.namespaces else os.fork()
            if pid == 0:
                os.close(release)
                os.read(go_on, 1)
                os.close(go_on)
                run_child(lambda: self._become_session(descriptors))
            if settings.namespaces:
                outside = [(SESSION_USER, self._next_id(), 1)]
                linux.write_id_maps(pid, outside, outside)
                for stream in descriptors[2:]:  # so that the code may open /dev/stdout
                    os.fchown(stream, outside[0][1], outside[0][1])
            os.write(release, b".")
            return os.pidfd_open(pid)
        finally:
            os.close(go_on)
            os.close(release)

    def _next_id(self) -> int:
        """The id, among the zygote's own, of the next session's user: not 0, and another each time, where there are more."""
        return 1 + self._sessions % (self._ids - 1) if self._ids > 1 else 0

    def _become_session(self, descriptors: list[int]) -> None:
        """Go on as the init of a session, with the worker as a child."""
        settings = self._settings
        control, channel, stdout, stderr = descriptors
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.close()
        os.dup2(stderr, 2)  # until the session has begun, its user hears what goes wrong
        folder = self._enter_session()
        orders = socket.socket(fileno=control)
        read_frame(orders)  # the supervisor has put this process where its limits are
        worker = os.fork()
        if worker == 0:
            orders.close()
            for number, stream in ((1, stdout), (2, stderr)):
                os.dup2(stream, number)
                os.close(stream)
            work(channel, self._variables, lambda: self._confine_worker(folder))
            return
        os.dup2(1, 2)
        for number in (channel, stdout, stderr):
            os.close(number)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        init = SessionInit(orders, worker, settings.memory, kernel_limits=bool(settings.cgroups))
        init.serve()
        if not settings.namespaces:
            init.end_all()
            shutil.rmtree(folder, ignore_errors=True)

    def _enter_session(self) -> str:
        """Make the session's surroundings, as its init; the folder where its code may write."""
        settings = self._settings
        os.setpgid(0, 0)
        if settings.namespaces:
            os.setresgid(SESSION_USER, SESSION_USER, SESSION_USER)
            os.setresuid(SESSION_USER, SESSION_USER, SESSION_USER)
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            rootfs.mount_session(settings.disk, settings.inodes, settings.libraries)
            socket.sethostname("sandbox")
            os.chdir(rootfs.WORK)
            return rootfs.WRITABLE
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        folder = f"{settings.scratch}/{os.getpid()}"
        os.makedirs(folder)
        os.chdir(folder)
        os.environ.update(HOME=folder, TMPDIR=folder)
        return folder

    def _confine_worker(self, folder: str) -> None:
        if not self._settings.namespaces and os.geteuid() == 0:
            user = FIRST_OUTSIDE_ID + self._sessions % ZYGOTE_IDS
            os.chown(folder, user, user)
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        confine(self._settings, self._filter, folder)


def _remove_cgroups(folder: str) -> None:
    """Remove what the supervisor could not, because it was killed; the kernel needs a moment to empty the groups."""
    end = time.monotonic() + CGROUP_PATIENCE
    while os.path.isdir(folder) and time.monotonic() < end:
        with contextlib.suppress(OSError):
            for place in [*(entry.path for entry in os.scandir(folder) if entry.is_dir()), folder]:
                os.rmdir(place)
        time.sleep(0.01)


def _ids_for_zygote() -> list[tuple[int, int, int]]:
    """How the zygote's ids map: root gives its sessions users of their own; anybody else has but one to give."""
    if os.geteuid() == 0 and probe.usable_ids() >= FIRST_OUTSIDE_ID + ZYGOTE_IDS:
        return [(0, 0, 1), (1, FIRST_OUTSIDE_ID, ZYGOTE_IDS - 1)]
    return [(0, os.geteuid(), 1)]
