"""Stop strings, reasoning, and text that stays exact."""

from __future__ import annotations

import pytest

from skillforge import Message, Request, Sampling
from skillforge_transformers.texts import Texts


@pytest.fixture(scope="module")
def whole(target, tools):
    """A long answer of the model, with what its tokens are."""
    for seed in range(20):
        completion = tools.complete(target, "the cat", seed, temperature=1.0, max_tokens=60, logprobs=0)
        tokens = "".join(entry["token"] for entry in completion.logprobs)
        if completion.finish_reason == "length" and tokens == completion.text:  # no special token in it
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
        assert (answer.finish_reason, answer.stop) == ("stop", stop)
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
    ended_by = min(stop[:2], key=text.index)
    assert (answer.text, answer.stop) == (text[: text.index(ended_by)], ended_by)


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
            assert (cut.finish_reason, cut.stop) == ("stop", "<|end|>")
            assert cut.completion_tokens == names.index("<|end|>") + 1
            assert "<|end|>" not in cut.text
        else:
            assert cut == free
            assert cut.stop == ("" if cut.finish_reason == "stop" else None)
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


def test_a_whole_chat_answer_keeps_its_leading_space_so_that_it_can_be_sent_again(tmp_path, tools):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "<bos>", "<eos>", *(f"▁{word}" for word in ("the", "cat", "sat", "on", "a", "mat"))]
    inner = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", bos_token="<bos>", eos_token="<eos>")
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %} the"
    tokenizer.save_pretrained(tmp_path)
    tools.make_model(tmp_path, len(words))
    target, sampling = tools.target_of(tmp_path), Sampling(temperature=0, max_tokens=6)
    requests = [Request(tools.user("the cat"), sampling), Request(tools.user("the cat"), sampling, whole=True)]
    plain, whole = tools.complete_all(target, requests)
    assert whole.finish_reason == "length"
    assert whole.text == f" {plain.text}"
    again = (*tools.user("the cat"), Message("assistant", whole.text))
    read = tools.complete(target, again, temperature=0, max_tokens=1).prompt_tokens
    assert read == whole.prompt_tokens + whole.completion_tokens


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
    assert stops.cut(byte_texts.decode(ids)) == ("one 世", "界 🙂")


@pytest.mark.parametrize(
    ("stop", "text", "tokens"),
    [
        ("\n```\n", "print(1)", 2),
        ("```", "print(1)\n", 2),
        ("```output", "print(1)\n```\n", 4),
        ("\n", "print(1)", 2),
        ("put", "print(1)\n```\n```out", 4),
        ("```out", "print(1)\n```\n", 3),
    ],
)
def test_a_stop_string_that_begins_or_ends_inside_a_token(stop, text, tokens):
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    words = ["a", "print(1", ")\n```\n", "```out", "put\n5"]
    inner = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="a"))
    inner.decoder = decoders.Fuse()
    texts = Texts(PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="a"), "words")
    stops, written = texts.stops((stop, "never there")), [1, 2, 3, 4]
    assert [stops.may_end_with(written[:count]) for count in range(1, tokens + 1)] == [False] * (tokens - 1) + [True]
    assert stops.cut(texts.decode(written[:tokens])) == (text, stop)


def test_of_two_stop_strings_that_begin_together_the_longer_is_told(byte_texts):
    assert byte_texts.stops(("```", "```output")).cut("5\n```output\n") == ("5\n", "```output")


def test_unclosed_reasoning_is_an_empty_text(tmp_path, tools):
    template = "{% for m in messages %}{{ m.content }}{% endfor %}<think>\n"
    tools.make_model(tmp_path, len(tools.make_tokenizer(tmp_path, template=template)))
    completion = tools.complete(tools.target_of(tmp_path), tools.user("hi"), temperature=0, max_tokens=8)
    assert (completion.text, completion.finish_reason) == ("", "length")
    assert completion.reasoning
    request = Request(tools.user("hi"), Sampling(temperature=0, max_tokens=8), whole=True)
    [whole] = tools.complete_all(tools.target_of(tmp_path), [request])
    assert (whole.text.strip(), whole.reasoning) == (completion.reasoning.strip(), None)


TRIMMING = "{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}\n{% endfor %}[assistant] "
THINKING = (
    "{% for m in messages %}[{{ m.role }}] {% if m.role == 'assistant' %}<think></think>{% endif %}"
    "{{ m.content.split('</think>')[-1] }}\n{% endfor %}[assistant] <think>"
)


@pytest.mark.parametrize(("template", "opened"), [(TRIMMING, ""), (THINKING, "<think>")])
def test_a_continued_message_reads_as_it_did_when_the_model_wrote_it(tmp_path, tools, template, opened):
    """Templates trim messages, and take reasoning out of them; transformers' own continue_final_message follows them."""
    texts = Texts(tools.make_tokenizer(tmp_path, template=template, ascii_only=False), "m")
    asked = (Message("user", "hi"), Message("assistant", "hello"), Message("user", "and now?"))
    begun = "  a </think> b\n```output\n5\n```\n"
    assert texts.render(asked).endswith(f"\n[assistant] {opened}")
    assert texts.render((*asked, Message("assistant", begun))) == texts.render(asked) + begun
    written = texts.encode((*asked, Message("assistant", begun))).ids[len(texts.encode(asked).ids) :]
    assert texts.decode(written) == begun
