"""A whole sample in each preset: what the server gets in each turn, to the byte."""

from __future__ import annotations

import pytest
from scripted_server import Reply
from tool_loops import Workbench

from skillforge import Sampling, ToolCall

BUDGET = Sampling(temperature=0.5, max_tokens=900)
TASK = (
    "Please integrate natural language reasoning with programs to solve the problem above, and put your final answer "
    "within \\boxed{}."
)


def test_openmath(bench: Workbench) -> None:
    replies = [
        Reply("I multiply.\n<llm-code>\nx = 12 * 12\nx\n", stop_reason="</llm-code>", usage=(50, 20)),
        Reply("Now the root.\n<llm-code>\nprint(y)\n", stop_reason="</llm-code>", usage=(90, 15)),
        Reply("So it is \\boxed{144}.", stop_reason=None, usage=(130, 9)),
    ]
    rolled = bench.roll("openmath", replies, sampling=BUDGET)
    first = (
        "System:\nYou're an expert Python programmer and mathematician. Help the user to solve this problem using code "
        "when necessary. Make sure to put the answer (and only answer) inside \\boxed{}.\n\nUser:\nWhat is 12 * 12?\n\n"
        "Assistant:\n"
    )
    second = "I multiply.\n<llm-code>\nx = 12 * 12\nx\n</llm-code>\n<llm-code-output>\n144\n</llm-code-output>\n"
    third = (
        "Now the root.\n<llm-code>\nprint(y)\n</llm-code>\n"
        "<llm-code-output>\nExecution error: name 'y' is not defined\n</llm-code-output>\n"
    )
    assert rolled.bodies == [
        {"prompt": first, "max_tokens": 900, "temperature": 0.5, "stop": ["</llm-code>"]},
        {"prompt": first + second, "max_tokens": 880, "temperature": 0.5, "stop": ["</llm-code>"]},
        {"prompt": first + second + third, "max_tokens": 865, "temperature": 0.5, "stop": ["</llm-code>"]},
    ]
    assert rolled.exact == second + third + "So it is \\boxed{144}."
    assert (rolled.sample.finish_reason, rolled.sample.completion_tokens, rolled.sample.prompt_tokens) == (
        "stop",
        44,
        270,
    )


def test_openmath_base(bench: Workbench) -> None:
    replies = [
        Reply("<llm-code>\n12 * 12\n", stop_reason="</llm-code>", usage=(50, 400)),
        Reply("It is \\boxed{144}.", stop_reason="\n" * 6, usage=(90, 15)),
    ]
    rolled = bench.roll("openmath-base", replies, sampling=BUDGET)
    first = (
        "Here are some examples of questions and solutions followed by a new question that you need to solve.\n"
        "Make sure to put the answer (and only answer) inside \\boxed{}.\n\n"
        "Question:\nWhat is 12 * 12?\n\nMy solution:\n"
    )
    second = "<llm-code>\n12 * 12\n</llm-code>\n<llm-code-output>\n144\n</llm-code-output>\n"
    stop = ["\n\n\n\n\n\n", "</llm-code>"]
    assert rolled.bodies == [
        {"prompt": first, "max_tokens": 512, "temperature": 0.5, "stop": stop},
        {"prompt": first + second, "max_tokens": 500, "temperature": 0.5, "stop": stop},
    ]
    assert rolled.exact == second + "It is \\boxed{144}."


def test_openmath_tir(bench: Workbench) -> None:
    replies = [
        Reply("<think>Let me see.\n<tool_call>\nx = 12 * 12\nprint(x)\n", stop_reason="</tool_call>"),
        Reply("Once more.\n<tool_call>\nx + 1\n", stop_reason="</tool_call>"),
        Reply("</think>It is \\boxed{144}.", stop_reason=None),
    ]
    rolled = bench.roll("openmath-tir", replies, options={"executions": 2}, sampling=BUDGET)
    first = (
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n"
        "Solve the following math problem, integrating natural language reasoning with Python code executions.\n"
        "You may perform up to 2 Python code calls to assist your reasoning.\n"
        "Make sure to put the answer (and only answer) inside \\boxed{}.\n\nWhat is 12 * 12?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    second = (
        "<think>Let me see.\n<tool_call>\nx = 12 * 12\nprint(x)\n</tool_call>\n```output\n144\n```\n"
        "```system\nRemaining code executions: 1. You will not be able to call code when you run out of executions, so "
        "use it wisely. Note that you can still continue solving the problem without code after that.\n```\n"
    )
    third = (
        "Once more.\n<tool_call>\nx + 1\n</tool_call>\n```output\n145\n```\n"
        "```system\nYou have run out of code executions! You can no longer write or execute code. Now you should "
        "continue solving the problem by relying on your mathematical reasoning and analytical skills.\n```\n"
    )
    rest = {"max_tokens": 900, "temperature": 0.5, "stop": ["<|im_end|>", "<|endoftext|>", "</tool_call>"]}
    assert rolled.bodies == [
        {"prompt": first, **rest},
        {"prompt": first + second, **rest},
        {"prompt": first + second + third, **rest},
    ]
    assert rolled.exact == second + third + "</think>It is \\boxed{144}."
    assert rolled.sample.completion_tokens is None  # the server does not tell, so nothing is used up


def test_openmath_kaggle(bench: Workbench) -> None:
    replies = [
        Reply("<tool_call>\nprint('1' * 300)\n", stop_reason="</tool_call>"),
        Reply("It is \\boxed{144}.", stop_reason=None),
    ]
    rolled = bench.roll("openmath-kaggle", replies)
    first = (
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nSolve the following math problem. Make sure to put the answer "
        "(and only answer) inside \\boxed{}.\n\nWhat is 12 * 12?<|im_end|>\n<|im_start|>assistant\n"
    )
    cut = "<tool_call>\nprint('1' * 300)\n</tool_call>\n```output\n" + "1" * 200 + "<output cut>```\n"
    stop = ["<|im_end|>", "<|endoftext|>", "</tool_call>"]
    assert rolled.bodies == [{"prompt": first, "stop": stop}, {"prompt": first + cut, "stop": stop}]


def test_numina_tir(bench: Workbench) -> None:
    replies = [
        Reply("1. Multiply.\n```python\nx = 12 * 12\nx\n```\n```output\n", stop_reason="```output\n"),
        Reply("\n2. Again.\n```python\ndef f():\n    return x\nprint(f())\n```\n", stop_reason="```output\n"),
        Reply(
            "\n3. Write it out.\n```python\nprint(math.sqrt(144), sp.sqrt(2), np.ones(2))\n```\n",
            stop_reason="```output\n",
        ),
        Reply("\nIt is \\boxed{144}.", stop_reason=None),
    ]
    rolled = bench.roll("numina-tir", replies, sampling=BUDGET)
    first = "### Problem: What is 12 * 12?\n### Solution: "
    second = "1. Multiply.\n```python\nx = 12 * 12\nx\n```\n```output\n144\n```"
    third = (
        "\n2. Again.\n```python\ndef f():\n    return x\nprint(f())\n```\n```output\n"
        'Traceback (most recent call last):\n  File "tmp.py", line 3, in <module>\n    print(f())\n'
        "  File \"tmp.py\", line 2, in f\n    return x\nNameError: name 'x' is not defined\n```"
    )
    fourth = (
        "\n3. Write it out.\n```python\nprint(math.sqrt(144), sp.sqrt(2), np.ones(2))\n```\n"
        "```output\n12.0 sqrt(2) [1. 1.]\n```"
    )
    rest = {"max_tokens": 900, "temperature": 0.5, "stop": ["```output\n"]}
    assert rolled.bodies == [
        {"prompt": first, **rest},
        {"prompt": first + second, **rest},
        {"prompt": first + second + third, **rest},
        {"prompt": first + second + third + fourth, **rest},
    ]
    assert rolled.exact == second + third + fourth + "\nIt is \\boxed{144}."


def test_numina_tir_as_released(bench: Workbench) -> None:
    replies = [
        Reply("```python\nx = 12 * 12\nx  # the answer\n```\n", stop_reason="```output\n"),
        Reply("\n```python\ny = 12 * 12\n```\n", stop_reason="```output\n"),
        Reply("\nIt is \\boxed{144}.", stop_reason=None),
    ]
    rolled = bench.roll("numina-tir", replies, options={"released": True})
    first = "### Problem: What is 12 * 12?\n### Solution: "
    second = "```python\nx = 12 * 12\nx  # the answer\n```\n```output\n144\n```"
    third = (
        "\n```python\ny = 12 * 12\n```\n```output\nTraceback (most recent call last):\n"
        "  File \"\n    print(y = 12 * 12)\nTypeError: 'y' is an invalid keyword argument for print()\n```"
    )
    rest = {"max_tokens": 2048, "stop": ["```output\n"]}
    assert rolled.bodies == [
        {"prompt": first, **rest},
        {"prompt": first + second, **rest},
        {"prompt": first + second + third, **rest},
    ]


@pytest.mark.parametrize(
    ("style", "first", "stop"),
    [
        ("tora", "<|user|>\nWhat is 12 * 12?\n<|assistant|>\n", ["</s>", "```output"]),
        (
            "tora-fewshot",
            "Solve math problems by reasoning in steps and by running Python. Keep to these rules:\n\n"
            "- Think about the question, then put the computation into functions that take no arguments, and print what "
            "they return.\n"
            "- State the final result in LaTeX, inside \\boxed{}, and leave units out of the box.\n"
            "- Keep numbers exact: use `pi` and `Rational` of sympy, and simplify fractions and roots instead of writing "
            "decimals.\n\n---\n\nQuestion: What is 12 * 12?\n\nSolution:",
            ["</s>", "---", "```output"],
        ),
    ],
)
def test_tora(bench: Workbench, style: str, first: str, stop: list[str]) -> None:
    replies = [
        Reply("```python\ndef f():\n    return 12 * 12\nf()\n```\n\n", stop_reason="```output"),
        Reply("It needs print.\n```python\nprint(f())\n``` \n", stop_reason="```output"),
        Reply("It is \\boxed{144}.", stop_reason="</s>"),
    ]
    rolled = bench.roll(style, replies, sampling=BUDGET)
    second = "```python\ndef f():\n    return 12 * 12\nf()\n```\n```output\nDone\n```\n"
    third = "It needs print.\n```python\nprint(f())\n```\n```output\nNameError: name 'f' is not defined\n```\n"
    rest = {"max_tokens": 900, "temperature": 0.5, "stop": stop}
    assert rolled.bodies == [
        {"prompt": first, **rest},
        {"prompt": first + second, **rest},
        {"prompt": first + second + third, **rest},
    ]
    assert rolled.exact == second + third + "It is \\boxed{144}."


def test_qwen_math_tir(bench: Workbench) -> None:
    replies = [
        Reply("First:\n```python\nprint('a' * 200 + 'b' * 200)\n```\n", stop_reason="```output"),
        Reply("Then:\n```python\nx = 12 * 12\nx\n```", stop_reason=None),
        Reply("It is \\boxed{144}.", stop_reason=None),
    ]
    rolled = bench.roll("qwen-math-tir", replies)
    first = (
        f"<|im_start|>system\n{TASK}<|im_end|>\n<|im_start|>user\nWhat is 12 * 12?<|im_end|>\n<|im_start|>assistant\n"
    )
    second = (
        "First:\n```python\nprint('a' * 200 + 'b' * 200)\n```\n```output\n" + "a" * 128 + "..." + "b" * 128 + "\n```\n"
    )
    third = "Then:\n```python\nx = 12 * 12\nx\n```\n```output\n\n```\n"
    stop = ["<|im_end|>", "<|endoftext|>", "```output"]
    assert rolled.bodies == [
        {"prompt": first, "stop": stop},
        {"prompt": first + second, "stop": stop},
        {"prompt": first + second + third, "stop": stop},
    ]


def test_deepseek_math_tir(bench: Workbench) -> None:
    replies = [
        Reply(" I multiply.\n```python\ndef f(n):\n    return n / 0\nprint(f(12))\n```\n", stop_reason="```output"),
        Reply("It is \\boxed{144}.", stop_reason=None),
    ]
    rolled = bench.roll("deepseek-math-tir", replies)
    first = f"User: What is 12 * 12?\n{TASK}\n\nAssistant:"
    second = (
        " I multiply.\n```python\ndef f(n):\n    return n / 0\nprint(f(12))\n```\n"
        "```output\nRuntime errors: in f\nZeroDivisionError: division by zero\n```\n"
    )
    rest = {"max_tokens": 1024, "stop": ["```output"]}
    assert rolled.bodies == [{"prompt": first, **rest}, {"prompt": first + second, **rest}]


ASKED = "What is 12 * 12?\n\nSolve the problem step by step. Then give the final answer inside \\boxed{}."
BLOCKS = (
    "You can run Python. Write the code in a block that begins with ```python and ends with ```; it is run at once, and "
    "what it prints follows in a block that begins with ```output. Variables live on from block to block."
)


def test_chat_with_python_in_its_text(bench: Workbench) -> None:
    replies = [
        Reply("I multiply.\n```python\nx = 12 * 12\nx\n```\n", stop_reason="```output"),
        Reply("Once more.\n```python\nprint(x + 1)\n```", stop_reason=None),
        Reply("It is \\boxed{144}.", stop_reason=None),
    ]
    rolled = bench.roll(
        "chat", replies, options={"python": "text"}, sampling=BUDGET, backend={"continue_final_message": True}
    )
    asked = [{"role": "system", "content": BLOCKS}, {"role": "user", "content": ASKED}]
    second = "I multiply.\n```python\nx = 12 * 12\nx\n```\n```output\n144\n```\n"
    third = second + "Once more.\n```python\nprint(x + 1)\n```\n```output\n145\n```\n"
    rest = {"max_tokens": 900, "temperature": 0.5, "stop": ["```output"]}
    go_on = {**rest, "continue_final_message": True, "add_generation_prompt": False}
    assert rolled.bodies == [
        {"messages": asked, **rest},
        {"messages": [*asked, {"role": "assistant", "content": second}], **go_on},
        {"messages": [*asked, {"role": "assistant", "content": third}], **go_on},
    ]
    assert set(rolled.server.paths) == {"/v1/chat/completions"}
    assert rolled.exact == third + "It is \\boxed{144}."


def test_chat_with_python_in_raw_text(bench: Workbench) -> None:
    replies = [
        Reply(" I multiply.\n```python\n12 * 12\n```\n", stop_reason="```output"),
        Reply("It is \\boxed{144}.", stop_reason="\nQuestion:"),
    ]
    rolled = bench.roll("chat", replies, options={"python": "text", "format": "text"})
    first = f"{BLOCKS}\n\nQuestion: {ASKED}\nAnswer:"
    second = " I multiply.\n```python\n12 * 12\n```\n```output\n144\n```\n"
    stop = ["\nQuestion:", "```output"]
    assert rolled.bodies == [{"prompt": first, "stop": stop}, {"prompt": first + second, "stop": stop}]


def test_chat_with_python_as_a_tool(bench: Workbench) -> None:
    replies = [
        Reply("I multiply.", "tool_calls", tool_calls=[ToolCall("c1", "python", '{"code": "x = 12 * 12\\nx"}')]),
        Reply(None, "tool_calls", tool_calls=[ToolCall("c2", "python", '{"code":"print(x+1)"}')]),
        Reply("It is \\boxed{144}."),
    ]
    rolled = bench.roll("chat", replies, options={"python": "tools"}, sampling=BUDGET)
    tools = [
        {
            "type": "function",
            "function": {
                "name": "python",
                "description": "Runs Python code and returns what it prints. Variables live on from call to call.",
                "parameters": {
                    "type": "object",
                    "properties": {"code": {"type": "string"}},
                    "required": ["code"],
                },
            },
        }
    ]
    asked = [{"role": "user", "content": ASKED}]
    first = [
        {
            "role": "assistant",
            "content": "I multiply.",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "python", "arguments": '{"code": "x = 12 * 12\\nx"}'},
                }
            ],
        },
        {"role": "tool", "content": "144", "tool_call_id": "c1"},
    ]
    second = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c2", "type": "function", "function": {"name": "python", "arguments": '{"code":"print(x+1)"}'}}
            ],
        },
        {"role": "tool", "content": "145", "tool_call_id": "c2"},
    ]
    rest = {"max_tokens": 900, "temperature": 0.5, "tools": tools}
    assert rolled.bodies == [
        {"messages": asked, **rest},
        {"messages": asked + first, **rest},
        {"messages": asked + first + second, **rest},
    ]
    assert rolled.kinds == ["text", "code", "output", "code", "output", "text"]
    assert rolled.sample.transcript.answer_text == (
        "I multiply.\nx = 12 * 12\nx\n\n144\n\nprint(x+1)\n\n145\nIt is \\boxed{144}."
    )
