"""Measures Jupyter kernels: start, statements, memory. Prints JSON; bench/sandbox.py runs it in the peers' environment."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

STATEMENT = "x = 1"
PATIENCE = 60.0


def main() -> None:
    starts, kernels, statements, at_once = map(int, sys.argv[1:])
    started, answered, resident = [], [], []
    for _ in range(starts):
        began = time.perf_counter()
        manager, client = start_new_kernel(startup_timeout=PATIENCE)
        started.append(time.perf_counter() - began)
        _run(client)
        answered.append(time.perf_counter() - began)
        resident.append(_resident_mb(manager))
        if len(started) == starts:
            round_trips = [_run(client) for _ in range(statements)][statements // 20 :]
        _stop(manager, client)
    json.dump(
        {
            "started": started,
            "answered": answered,
            "statements": round_trips,
            "resident_mb": sorted(resident)[len(resident) // 2],
            "kernels_per_second": {tasks: _rate(tasks, kernels) for tasks in (1, at_once)},
        },
        sys.stdout,
    )


def _run(client: BlockingKernelClient) -> float:
    """Seconds from sending a statement until its reply is here and the kernel is idle again."""
    began = time.perf_counter()
    request = client.execute(STATEMENT)
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") == request and message["content"].get("execution_state") == "idle":
            break
    while client.get_shell_msg(timeout=PATIENCE)["parent_header"].get("msg_id") != request:
        pass
    return time.perf_counter() - began


def _rate(tasks: int, kernels: int) -> float:
    """Kernels a second, each started, given one statement and ended, in so many threads."""

    def work() -> None:
        for _ in range(kernels // tasks):
            manager, client = start_new_kernel(startup_timeout=PATIENCE)
            _run(client)
            _stop(manager, client)

    threads = [threading.Thread(target=work) for _ in range(tasks)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return kernels // tasks * tasks / (time.perf_counter() - began)


def _resident_mb(manager: KernelManager) -> float:
    status = Path(f"/proc/{manager.provisioner.pid}/statm").read_text()
    return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _stop(manager: KernelManager, client: BlockingKernelClient) -> None:
    client.stop_channels()
    manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
