"""Text with code as segments and back: nothing is lost, whatever the text is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillforge import CodeProtocol, Completion, Problem, Segment, ToolLoop, Transcript
from skillforge.registry import Registry
from skillforge.rollout.conversation import TextConversation
from skillforge.rollout.segments import BlockReader, marks_of, parsed_segments, written_segments

for package in ("openmath", "numina", "tora", "qwen_math", "deepseek_math", "chat"):
    pytest.importorskip(f"skillforge_{package}")

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data" / "tir_samples"
needs_recordings = pytest.mark.skipif(
    not RECORDED.is_dir(), reason=f"NOT TESTED: ToRA's recorded transcripts are not in {RECORDED}"
)


def protocol_of(style: str, **options: Any) -> CodeProtocol:
    part = Registry().get("prompt", style)
    found = part.code_protocol(msgspec.convert(options, part.Options))
    assert isinstance(found, CodeProtocol)
    return found


PROTOCOLS = {
    **{
        style: protocol_of(style)
        for style in ("openmath", "openmath-tir", "numina-tir", "tora", "qwen-math-tir", "deepseek-math-tir")
    },
    "chat": protocol_of("chat", python="text"),
    "unlike any": CodeProtocol(
        code_begin="\n  <<<", code_end="\n>>>\n", output_begin=" [[\n", output_end="]] ", stop="[[", trim=True
    ),
}
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)


def texts(protocol: CodeProtocol) -> st.SearchStrategy[str]:
    """Pieces of the protocol's marks, whole and broken, with white space and other text between."""
    marks = [protocol.code_begin, protocol.code_end, protocol.output_begin, protocol.output_end, protocol.stop]
    pieces = [*marks, *(mark.strip() for mark in marks), *(mark[: len(mark) // 2] for mark in marks)]
    other = [
        "\n",
        "\n\n",
        " ",
        "\t",
        "\r\n",
        "x",
        "print(4)\n",
        "'''\n",
        "`",
        "```",
        "```json\n",
        "\x00",
        "é",
        "\ud800",
    ]
    return st.lists(st.sampled_from(pieces + other) | st.text(max_size=5), max_size=25).map("".join)


@each_protocol
@settings(deadline=None)
@given(data=st.data())
def test_any_text_is_read_and_given_back(protocol: CodeProtocol, data: st.DataObject) -> None:
    text = data.draw(texts(protocol))
    for segments in (parsed_segments(text, protocol), tuple(written_segments(text, protocol))):
        assert "".join(segment.exact for segment in segments) == text
        assert all(segment.exact or segment.kind == "output" for segment in segments)
        for before, segment in zip((None, *segments), segments, strict=False):
            assert segment.kind in ("text", "code", "output")
            if segment.kind == "output":
                assert before is not None and before.kind == "code"
            elif segment.kind == "text":
                assert (segment.begin, segment.end) == ("", "") and (before is None or before.kind != "text")


@each_protocol
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_what_a_loop_writes_is_read_as_it_was(protocol: CodeProtocol, data: st.DataObject) -> None:
    """Text, code and outputs that hold none of the marks."""
    marks = marks_of(protocol)
    plain = st.lists(st.sampled_from(["x", " = ", "1", "\n  y\n", "print(x)", "é"]), min_size=1).map(
        lambda pieces: "".join(pieces).strip()
    )
    segments: list[Segment] = []
    for _ in range(data.draw(st.integers(1, 4))):
        segments.append(Segment("text", data.draw(plain) + "\n"))
        end = protocol.code_end.strip() + ("\n" if marks.written and not marks.written.startswith("\n") else "")
        begin = protocol.code_begin if protocol.code_begin.endswith("\n") else protocol.code_begin + "\n"
        segments.append(Segment("code", data.draw(plain) + "\n", begin=begin, end=end + marks.written))
        output_begin = marks.added if marks.added.endswith("\n") or marks.written.endswith("\n") else marks.added + "\n"
        segments.append(
            Segment("output", data.draw(plain), begin=output_begin, end="\n" + protocol.output_end.strip() + "\n")
        )
    text = "".join(segment.exact for segment in segments)
    read = parsed_segments(text, protocol)
    assert [segment.kind for segment in read if segment.text.strip()] == ["text", "code", "output"] * (
        len(segments) // 3
    )
    assert [segment.text for segment in read if segment.kind == "code"] == [
        segment.text for segment in segments if segment.kind == "code"
    ]
    assert [segment.text.strip() for segment in read if segment.kind == "output"] == [
        segment.text for segment in segments if segment.kind == "output"
    ]


@each_protocol
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_turns_of_any_text_make_one_text(protocol: CodeProtocol, data: st.DataObject) -> None:
    """Whatever the model writes and the server tells: what is sent next is what is recorded, and what was run stands in it."""
    rules = [
        ToolLoop(unclosed=unclosed, invented_output=invented)
        for unclosed in ("end", "run")
        for invented in ("cut", "keep")
    ]
    talk = TextConversation("Question. ", protocol, data.draw(st.sampled_from(rules)))
    for _ in range(3):
        before = talk.next_prompt()
        completion = Completion(
            text=data.draw(texts(protocol)),
            finish_reason=data.draw(st.sampled_from(["stop", "length"])),
            stop=data.draw(st.sampled_from([None, "", protocol.stop, "x"])),
        )
        turn = talk.read(completion)
        written = "".join(segment.exact for segment in turn.segments)
        talk.add_turn(turn, 0.5, 7)
        assert (talk.segments[-1].seconds, talk.segments[-1].tokens) == (0.5, 7)
        assert talk.next_prompt() == before + written
        if not turn.blocks:
            assert completion.text.startswith(written)
            continue
        (block,) = turn.blocks
        assert (turn.segments[-1].kind, turn.segments[-1].text) == ("code", block.code)
        assert block.code in completion.text and completion.finish_reason in ("stop", "length")
        talk.add_output(block, "4", 1, status="ok")
        notice = protocol.remaining.replace("{remaining}", "1")
        assert str(talk.next_prompt()).endswith(f"{protocol.output_begin}4{protocol.output_end}{notice}")


class CountedText(str):
    """Counts the characters that searches in it run over."""

    searched = 0

    def find(self, what: str, start: int = 0, *end: int) -> int:  # type: ignore[override]
        found = super().find(what, start, *end)
        self.searched += (len(self) if found < 0 else found) - start
        return found


class CountedPattern:
    """Likewise for a pattern."""

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern
        self.searched = 0

    def search(self, text: str, start: int = 0) -> Any:
        found = self._pattern.search(text, start)
        self.searched += (len(text) if found is None else found.end()) - start
        return found


HOSTILE = (
    "{begin}x",
    "{begin}\n",
    "{begin}{begin}",
    "{begin}\n{end}",
    "{begin}x {end}\n",
    "{begin}x\n  {end} y ",
    "{end}",
    "{end}\n",
)


@each_protocol
@pytest.mark.parametrize("piece", HOSTILE)
def test_the_work_grows_with_the_length_of_the_text_only(protocol: CodeProtocol, piece: str) -> None:
    """Marks over and over: no search runs over the same text again for each block."""
    unit = piece.format(begin=protocol.code_begin.strip(), end=protocol.code_end.strip())
    searched = []
    for times in (100, 1000):
        text = CountedText(unit * times)
        reader = BlockReader(text, protocol)
        patterns = [CountedPattern(reader._marks.opening), CountedPattern(reader._marks.closing)]
        reader._marks = reader._marks._replace(opening=patterns[0], closing=patterns[1])  # type: ignore[arg-type]
        at = 0
        while (block := reader.next(at)) is not None:
            at = block.end
        searched.append(text.searched + sum(pattern.searched for pattern in patterns))
    few, many = searched
    assert many <= 12 * few and many <= 5 * len(unit) * 1000


def test_a_stop_string_has_to_be_a_mark_of_the_protocol() -> None:
    odd = CodeProtocol(code_begin="<a>", code_end="</a>", output_begin="<b>", output_end="</b>", stop="<c>")
    with pytest.raises(ValueError, match="stop '<c>' is neither code_end nor a part of output_begin"):
        marks_of(odd)


def test_a_fence_within_a_line_of_code_does_not_end_it() -> None:
    text = "```python\ns = 'a ``` b'\n```\n"
    code, rest = written_segments(text, PROTOCOLS["tora"])
    assert (code.text, rest.text) == ("s = 'a ``` b'\n", "\n")


# The recorded transcripts of ToRA --------------------------------------------------------------------------------------


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def gsm8k() -> list[dict[str, Any]]:
    (path,) = (RECORDED / "tora-code-34b-v1.0" / "gsm8k").glob("*.jsonl")
    return rows(path)


@needs_recordings
def test_recorded_transcripts_are_read_and_given_back() -> None:
    recorded = [row["code"][0] for row in gsm8k()]
    recorded += [row["messages"][-1]["content"] for row in rows(RECORDED / "tora" / "examples.jsonl")]
    assert len(recorded) == 1319 + 30
    shapes: dict[tuple[str, ...], int] = {}
    for text in recorded:
        segments = parsed_segments(text, PROTOCOLS["tora"])
        assert "".join(segment.exact for segment in segments) == text
        kinds = tuple(segment.kind for segment in segments)
        shapes[kinds] = shapes.get(kinds, 0) + 1
        assert text.count("```python") == kinds.count("code")
        assert all("```" not in segment.text for segment in segments if segment.kind != "text")
    assert shapes == {
        ("code", "output", "text"): 1326,
        ("text", "code", "output", "text"): 17,
        ("text",): 5,  # examples without code
        ("code",): 1,  # cut off within a program
    }


@needs_recordings
def test_recorded_transcripts_score_as_their_authors_say() -> None:
    """Exactly compared 80.52 %. Their comparison takes a hundredth and a hundredfold for equal as well: 80.7 %."""
    grader = Registry().get("grader", "math")
    scores = {}
    for policy in ("default", "nemo-2024"):
        options = msgspec.convert({"policy": policy}, grader.Options)
        states = []
        for row in gsm8k():
            transcript = Transcript(parsed_segments(row["code"][0], PROTOCOLS["tora"]))
            problem = Problem(id=str(row["idx"]), question=row["question"], expected_answer=row["gt"])
            states.append(grader.grade(problem, transcript, options, None).state)
        assert set(states) <= {"correct", "wrong"}
        scores[policy] = states.count("correct")
    assert scores == {"default": 1062, "nemo-2024": 1064}
    assert [f"{score / 1319:.2%}" for score in scores.values()] == ["80.52%", "80.67%"]
