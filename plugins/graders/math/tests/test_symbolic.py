"""The last stage: sympy in a worker process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from skillforge_math_grader import check
from skillforge_math_grader.normal import plain
from skillforge_math_grader.parsing import parse
from skillforge_math_grader.tree import Node
from skillforge_math_grader.worker import symbolically_equal


def tree(text: str) -> Node:
    return parse(plain(text))


@pytest.mark.parametrize(
    ("expected", "predicted", "outcome"),
    [
        (r"\frac{n(n+1)}{2}", r"\sum_{k=1}^n k", "equal"),
        (r"\frac{n(n-1)}{2}", r"\sum_{k=1}^n k", "different"),
        (r"\frac{n(n+1)(2n+1)}{6}", r"\sum_{j=1}^{n} j^2", "equal"),
        (r"\frac{\pi^2}{6}", r"\sum_{k=1}^{\infty} \frac{1}{k^2}", "equal"),
        ("n!", r"\prod_{k=1}^n k", "equal"),
        (r"\frac13", r"\int_0^1 x^2 dx", "equal"),
        (r"\frac12", r"\int_0^1 x^2 dx", "different"),
        (r"\frac{x^3}{3} + C", r"\int x^2 dx", "equal"),
        (r"\frac{x^3}{2} + C", r"\int x^2 dx", "different"),
        ("1", r"\lim_{x \to 0} \frac{\sin x}{x}", "equal"),
        ("e", r"\lim_{n \to \infty} (1 + \frac{1}{n})^n", "equal"),
        ("2", r"\lim_{x \to 0} \frac{\sin x}{x}", "different"),
        ("5", r"\prod_{k=1}^{1000000} k", "undecided"),
    ],
)
def test_sums_integrals_and_limits(expected: str, predicted: str, outcome: str) -> None:
    verdict = check(expected, predicted)
    assert (verdict.outcome, verdict.stage) == (outcome, "sympy")


def test_a_pair_that_takes_too_long_is_given_up_and_the_next_one_is_decided() -> None:
    hard, easy = tree(r"\prod_{k=1}^{1000000} k"), tree(r"\int_0^1 x dx")
    assert symbolically_equal(hard, tree("5"), limit=0.2) is None
    assert symbolically_equal(easy, tree(r"\frac12")) is True


def _children() -> set[int]:
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


def test_one_process_and_a_spare_serve_many_pairs_and_a_killed_one_is_replaced() -> None:
    one, two = tree(r"\int_0^1 x dx"), tree(r"\frac12")
    assert symbolically_equal(one, two) is True
    first = _children()
    assert len(first) == 2
    for _ in range(20):
        symbolically_equal(one, two)
    assert _children() == first
    for process in first:
        os.kill(process, signal.SIGKILL)
    answers = [symbolically_equal(one, two) for _ in range(3)]
    assert answers[-1] is True
    assert not _children() & first


def test_workers_end_with_the_process_that_started_them_and_fork_does_not_share_them() -> None:
    code = r"""
        import os
        from skillforge_math_grader import check
        assert check("1/2", r"\int_0^1 x dx").equal
        child = os.fork()
        if child == 0:
            os._exit(0 if check("1/2", r"\int_0^1 x dx").equal else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert check("1/3", r"\int_0^1 x^2 dx").equal
        print(os.getpid())
    """
    script = textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    parent = done.stdout.strip()
    left = [
        path
        for path in Path("/proc").glob("[0-9]*/stat")
        if path.exists() and path.read_text().rsplit(")", 1)[1].split()[1] == parent
    ]
    assert left == []
