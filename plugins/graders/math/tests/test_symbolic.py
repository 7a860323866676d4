"""The last stage: sympy in a worker process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from skillforge_math_grader import check
from skillforge_math_grader.normal import plain
from skillforge_math_grader.parsing import parse
from skillforge_math_grader.tree import Apply, Bound, Node
from skillforge_math_grader.worker import symbolically_equal, warm_up

PATIENCE = 30.0
"""Seconds: what is asked here takes far less, but not on every machine."""

ENDLESS = r"\sum_{k=1}^{9} 9^{9^k}"


def tree(text: str) -> Node:
    return parse(plain(text))


def asked(expected: str | Node, predicted: str | Node, limit: float = PATIENCE) -> bool | None:
    one, two = (side if isinstance(side, Node) else tree(side) for side in (expected, predicted))
    return symbolically_equal(one, two, limit)[0]


@pytest.mark.parametrize(
    ("expected", "predicted", "outcome"),
    [
        (r"\frac{n(n+1)}{2}", r"\sum_{k=1}^n k", "equal"),
        (r"\frac{n(n-1)}{2}", r"\sum_{k=1}^n k", "different"),
        (r"\frac13", r"\int_0^1 x^2 dx", "equal"),
        (r"\frac12", r"\int_0^1 x^2 dx", "different"),
        (r"\frac{x^3}{3} + C", r"\int x^2 dx", "equal"),
        ("1", r"\lim_{x \to 0} \frac{\sin x}{x}", "equal"),
        ("n!", r"\prod_{k=1}^n k", "equal"),
        ("5", r"\prod_{k=1}^{1000000} k", "undecided"),
    ],
)
def test_check_asks_sympy_last(expected: str, predicted: str, outcome: str, workers: set[int]) -> None:
    verdict = check(expected, predicted)
    assert (verdict.outcome, verdict.stage) == (outcome, "sympy")


EQUAL = [
    (r"\frac{n(n+1)(2n+1)}{6}", r"\sum_{j=1}^{n} j^2"),
    (r"\frac{1-x^{n+1}}{1-x}", r"\sum_{k=0}^{n} x^k"),
    (r"\frac{1}{1-x}", r"\sum_{k=0}^{\infty} x^k"),
    ("2^n", r"\sum_{k=0}^{n} \binom{n}{k}"),
    ("e^x", r"\sum_{k=0}^{\infty} \frac{x^k}{k!}"),
    (r"\frac{\pi^2}{6}", r"\sum_{k=1}^{\infty} \frac{1}{k^2}"),
    (r"\ln 2", r"\sum_{k=1}^{\infty} \frac{(-1)^{k+1}}{k}"),
    ("12", r"\sum_{k=-3}^{3} |k|"),
    ("500000000500000000", r"\sum_{k=1}^{1000000000} k"),
    ("2^{9000}-1", r"\sum_{k=0}^{8999} 2^k"),
    (r"\infty", r"\sum_{k=1}^{\infty} \frac1k"),
    ("n+1", r"\prod_{k=1}^n (1+\frac1k)"),
    (r"\frac12", r"\prod_{k=2}^{\infty} (1-\frac{1}{k^2})"),
    (r"\frac{\sqrt{\pi}}{2}", r"\int_0^\infty e^{-x^2} dx"),
    (r"\frac{\sqrt{2\pi}}{4}", r"\int_0^\infty \sin(x^2) dx"),
    (r"\frac{22}{7}-\pi", r"\int_0^1 \frac{x^4(1-x)^4}{1+x^2} dx"),
    (r"\sum_{n=1}^{\infty} n^{-n}", r"\int_0^1 x^{-x} dx"),
    (r"\frac{t^3}{3}", r"\int_0^t x^2 dx"),
    (r"\frac14", r"\int_0^1 \int_0^1 x y dy dx"),
    ("0", r"\int_{-1}^1 x^3 dx"),
    ("x e^x - e^x + C", r"\int x e^x dx"),
    (r"\ln|2x| + C", r"\ln|x| + C"),
    ("e", r"\lim_{n \to \infty} (1 + \frac{1}{n})^n"),
    ("2x", r"\lim_{h \to 0} \frac{(x+h)^2-x^2}{h}"),
    (r"\infty", r"\lim_{x \to 0} \frac{1}{x^2}"),
    ("3x^2", Bound("derivative", tree("x^3"), "x")),
    ("2f(x)", r"\int_0^1 2 f(x) dt"),
]
DIFFERENT = [
    ("2^{n-1}", r"\sum_{k=0}^{n} \binom{n}{k}"),
    ("500000000500000001", r"\sum_{k=1}^{1000000000} k"),
    ("2^{9000}", r"\sum_{k=0}^{8999} 2^k"),
    ("2^{-200}", r"\int_0^1 2^{-199} dx"),
    (r"1.644934066848", r"\sum_{k=1}^{\infty} \frac{1}{k^2}"),
    ("(n+1)!", r"\prod_{k=1}^n k"),
    (r"\frac13", r"\prod_{k=2}^{\infty} (1-\frac{1}{k^2})"),
    (r"\frac{\pi}{3}", r"\int_0^\infty \frac{\sin x}{x} dx"),
    ("5", r"\int_1^\infty \frac1x dx"),
    ("5", r"\int_0^1 x^{x^x} \sin(x^x) dx"),
    (r"\frac{x^3}{2} + C", r"\int x^2 dx"),
    (r"\frac{x^3}{3}", r"\int x^2 dx"),
    (r"\ln|2x|", r"\ln|x|"),
    ("2", r"\lim_{x \to 0} \frac{\sin x}{x}"),
    ("3x^3", Bound("derivative", tree("x^3"), "x")),
]
NO_VALUE = [
    ("0", r"\int_{-1}^1 \frac1x dx"),
    ("0", r"\sum_{k=1}^{\infty} (-1)^k"),
    ("0", r"\lim_{x \to 0} \frac{|x|}{x}"),
]


@pytest.mark.parametrize(("one", "two"), EQUAL, ids=str)
def test_equal_expressions(one: str | Node, two: str | Node) -> None:
    assert asked(one, two) is True
    assert asked(two, one) is True


@pytest.mark.parametrize(("one", "two"), DIFFERENT, ids=str)
def test_different_expressions(one: str | Node, two: str | Node) -> None:
    assert asked(one, two) is False
    assert asked(two, one) is False


@pytest.mark.parametrize(("one", "two"), NO_VALUE, ids=str)
def test_what_has_no_value_is_not_decided(one: str, two: str) -> None:
    assert asked(one, two) is None


def _workers() -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
            command = path.with_name("cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z" and "skillforge_math_grader.worker" in command:
            found.add(int(path.parent.name))
    return found


@pytest.fixture
def workers() -> Iterator[set[int]]:
    """The worker and its spare, both of them up."""
    assert asked(r"\int_0^1 x dx", r"\frac12") is True
    found = _workers()
    assert len(found) == 2
    yield found


def test_one_process_serves_many_pairs(workers: set[int]) -> None:
    warm_up(10)
    for number in range(50):
        assert asked(rf"\int_0^1 {number} x dx", rf"\frac{{{number}}}{{2}}") is True
    assert _workers() == workers


@pytest.mark.parametrize(
    "large",
    [
        tree("9^{9^9}"),
        tree("(2x)^{10^9}"),
        tree(r"(\sqrt{2})^{10^9}"),
        Apply("factorial", (tree("10^9"),)),
        Apply("binomial", (tree("10^{12}"), tree("10^9"))),
        tree(r"\prod_{k=1}^{10^9} k"),
    ],
    ids=str,
)
def test_large_numbers_are_refused_and_cost_no_process(large: Node, workers: set[int]) -> None:
    assert asked(large, r"\int_0^1 x dx") is None
    assert _workers() == workers


def test_a_pair_that_takes_too_long_costs_a_process_whose_spare_decides_the_next(workers: set[int]) -> None:
    assert asked(ENDLESS, "5", limit=0.3) is None
    assert asked(r"\int_0^1 x dx", r"\frac12") is True
    assert len(_workers() & workers) == 1


def test_killed_processes_are_replaced(workers: set[int]) -> None:
    for process in workers:
        descriptor = os.pidfd_open(process)
        os.kill(process, signal.SIGKILL)
        select.select([descriptor], [], [], PATIENCE)
        os.close(descriptor)
    assert asked(r"\int_0^1 x dx", r"\frac12") is True
    assert not _workers() & workers


def test_an_interrupted_pair_leaves_no_answer_to_the_next(workers: set[int]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            asked(ENDLESS, "5")
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert asked(r"\int_0^1 x dx", r"\frac12") is True
    assert asked(r"\int_0^1 x dx", r"\frac13") is False


def test_processes_outlive_the_thread_that_started_them_and_serve_all(workers: set[int]) -> None:
    def replace_one() -> None:
        asked(ENDLESS, "5", limit=0.3)
        asked(r"\int_0^1 x dx", r"\frac12")

    thread = Thread(target=replace_one)
    thread.start()
    thread.join()
    found = _workers()
    assert found != workers
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: asked(rf"\int_0^1 {number} x dx", str(number)), range(1, 20)))
    assert answers == [False] * 19
    assert _workers() == found


def _run(code: str, folder: Path | None = None) -> str:
    script = textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_memory_of_a_worker_is_bounded() -> None:
    megabytes = _run(r"""
        import resource
        from skillforge_math_grader.parsing import parse
        from skillforge_math_grader.worker import symbolically_equal
        assert symbolically_equal(parse(r"\sum_{k=20}^{40} 2^{2^k}"), parse("5"), limit=20)[0] is None
        assert symbolically_equal(parse(r"\int_0^1 x dx"), parse("1/2"), limit=20)[0] is True
        from skillforge_math_grader import worker
        worker._end_all()
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
    """)
    assert int(megabytes) < 450


def test_nothing_is_imported_from_the_folder_that_one_works_in(tmp_path: Path) -> None:
    (tmp_path / "sympy.py").write_text("open('trace', 'w')")
    _run(
        r"""
        from skillforge_math_grader.parsing import parse
        from skillforge_math_grader.worker import symbolically_equal
        assert symbolically_equal(parse(r"\int_0^1 x dx"), parse("1/2"), limit=30)[0] is True
        """,
        tmp_path,
    )
    assert not (tmp_path / "trace").exists()


def test_workers_end_with_the_process_that_started_them_and_fork_does_not_share_them() -> None:
    parent = _run(r"""
        import os
        from skillforge_math_grader.parsing import parse
        from skillforge_math_grader.worker import symbolically_equal
        half, third = parse("1/2"), parse("1/3")
        one, two = parse(r"\int_0^1 x dx"), parse(r"\int_0^1 x^2 dx")
        assert symbolically_equal(half, one, limit=30)[0]
        child = os.fork()
        if child == 0:
            os._exit(0 if symbolically_equal(half, one, limit=30)[0] else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert symbolically_equal(third, two, limit=30)[0]
        print(os.getpid())
    """)
    stats = (path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists())
    assert parent not in [stat.rsplit(")", 1)[1].split()[1] for stat in stats]


def test_workers_end_with_a_killed_parent_and_its_forks_even_in_the_middle_of_a_pair() -> None:
    code = r"""
        import os
        from skillforge_math_grader import worker
        from skillforge_math_grader.parsing import parse
        assert worker.symbolically_equal(parse("1/2"), parse(r"\int_0^1 x dx"), limit=30)[0]
        if os.fork() == 0:
            os.read(0, 1)  # lives on, and holds no pipe of its parent
            os._exit(0)
        print(*(process._process.pid for process in worker._workers.all()), flush=True)
        worker.symbolically_equal(parse(r"\sum_{k=1}^{9} 9^{9^k}"), parse("5"), limit=60)[0]
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        descriptors = [os.pidfd_open(int(process)) for process in parent.stdout.readline().split()]
        assert len(descriptors) == 2
        parent.kill()
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], PATIENCE)[0], "a worker outlives its parent"
            os.close(descriptor)
