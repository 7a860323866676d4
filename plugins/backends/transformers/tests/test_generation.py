"""What comes out of the model is what plain, unbatched transformers gives."""

from __future__ import annotations

import functools
import json
import math
import random

import pytest

from skillforge import ContextOverflow, Message, Request, RequestRefused, Sampling, UsageError
from skillforge.testing import check_backend
from skillforge_transformers import TransformersBackend, TransformersOptions

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "one",
    "dog",
    "ran",
    "to",
    "five",
    "houses",
    "with",
    "seven",
    "friends",
]


def prompts(count: int, seed: int = 0) -> list[str]:
    """Texts of 2 to 40 words, all different."""
    rng = random.Random(seed)
    return [f"{number} " + " ".join(rng.choices(WORDS, k=rng.randint(2, 40))) for number in range(count)]


@pytest.fixture(scope="module")
def plain(model_folder):
    """(tokenizer, model) of transformers itself."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoTokenizer.from_pretrained(model_folder), AutoModelForCausalLM.from_pretrained(model_folder)


def plain_greedy(plain, text: str, special: bool, max_tokens: int) -> tuple[str, int]:
    tokenizer, model = plain
    inputs = tokenizer(text, return_tensors="pt", add_special_tokens=special, return_token_type_ids=False)
    output = model.generate(**inputs, do_sample=False, max_new_tokens=max_tokens, pad_token_id=0)
    new = output[0, inputs["input_ids"].shape[1] :]
    return tokenizer.decode(new, skip_special_tokens=True), len(new)


def test_contract(target, record_property):
    results = check_backend(TransformersBackend(), target=target, options=TransformersOptions(threads=1))
    told = {each.name: None if each.state == "ok" else each.detail for each in results}
    record_property("backend: transformers", json.dumps(told))


def test_greedy_batch_equals_one_by_one_without_padding(target, plain, tools):
    texts = prompts(20)
    requests = [Request(text, Sampling(temperature=0, max_tokens=24)) for text in texts]
    completions = tools.complete_all(target, requests, batch_size=8)
    for text, completion in zip(texts, completions, strict=True):
        expected, count = plain_greedy(plain, text, True, 24)
        assert completion.text == expected
        assert completion.completion_tokens == count
        assert completion.prompt_tokens == len(plain[0](text)["input_ids"])
    assert len({completion.text for completion in completions}) > 15  # the model does read its prompt


def test_max_tokens_is_kept_row_by_row(target, tools):
    requests = [Request("the cat", Sampling(temperature=0, max_tokens=count)) for count in (1, 5, 30)]
    completions = tools.complete_all(target, requests)
    assert [completion.completion_tokens for completion in completions] == [1, 5, 30]
    assert {completion.finish_reason for completion in completions} == {"length"}
    assert completions[2].text.startswith(completions[1].text)


def test_same_seed_same_text_whatever_the_batch(target, tools):
    texts = prompts(6)
    requests = [
        Request(text, Sampling(temperature=1.0, top_p=0.95, max_tokens=20), seed) for seed, text in enumerate(texts * 4)
    ]
    wide = tools.complete_all(target, requests, batch_size=32)
    order = list(range(len(requests)))
    random.Random(1).shuffle(order)
    narrow = tools.complete_all(target, [requests[at] for at in order], batch_size=5)
    alone = tools.complete_all(target, requests, batch_size=1)
    assert [wide[at].text for at in order] == [completion.text for completion in narrow]
    assert [completion.text for completion in wide] == [completion.text for completion in alone]


def test_seeds_make_the_difference(target, tools):
    request = Sampling(temperature=1.0, max_tokens=20)
    seeded = tools.complete_all(target, [Request("the cat", request, seed) for seed in (1, 2, 3, 1)])
    assert len({completion.text for completion in seeded}) == 3
    assert seeded[0] == seeded[3]
    fresh = tools.complete_all(target, [Request("the cat", request) for _ in range(3)])
    assert len({completion.text for completion in fresh}) == 3


def test_top_k_1_is_greedy(target, tools):
    greedy = tools.complete(target, "the cat", temperature=0, max_tokens=20)
    assert tools.complete(target, "the cat", 5, temperature=1.5, top_k=1, max_tokens=20) == greedy


def test_rows_with_other_settings_do_not_mix(target, tools):
    settings = [
        Sampling(temperature=0, max_tokens=40),
        Sampling(temperature=1.0, max_tokens=40),
        Sampling(temperature=0.7, top_k=5, max_tokens=40),
        Sampling(temperature=0, repetition_penalty=1.8, max_tokens=40),
        Sampling(temperature=0, frequency_penalty=-2.0, presence_penalty=-2.0, max_tokens=40),
    ]
    requests = [Request("the dog ran", sampling, 7) for sampling in settings]
    together = tools.complete_all(target, requests)
    alone = tools.complete_all(target, requests, batch_size=1)
    assert together == alone
    assert len({completion.text for completion in together}) == len(settings)


def test_repetition_penalty_is_that_of_transformers(target, plain, tools):
    tokenizer, model = plain
    inputs = tokenizer("the cat sat on the", return_tensors="pt", return_token_type_ids=False)
    output = model.generate(
        **inputs, do_sample=False, max_new_tokens=20, repetition_penalty=1.7, eos_token_id=2, pad_token_id=0
    )
    expected = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    completion = tools.complete_all(
        target,
        [
            Request("the cat sat on the", Sampling(temperature=0, repetition_penalty=1.7, max_tokens=20)),
            Request("a much longer prompt " * 5, Sampling(temperature=0, max_tokens=20)),  # pads the first
        ],
    )[0]
    assert completion.text == expected


def test_logprobs_are_those_of_the_model(target, plain, tools):
    import torch

    tokenizer, model = plain
    sampling = {"temperature": 1.5, "top_k": 20, "max_tokens": 10, "logprobs": 3}
    completion = tools.complete(target, "one two", 11, **sampling)
    told = completion.logprobs
    assert completion.completion_tokens == len(told)
    assert "".join(entry["token"] for entry in told).removesuffix("<eos>") == completion.text
    ids = tokenizer("one two")["input_ids"]
    for entry in told:
        logprobs = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        best = {tokenizer.decode([token]): logprobs[token].item() for token in logprobs.topk(3).indices.tolist()}
        assert entry["top"] == pytest.approx(best, abs=1e-4)
        chosen = next(token for token in range(len(logprobs)) if tokenizer.decode([token]) == entry["token"])
        assert entry["logprob"] == pytest.approx(logprobs[chosen].item(), abs=1e-4)
        ids.append(chosen)
    for entry in told:
        assert len(entry["top"]) <= 3
        assert sum(map(math.exp, entry["top"].values())) <= 1 + 1e-5
        assert entry["logprob"] <= max(entry["top"].values()) + 1e-6


def test_logprobs_0_tells_only_the_chosen(target, tools):
    completion = tools.complete(target, "one two", temperature=0, max_tokens=4, logprobs=0)
    assert [entry["top"] for entry in completion.logprobs] == [{}] * 4
    assert tools.complete(target, "one two", temperature=0, max_tokens=4).logprobs is None


def test_chat_template_brings_the_only_bos(target, plain, tools):
    text = "<bos>[user] hello<eos>[assistant] "
    expected, _ = plain_greedy(plain, text, False, 16)
    completion = tools.complete(target, tools.user("hello"), temperature=0, max_tokens=16)
    assert completion.text == expected
    assert completion.prompt_tokens == len(plain[0](text, add_special_tokens=False)["input_ids"])
    raw = tools.complete(target, text, temperature=0, max_tokens=16)  # has its BOS already
    assert raw.prompt_tokens == completion.prompt_tokens
    assert tools.complete(target, "hello", max_tokens=1).prompt_tokens == len(plain[0]("hello")["input_ids"])


def test_preview_is_what_is_sent(target):
    preview = TransformersBackend().preview
    options = TransformersOptions()
    chat = (Message("user", "hello"), Message("assistant", "so"))
    assert preview(Request(chat[:1], Sampling()), target, options) == "<bos>[user] hello<eos>[assistant] "
    assert preview(Request(chat, Sampling()), target, options) == "<bos>[user] hello<eos>[assistant] so"
    assert preview(Request("raw", Sampling()), target, options) == "raw"


def test_a_prompt_that_the_template_rejects_is_refused(target, tools):
    with pytest.raises(RequestRefused, match="no system messages"):
        tools.complete(target, (Message("system", "be brief"), *tools.user("hi")))


def test_no_chat_template(tmp_path, tools):
    tools.make_model(tmp_path, len(tools.make_tokenizer(tmp_path, template=None)))
    with pytest.raises(UsageError, match=r"no chat template.*format=text"):
        tools.complete(tools.target_of(tmp_path), tools.user("hi"))
    assert tools.complete(tools.target_of(tmp_path), "hi", max_tokens=3).completion_tokens


def test_context_limit(tmp_path, tools):
    tools.make_model(tmp_path, len(tools.make_tokenizer(tmp_path)), context=32)
    target = tools.target_of(tmp_path)
    fits = tools.complete(target, "one two three", temperature=1, max_tokens=100)
    if fits.finish_reason == "length":
        assert fits.prompt_tokens + fits.completion_tokens == 32
    assert fits.prompt_tokens + fits.completion_tokens <= 32
    with pytest.raises(ContextOverflow, match=r"context 32: there is no room") as caught:
        tools.complete(target, "one two three " * 30, max_tokens=5)
    assert caught.value.room == 0


def test_generation_config_fills_what_is_unset(tmp_path, tools):
    from transformers import GenerationConfig

    tools.make_model(tmp_path, len(tools.make_tokenizer(tmp_path)))
    GenerationConfig(do_sample=True, top_k=1, max_new_tokens=7, eos_token_id=2).save_pretrained(tmp_path)
    target = tools.target_of(tmp_path)
    unset = tools.complete(target, "the cat", 3)
    assert unset == tools.complete(target, "the cat", temperature=0, max_tokens=7)
    assert unset != tools.complete(target, "the cat", 3, top_k=300, max_tokens=7)


def test_rows_that_are_left_go_on_with_a_later_batch(target, tools):
    short = [Request(text, Sampling(temperature=1, max_tokens=4, logprobs=1), 1) for text in prompts(40)]
    long = [Request(text, Sampling(temperature=1, max_tokens=120, logprobs=1), 2) for text in prompts(3, seed=5)]
    mixed = tools.complete_all(target, [short[0], *long, *short[1:]], batch_size=16)
    alone = tools.complete_all(target, long, batch_size=1)
    assert [completion.text for completion in mixed[1:4]] == [completion.text for completion in alone]
    assert all(len(completion.logprobs) == completion.completion_tokens for completion in mixed)


def test_rows_that_are_done_do_not_run_past_the_positions_of_the_model(tmp_path, tools, monkeypatch):
    """GPT-2 has a table of positions: one past its end is an error, and on a GPU the end of the process's CUDA."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = tools.make_tokenizer(tmp_path)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=48, n_embd=32, n_layer=1, n_head=2, eos_token_id=2, initializer_range=0.5
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    real, errors = GPT2LMHeadModel.forward, []

    @functools.wraps(real)
    def forward(self, **arguments):
        try:
            return real(self, **arguments)
        except Exception as error:
            errors.append(error)
            raise

    monkeypatch.setattr(GPT2LMHeadModel, "forward", forward)
    target = tools.target_of(tmp_path)
    requests = [Request(text, Sampling(temperature=0, max_tokens=40)) for text in ("#" * 40, "the cat", "one")]
    together = tools.complete_all(target, requests)
    assert together == tools.complete_all(target, requests, batch_size=1)
    assert together[0].prompt_tokens + together[0].completion_tokens <= 48
    assert not errors


def test_on_a_gpu(target, tools):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a GPU, and torch sees none")
    texts = prompts(12)
    greedy = [Request(text, Sampling(temperature=0, max_tokens=16)) for text in texts]
    on_cpu = tools.complete_all(target, greedy, device="cpu")
    assert [one.text for one in tools.complete_all(target, greedy, device="cuda")] == [one.text for one in on_cpu]
    settings = Sampling(temperature=1.0, top_p=0.9, repetition_penalty=1.1, max_tokens=16)
    drawn = [Request(text, settings, seed) for seed, text in enumerate(texts)]
    on_cpu = tools.complete_all(target, drawn, device="cpu")
    for size in (12, 5):
        assert [one.text for one in tools.complete_all(target, drawn, device="cuda", batch_size=size)] == [
            one.text for one in on_cpu
        ]
