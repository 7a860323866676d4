"""How strong the sandbox is here, and what becomes of machines that give less."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from skillforge import Execution, SandboxUnusable
from skillforge_local_sandbox import LocalOptions, LocalSandbox, tiers
from skillforge_local_sandbox.session import Session
from skillforge_local_sandbox.tiers import Walls
from skillforge_sandbox_jail import seccomp

SYSTEM_PYTHON = "/usr/bin/python3"
"""Sessions without namespaces, started by root, run as other users: these can read it."""


@pytest.mark.parametrize(
    ("walls", "tier"),
    [
        (Walls("", 7, True), 3),
        (Walls("", 1, True), 3),
        (Walls("", 0, True), 2),
        (Walls("clone: Operation not permitted", 6, True), 2),
        (Walls("clone: Operation not permitted", 5, True), 1),
        (Walls("", 7, False), 1),
    ],
)
def test_tiers(walls: Walls, tier: int) -> None:
    assert walls.tier == tier


def test_a_machine_that_gives_less_than_asked_is_refused_with_what_to_enable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "find_walls", lambda python: Walls("clone: Operation not permitted", 7, True))

    async def session() -> None:
        async with LocalSandbox().open(LocalOptions()):
            pass

    with pytest.raises(SandboxUnusable, match=r"tier 2.*minimum_tier is 3.*clone: .*max_user_namespaces"):
        asyncio.run(session())
    findings = {finding.name: finding for finding in LocalSandbox().diagnose()}
    assert findings["namespaces"].state == "missing" and "max_user_namespaces" in findings["namespaces"].fix
    assert findings["Landlock"].state == "ok"


def test_an_interpreter_in_the_temporary_folder_is_seen_and_its_neighbours_are_not(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    (tmp_path / "secret").write_text("SECRET")
    cells = ("import sys\nsys.prefix", f"open('{tmp_path}/secret')", f"open('{tmp_path}/env/pyvenv.cfg', 'a')")

    async def session() -> list[Execution]:
        options = LocalOptions(python=str(tmp_path / "env/bin/python"), preload=())
        async with LocalSandbox().open(options) as pool, pool.session() as session:
            return [await session.run(cell, 5.0) for cell in cells]

    prefix, secret, change = asyncio.run(session())
    assert prefix.value == repr(str(tmp_path / "env"))
    assert (secret.detail, change.status) == ("FileNotFoundError", "error")


@pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason=f"there is no {SYSTEM_PYTHON}")
def test_without_namespaces_landlock_and_seccomp_still_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if tiers.find_walls(SYSTEM_PYTHON).landlock < tiers.LANDLOCK_WITH_SIGNALS:
        pytest.skip("this kernel's Landlock does not keep signals inside")
    monkeypatch.setattr(tiers, "find_walls", lambda python: Walls("switched off", 7, True))
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    cells = (
        f"open({str(secret)!r}).read()",
        "open('/proc/self/environ').read()",
        "import socket; socket.socket()",
        "import os; os.kill(os.getppid(), 9)",
        f"import os; os.chmod({str(secret)!r}, 0o777)",
        "open('mine', 'w').write('x'); open('mine').read()",
        "import os\nfor _ in range(3): os.fork()\nwhile True: pass",
        "1",
    )

    async def session() -> list[Execution]:
        options = LocalOptions(minimum_tier=2, python=SYSTEM_PYTHON, preload=())
        async with LocalSandbox().open(options) as pool, pool.session() as session:
            return [await session.run(cell, 1.0) for cell in cells]

    found = asyncio.run(session())
    assert [execution.status for execution in found] == ["error"] * 5 + ["ok", "timeout", "ok"]
    assert [execution.detail for execution in found[:5]] == [
        "PermissionError",
        "PermissionError",
        "OSError",
        "PermissionError",
        "PermissionError",
    ]


@pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason=f"there is no {SYSTEM_PYTHON}")
def test_a_worker_that_lies_about_its_pid_has_no_other_process_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    if tiers.find_walls(SYSTEM_PYTHON).landlock < tiers.LANDLOCK_WITH_SIGNALS:
        pytest.skip("this kernel's Landlock does not keep signals inside")
    monkeypatch.setattr(tiers, "find_walls", lambda python: Walls("switched off", 7, True))
    lie = (
        "import gc, json\nfor found in gc.get_objects():\n    if type(found).__name__ == 'Worker':\n"
        "        body = json.dumps({'nonce': '', 'status': 'ready', 'pid': VICTIM}).encode()\n"
        "        type(found)._greet = lambda self: self._channel.sendall(len(body).to_bytes(4, 'big') + body)"
    )
    reached = []

    async def session(victim: int) -> None:
        options = LocalOptions(minimum_tier=2, python=SYSTEM_PYTHON, preload=())
        async with LocalSandbox().open(options) as pool, pool.session() as session:
            await session.run(lie.replace("VICTIM", str(victim)), 5.0)
            async with session.fork() as branch:
                assert isinstance(branch, Session)
                reached.append(branch._worker)
                await branch.run("while True: pass", 0.1)

    with subprocess.Popen(["sleep", "60"]) as process:
        asyncio.run(session(process.pid))
        assert reached == [process.pid]  # the lie was told
        assert process.poll() is None
        process.kill()


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_the_filter_refuses_and_allows_by_the_numbers_of_the_architecture(architecture: str) -> None:
    """The BPF program, run by hand: what the kernel would answer."""
    audit = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
    calls = {
        "x86_64": {
            "mount": 165,
            "ptrace": 101,
            "clone": 56,
            "clone3": 435,
            "socket": 41,
            "read": 0,
            "io_uring_setup": 425,
        },
        "aarch64": {
            "mount": 40,
            "ptrace": 117,
            "clone": 220,
            "clone3": 435,
            "socket": 198,
            "read": 63,
            "io_uring_setup": 425,
        },
    }[architecture]
    program = seccomp.program(architecture, private=True)

    def answer(name: str, *arguments: int, other: bool = False) -> str:
        machine = (
            audit["aarch64" if (architecture == "x86_64") == other else "x86_64"] if other else audit[architecture]
        )
        return run_filter(program, calls[name], machine, arguments)

    refused, unknown, no_family = "errno 1", "errno 38", "errno 97"
    assert [answer(name) for name in ("mount", "ptrace", "io_uring_setup", "clone3")] == [refused] * 3 + [unknown]
    assert answer("read") == "allow" and answer("read", other=True) == "kill"
    assert answer("clone", 0x11) == "allow" and answer("clone", 0x10000000 | 0x11) == refused
    assert [answer("socket", family) for family in (1, 2, 10, 16, 40)] == ["allow"] * 3 + [no_family] * 2
    if architecture == "x86_64":
        assert run_filter(program, 0x40000000 + 1, audit[architecture], ()) == refused


def run_filter(program: bytes, number: int, architecture: int, arguments: tuple[int, ...]) -> str:
    import struct

    data = struct.pack("=IIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            return {0x7FFF0000: "allow", 0x80000000: "kill"}.get(value, f"errno {value & 0xFFFF}")
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            at += if_true if holds else if_false
