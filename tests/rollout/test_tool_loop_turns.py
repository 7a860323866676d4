"""How turns are read: stop strings, blocks that are not closed, outputs that the model invents, and what ends a sample."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from scripted_server import Reply
from tool_loops import ANSWER, RAW, TEXT, Workbench

from skillforge import Sampling


class Form(NamedTuple):
    """How a style asks for `print(4)`, and what follows."""

    style: str
    written: str
    """By the model, as a server sends it that takes the stop string away."""

    stop: str
    followed: str
    """What the model reads of its own turn, and of the output."""

    settings: dict[str, Any] = {}

    @property
    def output(self) -> str:
        return "4\n" if self.stop == "</tool_call>" else "4"

    @property
    def output_mark(self) -> str:
        return "<llm-code-output>" if self.stop == "</llm-code>" else "```output"


LLM_CODE = (
    "So:\n<llm-code>\nprint(4)\n",
    "</llm-code>",
    "So:\n<llm-code>\nprint(4)\n</llm-code>\n<llm-code-output>\n4\n</llm-code-output>\n",
)
TOOL_CALL = (
    "So:\n<tool_call>\nprint(4)\n",
    "</tool_call>",
    "So:\n<tool_call>\nprint(4)\n</tool_call>\n```output\n4\n```\n",
)
NOTICE = (
    "```system\nRemaining code executions: 7. You will not be able to call code when you run out of executions, so use it "
    "wisely. Note that you can still continue solving the problem without code after that.\n```\n"
)
FENCED = (
    "So:\n```python\nprint(4)\n```\n",
    "```output",
    "So:\n```python\nprint(4)\n```\n```output\n4\n```\n",
)
FORMS = [
    Form("openmath", *LLM_CODE),
    Form("openmath-base", *LLM_CODE),
    Form("openmath-tir", *TOOL_CALL[:2], TOOL_CALL[2] + NOTICE),
    Form("openmath-kaggle", *TOOL_CALL),
    Form(
        "numina-tir",
        "So:\n```python\nprint(4)\n```\n",
        "```output\n",
        "So:\n```python\nprint(4)\n```\n```output\n4\n```",
    ),
    Form("tora", *FENCED),
    Form("tora-fewshot", *FENCED),
    Form("qwen-math-tir", *FENCED),
    Form("deepseek-math-tir", *FENCED),
    Form("chat", *FENCED, TEXT),
    Form("chat", *FENCED, RAW),
]
FENCES = [form for form in FORMS if form.stop.startswith("```")]
TAGS = [form for form in FORMS if not form.stop.startswith("```")]

each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.style)
each_fence = pytest.mark.parametrize("form", FENCES, ids=lambda form: form.style)
each_tag = pytest.mark.parametrize("form", TAGS, ids=lambda form: form.style)


@each_form
@pytest.mark.parametrize("server", ["tells", "does not tell", "keeps it", "keeps it and tells"])
def test_a_stop_string_may_be_told_or_not_and_be_kept_or_not(bench: Workbench, form: Form, server: str) -> None:
    kept = form.stop if "keeps" in server else ""
    told = {"stop_reason": form.stop} if "tells" in server else {}
    rolled = bench.roll(form.style, [Reply(form.written + kept, **told), ANSWER], **form.settings)
    first, second = rolled.prompts
    if isinstance(first, str):
        assert second == first + form.followed
    else:
        assert second == [*first, {"role": "assistant", "content": form.followed}]
    assert rolled.exact == form.followed + "It is \\boxed{144}."
    assert rolled.kinds == ["text", "code", "output", "text"]
    assert [segment.text for segment in rolled.written] == [
        "So:\n",
        "print(4)\n",
        form.output,
        "It is \\boxed{144}.",
    ]
    assert rolled.sample.finish_reason == "stop"


@each_fence
def test_a_model_that_ends_right_after_its_block_reads_the_output(bench: Workbench, form: Form) -> None:
    """As many chat models do, which end their turn there."""
    rolled = bench.roll(form.style, [Reply(form.written.rstrip(), stop_reason=None), ANSWER], **form.settings)
    assert rolled.exact == form.followed + "It is \\boxed{144}."


@each_tag
def test_a_model_that_ends_within_its_block_does_not_ask(bench: Workbench, form: Form) -> None:
    """The server tells that it was the model's own end, not the mark at the end of code."""
    rolled = bench.roll(form.style, [Reply(form.written, stop_reason=None)], **form.settings)
    assert (rolled.sample.finish_reason, rolled.exact) == ("unclosed-code", form.written)
    assert rolled.kinds == ["text", "code"]


@each_form
@pytest.mark.parametrize("line_end", ["", "\n"])
def test_an_unclosed_block(bench: Workbench, form: Form, line_end: str) -> None:
    mark = form.followed.partition("print")[0].removeprefix("So:\n")
    open_block = f"So:\n{mark}print(4){line_end}"
    reply = Reply(open_block, stop_reason=None)
    ended = bench.roll(form.style, [reply], **form.settings)
    assert (ended.sample.finish_reason, ended.exact, ended.kinds) == ("unclosed-code", open_block, ["text", "code"])
    run = bench.roll(form.style, [reply, ANSWER], loop={"unclosed": "run"}, **form.settings)
    assert run.sample.finish_reason == "stop"
    expected = form.followed
    if form in TAGS and not line_end:
        expected = expected.replace("print(4)\n", "print(4)")  # the model's own mark would stand there as well
    assert run.exact == expected + "It is \\boxed{144}."


@each_fence
@pytest.mark.parametrize("server", ["ends there", "goes on"])
def test_an_unclosed_block_before_an_output_of_the_models_own(bench: Workbench, form: Form, server: str) -> None:
    reply = (
        Reply("So:\n```python\nprint(4)\n", stop_reason=form.stop)
        if server == "ends there"
        else Reply("So:\n```python\nprint(4)\n```output\n5\n```\nIt is 5.", stop_reason=None)
    )
    ended = bench.roll(form.style, [reply], **form.settings)
    assert (ended.sample.finish_reason, ended.exact) == ("unclosed-code", "So:\n```python\nprint(4)\n")
    run = bench.roll(form.style, [reply, ANSWER], loop={"unclosed": "run"}, **form.settings)
    assert run.exact == form.followed + "It is \\boxed{144}."


@each_form
def test_an_invented_output_is_cut_off_and_the_code_run(bench: Workbench, form: Form) -> None:
    close = form.stop + "\n" if form in TAGS else ""
    reply = Reply(f"{form.written}{close}{form.output_mark}\n5\n```\nIt is \\boxed{{5}}.", stop_reason=None)
    rolled = bench.roll(form.style, [reply, ANSWER], **form.settings)
    assert rolled.exact == form.followed + "It is \\boxed{144}."
    assert "5" not in rolled.exact


@each_form
def test_an_invented_output_without_code_ends_the_sample(bench: Workbench, form: Form) -> None:
    rolled = bench.roll(
        form.style, [Reply(f"It gives\n{form.output_mark}\n5\n```\nSo 5.", stop_reason=None)], **form.settings
    )
    assert (rolled.sample.finish_reason, rolled.exact) == ("invented-output", "It gives\n")


@each_fence
def test_an_output_that_the_model_opens_without_code(bench: Workbench, form: Form) -> None:
    """Generation has stopped there: only a server that tells makes it known."""
    told = bench.roll(form.style, [Reply("It gives\n", stop_reason=form.stop)], **form.settings)
    untold = bench.roll(form.style, [Reply("It gives\n")], **form.settings)
    kept = bench.roll(form.style, [Reply("It gives\n" + form.stop)], **form.settings)
    assert [each.sample.finish_reason for each in (told, untold)] == ["invented-output", "stop"]
    assert kept.sample.finish_reason == "invented-output"
    assert {each.exact for each in (told, untold, kept)} == {"It gives\n"}


@each_form
def test_an_invented_output_may_be_kept(bench: Workbench, form: Form) -> None:
    close = form.stop + "\n" if form in TAGS else ""
    text = f"{form.written}{close}{form.output_mark}\n5\n```\nIt is 5."
    rolled = bench.roll(form.style, [Reply(text, stop_reason=None)], loop={"invented_output": "keep"}, **form.settings)
    assert (rolled.sample.finish_reason, rolled.exact) == ("stop", text)
    asking = bench.roll(
        form.style,
        [Reply(form.written, stop_reason=form.stop), ANSWER],
        loop={"invented_output": "keep"},
        **form.settings,
    )
    assert asking.exact == form.followed + "It is \\boxed{144}."


@each_form
@pytest.mark.parametrize("where", ["in the code", "behind the block"])
def test_out_of_tokens(bench: Workbench, form: Form, where: str) -> None:
    closed = form.written + form.stop if form in TAGS else form.written.rstrip()
    text = closed if where == "behind the block" else form.written.partition("(4)")[0]
    rolled = bench.roll(form.style, [Reply(text, "length")], **form.settings)
    assert (rolled.sample.finish_reason, rolled.exact, rolled.kinds) == ("length", text, ["text", "code"])


@each_form
def test_of_several_blocks_in_a_turn_the_last_is_run(bench: Workbench, form: Form) -> None:
    mark = form.followed.partition("print")[0].removeprefix("So:\n")
    close = form.stop if form in TAGS else "```"
    before = f"{mark}print(3)\n{close}\nAnd:\n"
    reply = Reply(before + form.written, stop_reason=form.stop)
    rolled = bench.roll(form.style, [reply, ANSWER], **form.settings)
    assert rolled.exact == before + form.followed + "It is \\boxed{144}."
    assert rolled.kinds == ["code", "text", "code", "output", "text"]


@each_form
def test_text_after_a_block_is_an_answer(bench: Workbench, form: Form) -> None:
    close = form.stop + "\n" if form in TAGS else ""
    text = f"{form.written}{close}It would print \\boxed{{4}}."
    rolled = bench.roll(form.style, [Reply(text, stop_reason=None)], **form.settings)
    assert (rolled.sample.finish_reason, rolled.exact, rolled.kinds) == ("stop", text, ["text", "code", "text"])


@each_form
def test_the_users_own_stop_string_is_no_request_to_run(bench: Workbench, form: Form) -> None:
    open_block = form.written.partition("(4)")[0] + "("
    reply = Reply(open_block, stop_reason="4)")
    rolled = bench.roll(form.style, [reply], sampling=Sampling(stop=("4)",)), **form.settings)
    assert (rolled.sample.finish_reason, rolled.exact) == ("unclosed-code", open_block)
    assert rolled.bodies[0]["stop"][0] == "4)" and form.stop in rolled.bodies[0]["stop"]


@each_form
def test_a_turn_without_a_word(bench: Workbench, form: Form) -> None:
    rolled = bench.roll(form.style, [Reply("", stop_reason=None, usage=(9, 1))], **form.settings)
    (only,) = rolled.written
    assert (only.kind, only.exact, only.tokens) == ("text", "", 1) and only.seconds is not None
    assert rolled.sample.finish_reason == "stop"


def test_reasoning_that_the_server_keeps_apart_is_recorded_and_not_sent(bench: Workbench) -> None:
    replies = [Reply("```python\nprint(4)\n```", reasoning="Hm."), Reply("It is 4.", reasoning="So.")]
    rolled = bench.roll("chat", replies, **TEXT)
    assert rolled.kinds == ["reasoning", "code", "output", "reasoning", "text"]
    assert rolled.prompts[1][-1]["content"] == "```python\nprint(4)\n```\n```output\n4\n```\n"


def test_reasoning_in_the_text_is_sent_again(bench: Workbench) -> None:
    """Else the model would go on from a text that it has not written."""
    replies = [Reply("<think>Hm.</think>```python\nprint(4)\n```"), Reply("It is 4.")]
    rolled = bench.roll("chat", replies, **TEXT)
    assert rolled.prompts[1][-1]["content"] == "<think>Hm.</think>```python\nprint(4)\n```\n```output\n4\n```\n"
