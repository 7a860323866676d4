"""Model `tiny-python` and its prompt style: the network of `tiny`, taught to write programs instead of doing the sums."""

from __future__ import annotations

from pathlib import Path

from skillforge import CodeProtocol, Sampling, ToolLoop, hookimpl
from skillforge_tiny import Tiny, TinyPrompt

SKILLFORGE_CONTRACT = 1

PYTHON_WEIGHTS = Path(__file__).parent / "weights-python"
"""The folder of weights, tokenizer and model card, as transformers loads it."""

PYTHON_MAX_TOKENS = 128
"""Limit of an answer: twice what the model writes, in all turns, to the longest problem of forge-arith."""

# Each string is a whole number of tokens. The model opens the output's block itself.
PROTOCOL = CodeProtocol(
    code_begin="```python\n",
    code_end="```",
    output_begin="```output\n",
    output_end="\n```\n",
    stop="```output\n",
)


class TinyPythonPrompt(TinyPrompt):
    """The question alone, as one user message; the model answers with a program and reads its output."""

    name = "tiny-python"
    summary = "The bare question; the answer's Python program is run, as the model tiny-python was trained."
    code = PROTOCOL
    loop = ToolLoop(max_executions=1, max_output=40)  # outputs are numbers; a traceback says nothing to the model


class TinyPython(Tiny):
    """The weights in this package that write Python."""

    name = "tiny-python"
    summary = "The network of tiny, trained to write Python instead of doing the sums; weights in the package."
    source = "python -m skillforge_tiny.train --form python"
    default_prompt = "tiny-python"
    default_sampling = Sampling(max_tokens=PYTHON_MAX_TOKENS)
    embedded = False  # where the user names no model, `tiny` serves

    def location(self) -> str:
        """The folder of the weights."""
        return str(PYTHON_WEIGHTS)


@hookimpl
def skillforge_prompt() -> TinyPythonPrompt:
    """The prompt style of this module."""
    return TinyPythonPrompt()


@hookimpl
def skillforge_model() -> TinyPython:
    """The model of this module."""
    return TinyPython()
