"""What code in a container cannot do."""

from __future__ import annotations

import errno
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("docker")


def test_has_no_rights_and_cannot_gain_any(docker: Any) -> None:
    status, root = docker.cells(
        "print(open('/proc/self/status').read())", "import os\nfor become in os.setuid, os.setgid: become(0)"
    )
    fields = dict(line.split(":\t", 1) for line in status.stdout.splitlines() if ":\t" in line)
    rights = {name: int(fields[name].strip(), 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert not any(rights.values()), rights
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"
    assert fields["Uid"].split() == ["65534"] * 4
    assert "PermissionError" in root.stderr


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/bin", "/opt/skillforge/jail", "/var/tmp", "/dev"])
def test_the_root_is_read_only(docker: Any, path: str) -> None:
    (execution,) = docker.cells(f"open('{path}/written', 'w')")
    assert execution.status == "error"
    assert "Read-only file system" in execution.stderr or "Permission denied" in execution.stderr


def test_there_is_no_network(docker: Any) -> None:
    interfaces, outside = docker.cells(
        "import os; print(os.listdir('/sys/class/net'))",
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)",
    )
    assert interfaces.stdout.strip() == "['lo']"
    assert outside.status == "error"
    assert outside.seconds < 5


def test_sees_nothing_of_the_environment(docker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_CANARY", "tweet-tweet")
    (execution,) = docker.cells(
        "import os, pathlib\n"
        "seen = [repr(os.environ)]\n"
        "for path in pathlib.Path('/proc').glob('[0-9]*/environ'):\n"
        "    try: seen.append(path.read_text())\n"
        "    except OSError: pass\n"
        "print(seen)"
    )
    assert "PYTHONHASHSEED" in execution.stdout
    assert "tweet" not in execution.stdout


def test_cannot_reach_the_first_process(docker: Any) -> None:
    """That one carries all that the supervisor hears."""
    *attempts, after = docker.cells(
        "open('/proc/1/mem', 'rb')",
        "import os; os.listdir('/proc/1/fd')",
        "open('/proc/1/fd/1', 'wb').write(b'x')",
        "import os, signal; os.kill(1, signal.SIGKILL); os.kill(1, signal.SIGINT)",
        "print('still here')",
    )
    assert [attempt.status for attempt in attempts[:3]] == ["error"] * 3
    assert after.stdout == "still here\n"


def test_memory_ends_with_oom_and_the_session_goes_on(docker: Any) -> None:
    alone, together, after = docker.cells(
        "x = bytearray(2 << 30)",
        "import os, time\nfor _ in range(3): os.fork()\nx = bytearray(60 << 20)\ntime.sleep(10)",
        "print('next')",
        memory=128,
    )
    assert (alone.status, alone.state) == ("oom", "lost")
    assert (together.status, together.state) == ("oom", "lost")
    assert after.stdout == "next\n"


def test_files_and_shared_memory_are_limited(docker: Any) -> None:
    fill = (
        "try:\n"
        "    for name in range(100): open(f'{folder}/{{name}}', 'wb').write(bytes(1 << 20))\n"
        "except OSError as error: print(name, error.errno)"
    )
    for folder in ("/tmp/work", "/dev/shm"):
        (execution,) = docker.cells(fill.replace("{folder}", folder).replace("{{name}}", "{name}"), disk=8)
        written, fault = map(int, execution.stdout.split())
        assert 7 <= written <= 8
        assert fault == errno.ENOSPC


def test_number_of_files_is_limited(docker: Any) -> None:
    (execution,) = docker.cells(
        "import os\ntry:\n    for name in range(100_000): os.mkdir(str(name))\nexcept OSError as error: print(error.errno)",
        disk=8,
    )
    assert execution.stdout.strip() == str(errno.ENOSPC)


def test_processes_are_limited_for_each_session_alone(docker: Any) -> None:
    bomb = (
        "import os, time\n"
        "children = 0\n"
        "try:\n"
        "    while True:\n"
        "        if os.fork() == 0: time.sleep(60)\n"
        "        children += 1\n"
        "except OSError as error: print(children, error.errno)"
    )

    async def both(pool: Any) -> list[str]:
        async with pool.session() as one, pool.session() as other:
            return [(await session.run(bomb, 20)).stdout for session in (one, other)]

    for stdout in docker.in_pool(both, processes=20):
        children, fault = map(int, stdout.split())
        assert 15 <= children <= 20
        assert fault == errno.EAGAIN


def test_common_programs_still_run(docker: Any) -> None:
    (execution,) = docker.cells(
        "import concurrent.futures, multiprocessing, subprocess, tempfile, threading, socket\n"
        "import numpy as np, sympy as sp\n"
        "print(subprocess.run(['sh', '-c', 'echo shell'], capture_output=True, text=True).stdout.strip())\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(abs, [-1, -2]))\n"
        "with concurrent.futures.ThreadPoolExecutor(2) as pool: print(list(pool.map(abs, [-3])))\n"
        "with tempfile.TemporaryFile() as file: print(file.write(b'four'))\n"
        "one, other = socket.socketpair(); one.send(b'pair'); print(other.recv(9))\n"
        "x = sp.Symbol('x'); print(sp.solve(x**2 - 4), np.linalg.det(np.eye(2)))"
    )
    shown = ["shell", "[1, 2]", "[3]", "4", "b'pair'", "[-2, 2] 1.0"]
    assert (execution.stdout.splitlines(), execution.status) == (shown, "ok"), execution.stderr
