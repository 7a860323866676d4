"""The links to sessions on this machine: descriptors that this process holds the ends of."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from abc import abstractmethod
from typing import Any

import msgspec

from skillforge.child import Frames
from skillforge.parts.sandbox import StreamName
from skillforge_local_sandbox.cgroups import Groups
from skillforge_local_sandbox.ends import Ends
from skillforge_local_sandbox.link import Answer, Event, Link
from skillforge_sandbox_jail.frames import LARGEST, framed

READ_BYTES = 256 * 1024
DRAIN_BYTES = 2**20
"""Output taken in at the end of a cell at most: a pipe holds no more."""

GREETING_PATIENCE = 5.0
"""Seconds in which a forked worker must be ready."""

KILL_PATIENCE = 5.0
"""Seconds in which the kernel must have ended a killed session."""

FORK = b"F" + bytes(16)


class DescriptorLink(Link):
    """A worker on this machine: a socket and two pipes. The session itself, or a branch of it."""

    def __init__(self, channel: socket.socket, stdout: int, stderr: int) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._outputs: dict[StreamName, int] = {"stdout": stdout, "stderr": stderr}
        self._answers = Frames(LARGEST)
        self._unsent = bytearray()
        channel.setblocking(False)
        self._loop.add_reader(channel, self._read_channel)
        for name, number in self._outputs.items():
            os.set_blocking(number, False)
            self._loop.add_reader(number, self._read_output, name)

    def request(self, frame: bytes) -> None:
        data = framed(frame)
        try:
            sent = 0 if self._unsent else self._channel.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the worker is gone, which is told when its channel is read
        if sent < len(data):
            self._unsent += data[sent:]
            self._loop.add_writer(self._channel, self._send_more)

    def drain(self) -> None:
        for name in self._outputs:
            taken = 0
            while taken < DRAIN_BYTES and (size := self._read_output(name)):
                taken += size

    def restart(self) -> None:
        self._answers = Frames(LARGEST)
        self._unsent.clear()

    async def close(self) -> None:
        self._loop.remove_writer(self._channel)
        self._loop.remove_reader(self._channel)
        for number in self._outputs.values():
            self._loop.remove_reader(number)
        self._channel.close()
        for number in self._outputs.values():
            os.close(number)

    async def fork(self) -> Link:
        with Ends() as ends:
            ours, theirs = ends.sockets()
            (out, their_out), (err, their_err) = ends.pipe(), ends.pipe()
            self.request(FORK)
            while self._unsent:
                await asyncio.sleep(0)
            socket.send_fds(self._channel, [b"."], [theirs.fileno(), their_out, their_err])
            ends.keep(ours, out, err)
        branch = self._branch(ours, out, err)
        try:
            await branch.greeted(GREETING_PATIENCE)
        except BaseException:
            await branch.close()
            raise
        return branch

    @abstractmethod
    def _branch(self, channel: socket.socket, stdout: int, stderr: int) -> Link:
        """A link to a worker of the same session."""

    def _send_more(self) -> None:
        try:
            del self._unsent[: self._channel.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()
        if not self._unsent:
            self._loop.remove_writer(self._channel)

    def _read_channel(self) -> None:
        try:
            data = self._channel.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._channel)
            self.listener.on_worker_gone()
            return
        try:
            answers = [msgspec.json.decode(frame, type=Answer) for frame in self._answers.feed(data)]
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            self._loop.remove_reader(self._channel)
            self.listener.on_violation(str(error))
            return
        for answer in answers:
            self.listener.on_answer(answer)

    def _read_output(self, name: StreamName) -> int:
        """Hand on what is there; how many bytes."""
        try:
            data = os.read(self._outputs[name], READ_BYTES)
        except BlockingIOError:
            return 0
        if data:
            self.listener.on_output(name, data)
        else:
            self._loop.remove_reader(self._outputs[name])
        return len(data)


class SessionLink(DescriptorLink):
    """A session on this machine, with a socket to its init and a pidfd of that."""

    def __init__(
        self,
        control: socket.socket,
        channel: socket.socket,
        stdout: int,
        stderr: int,
        pidfd: int,
        namespaces: bool,
        groups: Groups | None,
    ) -> None:
        super().__init__(channel, stdout, stderr)
        self._control = control
        self._pidfd = pidfd
        self._namespaces = namespaces
        self._groups = groups
        self._group = groups.take() if groups is not None else None
        self._events = Frames(LARGEST)
        self._gone = asyncio.Event()
        self.branches: list[BranchLink] = []
        control.setblocking(False)
        self._loop.add_reader(control, self._read_control)
        self._loop.add_reader(pidfd, self._on_gone)

    async def go(self) -> None:
        """Let the session begin, within its limits."""
        if self._group is not None:
            # In a thread: the kernel waits for all of its processors before it moves a process to another group.
            adding = asyncio.ensure_future(asyncio.to_thread(self._group.add, self._pidfd))
            try:
                await asyncio.shield(adding)
            except asyncio.CancelledError:
                await adding  # it still needs the pidfd
                raise
        self.order(do="begin")

    def ran_out_of_memory(self) -> bool:
        return self._group is not None and self._group.ran_out()

    def order(self, **order: Any) -> None:
        with contextlib.suppress(OSError):  # an init that is gone obeys nothing; `on_gone` tells
            self._control.send(framed(msgspec.json.encode(order)))

    @property
    def alive(self) -> bool:
        return not self._gone.is_set()

    async def close(self) -> None:
        try:
            if not self._gone.is_set():
                self.kill()
                await asyncio.wait_for(self._gone.wait(), KILL_PATIENCE)
        finally:
            await super().close()
            self._loop.remove_reader(self._control)
            self._loop.remove_reader(self._pidfd)
            self._control.close()
            os.close(self._pidfd)
            if self._group is not None and self._groups is not None:
                self._groups.give_back(self._group)

    def kill(self) -> None:
        """With its init, a pid namespace ends at once; else the init has to end the session's processes one by one."""
        with contextlib.suppress(OSError):
            if self._namespaces:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            else:
                self._control.shutdown(socket.SHUT_WR)

    def _branch(self, channel: socket.socket, stdout: int, stderr: int) -> Link:
        self.branches.append(branch := BranchLink(self, channel, stdout, stderr))
        return branch

    def _read_control(self) -> None:
        try:
            data = self._control.recv(READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._control)
        for frame in self._events.feed(data):
            event = msgspec.json.decode(frame, type=Event)
            for link in (self, *self.branches):
                link.listener.on_event(event)

    def _on_gone(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._gone.set()
        for link in (self, *self.branches):
            link.listener.on_gone()


class BranchLink(DescriptorLink):
    """A forked worker in a session that goes on without it."""

    def __init__(self, session: SessionLink, channel: socket.socket, stdout: int, stderr: int) -> None:
        super().__init__(channel, stdout, stderr)
        self._session = session

    def order(self, **order: Any) -> None:
        self._session.order(**order)

    def ran_out_of_memory(self) -> bool:
        return self._session.ran_out_of_memory()

    def kill(self) -> None:
        """The worker, and then what it has started and left to the session's init."""
        if self.worker:
            others = {self._session.worker, *(branch.worker for branch in self._session.branches)} - {self.worker}
            self.order(do="kill", pid=self.worker)
            self.order(do="sweep", of=self.worker, keep=sorted(others))

    async def close(self) -> None:
        self.kill()
        self._session.branches.remove(self)
        await super().close()

    def _branch(self, channel: socket.socket, stdout: int, stderr: int) -> Link:
        return self._session._branch(channel, stdout, stderr)
