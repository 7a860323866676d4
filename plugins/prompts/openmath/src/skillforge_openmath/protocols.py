"""How the two generations of models ask for code to be run. The strings are those of the training data."""

from __future__ import annotations

import msgspec

from skillforge import CodeProtocol

OUTPUT_CUT = "<output cut>"

LLM_CODE = CodeProtocol(
    code_begin="<llm-code>\n",
    code_end="</llm-code>",
    output_begin="\n<llm-code-output>\n",
    output_end="\n</llm-code-output>\n",
    stop="</llm-code>",
    cut_mark=OUTPUT_CUT,
)
"""OpenMathInstruct-1."""

TOOL_CALL = CodeProtocol(
    code_begin="<tool_call>\n",
    code_end="</tool_call>",
    output_begin="\n```output\n",
    output_end="```\n",
    stop="</tool_call>",
    cut_mark=OUTPUT_CUT,
)
"""OpenMathReasoning, without a word on how many executions are left."""

COUNTED_TOOL_CALL = msgspec.structs.replace(
    TOOL_CALL,
    remaining="```system\n"
    "Remaining code executions: {remaining}. "
    "You will not be able to call code when you run out of executions, so use it wisely. "
    "Note that you can still continue solving the problem without code after that.\n"
    "```\n",
    exhausted="```system\n"
    "You have run out of code executions! You can no longer write or execute code. "
    "Now you should continue solving the problem by relying on your mathematical reasoning and analytical skills.\n"
    "```\n",
)
"""OpenMathReasoning, with a notice after each output."""
