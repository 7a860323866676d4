"""Stop strings, reasoning, and text that stays exact."""

from __future__ import annotations

import pytest

from skillforge import Request, Sampling
from skillforge_transformers.texts import Texts


@pytest.fixture(scope="module")
def whole(target, tools):
    """A long answer of the model, with what its tokens are."""
    for seed in range(20):
        completion = tools.complete(target, "the cat", seed, temperature=1.0, max_tokens=60, logprobs=0)
        if completion.finish_reason == "length":
            return seed, completion
    pytest.fail("no usable answer in 20 seeds")


def test_every_stop_string_ends_the_answer_at_its_first_place(target, tools, whole):
    seed, completion = whole
    text = completion.text
    stops = [text[at : at + width] for at in range(0, 30, 2) for width in (1, 2, 5)]
    settings = [Sampling(temperature=1.0, max_tokens=60, stop=(stop,)) for stop in stops]
    answers = tools.complete_all(target, [Request("the cat", sampling, seed) for sampling in settings], batch_size=64)
    lengths = []
    for entry in completion.logprobs:
        lengths.append((lengths[-1] if lengths else 0) + len(entry["token"]))
    for stop, answer in zip(stops, answers, strict=True):
        assert answer.text == text[: text.index(stop)]
        assert answer.finish_reason == "stop"
        # It ended with the token that completed the string.
        end = text.index(stop) + len(stop)
        needed = next(at for at, length in enumerate(lengths, 1) if length >= end)
        assert answer.completion_tokens == needed
    assert any(len(stop) > 1 for stop in stops)


def test_the_earliest_of_several_stop_strings(target, tools, whole):
    seed, completion = whole
    text = completion.text
    stop = (text[20:24], text[10:14], "never there", "")
    answer = tools.complete(target, "the cat", seed, temperature=1.0, max_tokens=60, stop=stop)
    assert answer.text == text[: min(text.index(stop[0]), text.index(stop[1]))]


def test_a_special_token_as_stop_string(target, tools):
    seeds = range(24)
    plain = Sampling(temperature=3.0, max_tokens=100, logprobs=0)
    requests = [Request("the cat", plain, seed) for seed in seeds]
    ended = 0
    stopped = Sampling(temperature=3.0, max_tokens=100, logprobs=0, stop=("<|end|>",))
    for free, cut in zip(
        tools.complete_all(target, requests),
        tools.complete_all(target, [Request("the cat", stopped, seed) for seed in seeds]),
        strict=True,
    ):
        names = [entry["token"] for entry in free.logprobs]
        if "<|end|>" in names:
            ended += 1
            assert cut.finish_reason == "stop"
            assert cut.completion_tokens == names.index("<|end|>") + 1
            assert "<|end|>" not in cut.text
        else:
            assert cut == free
    assert ended


def test_a_leading_space_survives_after_raw_text(tmp_path):
    """Tokenizers with a Metaspace decoder strip the first token's space, which raw text needs."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({"<unk>": 0, "▁the": 1, "▁cat": 2, "s": 3}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    texts = Texts(PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>"), "words")
    encoded = texts.encode("the cat")
    assert encoded.ids == [1, 2]
    assert texts.decode([2, 3], encoded.lead_ids) == " cats"
    assert texts.decode([2, 3]) == "cats"
    assert [texts.token_text(token) for token in (1, 2, 3)] == [" the", " cat", "s"]
    stops = texts.stops((" cats",))
    assert not stops.may_end_with([1, 2])
    assert stops.may_end_with([1, 2, 3])


@pytest.fixture
def byte_texts(tmp_path, tools):
    return Texts(tools.make_tokenizer(tmp_path, ascii_only=False), "bytes")


def test_text_is_not_cleaned_up(byte_texts):
    for text in ("a , b . c ' s  \n\n d", "héllo → 世界 🙂", "```python\n  x = 1\n```"):
        assert byte_texts.decode(byte_texts.encode(text).ids) == text


def test_a_stop_string_of_characters_that_are_several_tokens(byte_texts):
    ids = byte_texts.encode("one 世界 🙂 two").ids[1:]
    stops = byte_texts.stops(("界 🙂",))
    ends = [stops.may_end_with(ids[:count]) for count in range(1, len(ids) + 1)]
    first = next(count for count in range(1, len(ids) + 1) if "🙂" in byte_texts.decode(ids[:count]))
    assert ends.index(True) == first - 1
    assert stops.cut(byte_texts.decode(ids)) == "one 世"


def test_unclosed_reasoning_is_an_empty_text(tmp_path, tools):
    template = "{% for m in messages %}{{ m.content }}{% endfor %}<think>\n"
    tools.make_model(tmp_path, len(tools.make_tokenizer(tmp_path, template=template)))
    completion = tools.complete(tools.target_of(tmp_path), tools.user("hi"), temperature=0, max_tokens=8)
    assert (completion.text, completion.finish_reason) == ("", "length")
    assert completion.reasoning
