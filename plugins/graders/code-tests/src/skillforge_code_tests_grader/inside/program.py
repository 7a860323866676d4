"""In the session of the code: runs a program whole, as `python FILE <INPUT >OUTPUT` does."""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
from contextlib import suppress
from types import ModuleType

from skillforge_code_tests_grader.inside.handing_over import Shown, hand_over

LONGEST_OUTPUT = 2**20
"""Bytes of a program's output that are handed over."""


def run(source: str, given: str) -> Shown:
    """Run `source` as the main module, with `given` on its standard input. Hands over what it writes.

    Both are files, on the descriptors too: programs read `open(0)`, and a sandbox may cut off what goes to its own stdout.
    """
    with tempfile.TemporaryFile() as input_file, tempfile.TemporaryFile() as output_file:
        input_file.write(given.encode("utf-8", "surrogatepass"))
        input_file.seek(0)
        kept, kept_stream = os.dup(1), sys.stdout
        os.dup2(input_file.fileno(), 0)
        os.dup2(output_file.fileno(), 1)
        sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
        try:
            _run_as_main(source)
        finally:
            with suppress(Exception):
                sys.stdout.flush()
            os.dup2(kept, 1)
            sys.stdout = kept_stream
        output_file.seek(0)
        output = output_file.read(LONGEST_OUTPUT)
    return hand_over(json.dumps(output.decode("utf-8", "replace")))


def _run_as_main(source: str) -> None:
    random.seed(0)
    main = sys.modules["__main__"] = ModuleType("__main__")
    try:
        exec(compile(source, "<solution>", "exec", dont_inherit=True), vars(main))
    except SystemExit as stop:
        if stop.code not in (None, 0):
            raise
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
