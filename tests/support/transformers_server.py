"""`transformers serve` with the embedded model: a real server that starts in seconds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PATIENCE = 120.0


class TransformersServer:
    """The server, which may be killed and started again where it was."""

    def __init__(self, weights: Path, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._weights = weights
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it takes requests."""
        program = str(Path(sys.executable).with_name("transformers"))
        command = [program, "serve", str(self._weights), "--host", "127.0.0.1", "--port", str(self._port)]
        variables = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        with self._log.open("wb") as stream:
            self._process = subprocess.Popen([*command, "--device", "cpu"], stdout=stream, stderr=stream, env=variables)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.root}/health", timeout=5)
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        pytest.fail(f"the server did not start:\n{self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def transformers_server(weights: Path, log: Path) -> Iterator[TransformersServer]:
    """A server on a free port, for as long as the context."""
    server = TransformersServer(weights, log)
    try:
        server.start()
        yield server
    finally:
        server.kill()
