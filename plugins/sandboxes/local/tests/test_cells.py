"""What becomes of a cell, as its caller sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from skillforge import Execution, UsageError
from skillforge_local_sandbox import LocalOptions, LocalSandbox


def run(*cells: str, timeout: float = 10.0, pause: float = 0.0, **options: object) -> list[Execution]:
    """The cells of one session, with a pause between them."""

    async def session() -> list[Execution]:
        async with LocalSandbox().open(LocalOptions(ready=0, preload=(), **options)) as pool, pool.session() as session:
            found = []
            for cell in cells:
                found.append(await session.run(cell, timeout))
                await asyncio.sleep(pause)
            return found

    return asyncio.run(session())


def statuses(executions: Sequence[Execution]) -> list[tuple[str, str]]:
    return [(execution.status, execution.state) for execution in executions]


def test_the_value_of_a_last_expression_is_shown_as_in_a_repl() -> None:
    values = [
        execution.value for execution in run("x = 2\nx ** 10", "x;", "print(x)", "'a'", "if True: 5", "# nothing", "")
    ]
    assert values == ["1024", "2", None, "'a'", None, None, None]


def test_definitions_can_be_pickled_and_dataclasses_made() -> None:
    cells = (
        "import pickle, dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int = 1\npickle.loads(pickle.dumps(P(3)))"
    )
    assert run(cells)[0].value == "P(x=3)"


def test_future_statements_last_for_the_session() -> None:
    first, second = run("from __future__ import annotations", "def f(x: not_defined): pass\nf.__annotations__")
    assert (first.status, second.value) == ("ok", "{'x': 'not_defined'}")


def test_a_traceback_shows_the_lines_of_the_code_and_nothing_of_the_sandbox() -> None:
    _, execution = run("def half(x):\n    return x / 0", "half(3)")
    assert '"<cell 2>", line 1' in execution.stderr and "return x / 0" in execution.stderr
    assert "worker.py" not in execution.stderr
    assert execution.detail == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("code", "detail", "stderr"),
    [
        ("raise SystemExit", "exit code 0", ""),
        ("import sys; sys.exit(3)", "exit code 3", ""),
        ("exit_text = SystemExit('no luck'); raise exit_text", "exit code 1", "no luck\n"),
    ],
)
def test_leaving_by_sys_exit_keeps_the_session(code: str, detail: str, stderr: str) -> None:
    left, after = run(code, "1")
    assert (left.status, left.state, left.detail, left.stderr) == ("exit", "kept", detail, stderr)
    assert after.value == "1"


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("import os; os._exit(0)", "exit code 0"),
        ("import os; os.abort()", "SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("import os; os.execv('/bin/true', ['true'])", "exit code 0"),
    ],
)
def test_an_interpreter_that_ends_is_replaced(code: str, detail: str) -> None:
    _, died, after, fresh = run("x = 1", code, "x", "2")
    assert (died.status, died.state, died.detail) == ("died", "lost", detail)
    assert (after.status, after.detail, fresh.value) == ("error", "NameError", "2")


def test_a_crash_between_two_cells_is_told_by_the_next_which_does_not_run() -> None:
    bomb = "import threading, os\nthreading.Timer(0.05, os._exit, (7,)).start()"
    _, told, after = run(bomb, "print('ran')", "1", pause=0.4)
    assert (told.status, told.state, told.stdout) == ("died", "lost", "")
    assert "between two cells" in told.detail
    assert after.value == "1"


def test_a_timeout_interrupts_and_keeps_the_state() -> None:
    late, after = run("x = 5\nwhile True: pass", "x", timeout=0.5)
    assert statuses([late]) == [("timeout", "kept")] and "KeyboardInterrupt" in late.stderr
    assert after.value == "5"


@pytest.mark.parametrize(
    "code",
    [
        "import time\nwhile True:\n    try:\n        while True: time.sleep(0.01)\n    except BaseException: pass",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
        "sum(range(10**12))",
    ],
)
def test_what_does_not_heed_the_interrupt_is_ended_by_force(code: str) -> None:
    ended, after = run(code, "1", timeout=0.4)
    assert statuses([ended]) == [("timeout", "lost")] and ended.seconds < 2
    assert after.value == "1"


def test_children_end_with_their_cell() -> None:
    start = "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\nchild.poll()"
    first, second = run(start, "child.wait()")
    assert (first.value, second.value) == (None, "-9")


def test_children_end_with_a_cell_that_is_interrupted_and_daemons_too() -> None:
    start = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        while True: pass\n    os._exit(0)\ntime.sleep(60)"
    )
    count = "len([p for p in os.listdir('/proc') if p.isdigit() and open(f'/proc/{p}/stat').read().split()[2] != 'Z'])"
    late, after = run(start, count, timeout=0.5)
    assert (late.status, late.state) == ("timeout", "kept")
    assert after.value == "2"  # the session's init and its worker


def test_a_child_that_comes_to_the_end_of_the_cell_does_not_answer_for_it() -> None:
    fork = "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('end')"
    first, second = run(fork, "6 * 7")
    assert first.status == "ok" and first.stdout.count("end") == 2
    assert second.value == "42"


def test_late_output_of_threads_is_kept_apart() -> None:
    start = (
        "import threading, time, sys\ndef talk():\n    for n in range(8):\n        time.sleep(0.05)\n        print('LATE', n)\n"
        "threading.Thread(target=talk).start()\nprint('started')"
    )
    first, second, third = run(start, "time.sleep(0.2); print('second')", "time.sleep(0.3); print('third')", pause=0.1)
    assert (first.stdout, second.stdout, third.stdout) == ("started\n", "second\n", "third\n")
    assert "threads still running: 1" in first.detail
    assert (second.late_output + third.late_output).count("LATE") == 8


@pytest.mark.parametrize(
    "say",
    [
        "def say(): print('LATE')",
        "def say(write=sys.stdout.write): write('LATE\\n')",
        "def say(stream=sys.stdout.buffer): stream.write(b'LATE\\n'); stream.flush()",
        "import logging\nlogging.basicConfig(stream=sys.stderr)\ndef say(): logging.warning('LATE')",
    ],
)
def test_a_thread_that_never_stops_talking_gets_into_no_other_cell(say: str) -> None:
    talk = f"import sys, threading, time\n{say}\ndef talk():\n    while True: time.sleep(0.001); say()\n"
    _, *cells = run(talk + "threading.Thread(target=talk, daemon=True).start()", *["print(6 * 7)"] * 100)
    assert {cell.stdout + cell.stderr for cell in cells} == {"42\n"}
    assert any("LATE" in cell.late_output for cell in cells)


def test_head_and_tail_of_long_output_are_kept() -> None:
    (execution,) = run("print('BEGIN'); print('x' * 10**6); print('ANSWER=42')", output=4)
    assert execution.stdout.startswith("BEGIN\n") and execution.stdout.endswith("ANSWER=42\n")
    assert len(execution.stdout) < 5000 and "bytes left out" in execution.stdout


def test_a_flood_of_output_ends_the_cell() -> None:
    flood, after = run("while True: print('x' * 10**5)", "1", output_limit=1)
    assert statuses([flood, after]) == [("output-limit", "lost"), ("ok", "kept")]


def test_output_comes_while_the_cell_runs_and_is_cut_at_no_character() -> None:
    heard: list[tuple[str, str]] = []

    async def session() -> Execution:
        async with LocalSandbox().open(LocalOptions(preload=())) as pool, pool.session() as session:
            code = (
                "import os, sys, time\nfor part in b'\\xc3', b'\\xa9\\n':\n    os.write(1, part)\n    time.sleep(0.1)\n"
                "print('e', file=sys.stderr)"
            )
            return await session.run(code, 5.0, lambda stream, text: heard.append((stream, text)))

    execution = asyncio.run(session())
    assert execution.stdout == "é\n"
    assert "".join(text for stream, text in heard if stream == "stdout") == "é\n"
    assert len([text for stream, text in heard if stream == "stdout" and text]) == 1 and heard[-1] == ("stderr", "e\n")


def test_memory_of_all_processes_together_is_bounded() -> None:
    alone = "data = [bytearray(b'x' * 2**20) for _ in range(2000)]"
    children = (
        "import os, time\nfor _ in range(16):\n    if os.fork() == 0:\n        data = b'x' * (20 * 2**20)\n"
        "        time.sleep(30)\ntime.sleep(30)"
    )
    for code in (alone, children):
        ended, after = run(code, "1", memory=200)
        assert statuses([ended, after]) == [("oom", "lost"), ("ok", "kept")]


def test_what_children_share_with_their_parent_counts_once() -> None:
    code = (
        "import os, time\ndata = b'x' * (120 * 2**20)\nfor _ in range(4):\n    if os.fork() == 0:\n"
        "        time.sleep(0.5)\n        os._exit(0)\n[os.wait()[1] for _ in range(4)]"
    )
    (execution,) = run(code, memory=200)
    assert (execution.status, execution.value) == ("ok", "[0, 0, 0, 0]")


def test_a_checkpoint_restores_the_variables_after_a_crash() -> None:
    codes = ("x = [1]", "x.append(2); import os; os._exit(1)", "x", "x.append(3); sum(range(10**12))", "x")
    _, crash, first, forced, second = run(*codes, timeout=1.0, checkpoint=True)
    assert statuses([crash, forced]) == [("died", "restored"), ("timeout", "restored")]
    assert (first.value, second.value) == ("[1]", "[1]")


def test_branches_of_a_session_go_their_own_ways() -> None:
    async def session() -> list[str | None]:
        async with LocalSandbox().open(LocalOptions(preload=())) as pool, pool.session() as session:
            await session.run("x = [1]", 5.0)
            async with session.fork() as first, session.fork() as second:
                await first.run("x.append('first')", 5.0)
                crash = await second.run("import os; os._exit(1)", 5.0)
                async with first.fork() as third:
                    deep = await third.run("x + ['third']", 5.0)
                values = [(await each.run("x", 5.0)).value for each in (first, session)]
            return [crash.status, deep.value, *values, (await session.run("x", 5.0)).value]

    assert asyncio.run(session()) == ["died", "[1, 'first', 'third']", "[1, 'first']", "[1]", "[1]"]


def test_forged_answers_end_the_session_and_reach_no_other_cell() -> None:
    forge = (
        "import json, os, struct\nbody = json.dumps({'nonce': '', 'status': 'ok', 'value': 'FORGED'}).encode()\n"
        "for fd in range(3, 512):\n    try:\n        if os.readlink(f'/proc/self/fd/{fd}').startswith('socket:'):\n"
        "            os.write(fd, struct.pack('>I', len(body)) + body)\n    except OSError: pass"
    )
    forged, after = run(forge, "6 * 7")
    assert statuses([forged]) == [("protocol-violation", "lost")]
    assert after.value == "42"


@pytest.mark.parametrize(
    "code",
    [
        "import builtins\nbuiltins.len = builtins.compile = builtins.exec = builtins.repr = builtins.type = None",
        "import sys\nsys.stdout = sys.stderr = sys.stdin = None",
        "import sys\nsys.stdout.close(); sys.stderr.close()",
        "import os\nfor fd in range(3): os.close(fd)",
        "import sys\nsys.settrace(lambda *a: 1 / 0); sys.setprofile(lambda *a: 1 / 0)",
        "class B:\n    def __bool__(self): raise ValueError\n    def __str__(self): raise KeyError\nraise SystemExit(B())",
        "class M(type):\n    __name__ = property(lambda self: 5)\nclass X(Exception, metaclass=M): pass\nraise X",
        "class R:\n    def __repr__(self): return 'a\\ud800b'\nR()",
        "import traceback, linecache, socket\ntraceback.format_exception = linecache.cache = socket.socket = None",
        "import sys\nsys.modules.clear()",
        "import os\nfor name in '_exit', 'fork', 'write', 'dup2', 'waitpid': setattr(os, name, None)",
        "import codecs, encodings, io\ncodecs.lookup = encodings.search_function = io.open = None",
    ],
)
@pytest.mark.parametrize("checkpoint", [False, True])
def test_the_next_cell_runs_whatever_a_cell_does_to_its_interpreter(code: str, checkpoint: bool) -> None:
    done, after = run(code, "print(6 * 7)\n'value'", checkpoint=checkpoint)
    assert done.status in ("ok", "error") and done.state == "kept"
    assert (after.stdout, after.value) == (
        "42\n",
        "'value'" if "repr" not in code or "__repr__" in code else after.value,
    )


def test_the_prelude_and_preloaded_modules_are_there() -> None:
    async def session() -> Execution:
        options = LocalOptions(preload=("fractions",), prelude="from fractions import Fraction\nhalf = Fraction(1, 2)")
        async with LocalSandbox().open(options) as pool:
            return await pool.run_once("import sys; half + Fraction(1, 3), 'fractions' in sys.modules", 5.0)

    assert asyncio.run(session()).value == "(Fraction(5, 6), True)"


def test_random_numbers_differ_between_sessions() -> None:
    async def draw() -> list[str | None]:
        async with LocalSandbox().open(LocalOptions(preload=("numpy", "random"))) as pool:
            code = "import random, numpy; (random.random(), numpy.random.rand())"
            return [(await pool.run_once(code, 5.0)).value for _ in range(2)]

    first, second = asyncio.run(draw())
    assert first != second


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_must_be_a_number_of_seconds(timeout: float) -> None:
    with pytest.raises(UsageError, match="positive number of seconds"):
        run("1", timeout=timeout)
