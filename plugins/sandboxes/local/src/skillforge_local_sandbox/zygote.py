"""The supervisor's side of a zygote: starts it, and asks it for sessions."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections import deque
from typing import Self

import msgspec

from skillforge import SandboxUnusable
from skillforge_local_sandbox.cgroups import Groups
from skillforge_local_sandbox.descriptor_link import SessionLink
from skillforge_local_sandbox.ends import Ends
from skillforge_local_sandbox.interpreter import command
from skillforge_sandbox_jail.settings import Settings

START_LIMIT = 120.0
"""Seconds until the modules must be imported."""

SESSION_LIMIT = 20.0
"""Seconds until a session must be ready."""

PACKET = 64 * 1024

_LAUNCH = "from skillforge_sandbox_jail.zygote import launch\nlaunch({})"


class Reply(msgspec.Struct, frozen=True):
    """What a zygote says: once that it is ready, then of each session that it is, or why not."""

    ready: str | None = None
    error: str | None = None


class Zygote:
    """A warm interpreter that sessions are forked from."""

    def __init__(
        self, process: subprocess.Popen[bytes], control: socket.socket, namespaces: bool, groups: Groups | None
    ) -> None:
        self._process = process
        self._control = control
        self._namespaces = namespaces
        self._groups = groups
        self._replies: deque[asyncio.Future[tuple[Reply, list[int]]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(control, self._read)
        self.alive = True

    @classmethod
    async def start(cls, python: str, env: dict[str, str], settings: Settings, groups: Groups | None) -> Self:
        """Start one; returns when its modules are imported. Raises SandboxUnusable."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            process = subprocess.Popen(
                command(python, _LAUNCH.format(number)),
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[number],
                start_new_session=True,
            )
        ours.send(msgspec.json.encode(settings._asdict()))
        ours.setblocking(False)
        zygote = cls(process, ours, settings.namespaces, groups)
        try:
            reply, _ = await asyncio.wait_for(zygote._reply(), START_LIMIT)
        except BaseException as error:
            await zygote.close()
            if isinstance(error, TimeoutError):
                raise SandboxUnusable(f"imports took more than {START_LIMIT:g} s", "preload fewer modules") from None
            raise
        if reply.error is not None:
            cause = reply.error
            said = await zygote.close()
            raise SandboxUnusable(
                f"the sandbox's interpreter does not start: {cause or said}", "check the options preload and prelude"
            )
        return zygote

    async def session(self) -> SessionLink:
        """A link to a new session whose worker is ready. Raises OSError where the system cannot give one now."""
        with Ends() as ends:
            (control, their_control), (channel, their_channel) = ends.sockets(), ends.sockets()
            (out, their_out), (err, their_err) = ends.pipe(), ends.pipe()
            async with asyncio.timeout(SESSION_LIMIT):
                await self._ask([their_control.fileno(), their_channel.fileno(), their_out, their_err])
                reply, pidfds = await self._reply()
            if reply.error is not None or not pidfds:
                raise OSError(reply.error or "too many open files")
            ends.keep(control, channel, out, err)
        link = SessionLink(control, channel, out, err, pidfds[0], self._namespaces, self._groups)
        try:
            await link.go()
            await link.greeted(SESSION_LIMIT)
        except BaseException:
            await link.close()
            raise
        return link

    async def close(self) -> str:
        """End it with all its sessions; the last line that it wrote to stderr."""
        self.alive = False
        if self._control.fileno() == -1:
            return ""
        self._loop.remove_reader(self._control)
        self._control.close()
        _, said = await asyncio.to_thread(self._process.communicate)
        return said.decode(errors="replace").strip().rpartition("\n")[2]

    async def _ask(self, descriptors: list[int]) -> None:
        while True:
            try:
                socket.send_fds(self._control, [b"{}"], descriptors)
                return
            except BlockingIOError:
                await asyncio.sleep(0.001)

    def _reply(self) -> asyncio.Future[tuple[Reply, list[int]]]:
        future = self._loop.create_future()
        self._replies.append(future)
        return future

    def _read(self) -> None:
        try:
            data, descriptors, *_ = socket.recv_fds(self._control, PACKET, 1)
        except OSError:
            data, descriptors = b"", []
        if not data:
            self.alive = False
            self._loop.remove_reader(self._control)
            for waiting in self._replies:
                if not waiting.done():
                    waiting.set_result((Reply(error=""), []))
            self._replies.clear()
            return
        future = self._replies.popleft() if self._replies else None
        if future is None or future.done():  # nobody waits any more
            for number in descriptors:
                os.close(number)
            return
        future.set_result((msgspec.json.decode(data, type=Reply), descriptors))
