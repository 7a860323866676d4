"""Rows that join and leave, prompts that are read once: the answers are those of plain, unbatched transformers."""

from __future__ import annotations

import asyncio
import functools
import random

import pytest
import torch

from skillforge import Message, Request, Sampling

WORDS = "the cat sat on a mat and one dog ran to five houses with seven friends".split()
SHARED = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256,
}  # fmt: skip
MODELS = {
    "qwen2, two kinds of layers": ("Qwen2", {"use_sliding_window": True, "max_window_layers": 2, "sliding_window": 8}),
    "mistral, short window": ("Mistral", {"sliding_window": 8}),
    "gemma3": ("Gemma3Text", {"sliding_window": 8, "query_pre_attn_scalar": 16}),
    "gpt2": ("GPT2", {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}),
    "bloom, no positions and no limit": ("Bloom", {"n_layer": 2, "n_head": 4, "max_position_embeddings": None}),
    "gpt-oss": ("GptOss", {"sliding_window": 8, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "mamba, through generate": ("Mamba", {}),
}


def prompts(count: int, seed: int = 0, most: int = 30) -> list[str]:
    rng = random.Random(seed)
    return [f"{number} " + " ".join(rng.choices(WORDS, k=rng.randint(1, most))) for number in range(count)]


@pytest.fixture
def tokens_read(monkeypatch):
    """How many tokens the model has read, padding included: one entry for each call."""
    from transformers import LlamaForCausalLM

    real, sizes = LlamaForCausalLM.forward, []

    @functools.wraps(real)
    def forward(self, **arguments):
        sizes.append(arguments["input_ids"].numel())
        return real(self, **arguments)

    monkeypatch.setattr(LlamaForCausalLM, "forward", forward)
    return sizes


@pytest.mark.parametrize(("name", "settings"), MODELS.values(), ids=MODELS)
def test_rows_of_every_kind_of_model_are_as_alone(tmp_path, tools, name, settings):
    import transformers

    tokenizer = tools.make_tokenizer(tmp_path)
    config = getattr(transformers, f"{name}Config")(
        **{"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2} | SHARED | settings
    )
    head = {"GPT2": "GPT2LMHeadModel", "Gemma3Text": "Gemma3ForCausalLM"}.get(name, f"{name}ForCausalLM")
    torch.manual_seed(0)
    model = getattr(transformers, head)(config).eval()
    for weights in model.parameters():
        if weights.dim() == 2:  # strong enough that answers depend on the whole prompt, and near ties are rare
            torch.nn.init.normal_(weights, std=0.25)
    model.save_pretrained(tmp_path)
    texts = prompts(10)
    lengths = [3, 25, 9, 3, 20, 3, 3, 14, 3, 6]
    requests = [
        Request(text, Sampling(temperature=0, max_tokens=length, token_ids=True))
        for text, length in zip(texts, lengths, strict=True)
    ]
    expected = []
    for text, length in zip(texts, lengths, strict=True):
        inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        output = model.generate(**inputs, do_sample=False, max_new_tokens=length, pad_token_id=0)
        expected.append(tuple(output[0, inputs["input_ids"].shape[1] :].tolist()))
    completions = tools.complete_all(tools.target_of(tmp_path), requests, batch_size=3)
    assert [completion.token_ids for completion in completions] == expected
    assert len(set(expected)) > 6  # the model does read its prompt


def test_200_problems_have_the_same_answers_in_batches_of_1_7_and_64(target, tools):
    texts = prompts(200)
    requests = [
        Request(text, Sampling(temperature=seed % 2, top_p=0.95, max_tokens=12), seed)
        for seed, text in enumerate(texts)
    ]
    alone, few, many = (
        [one.text for one in tools.complete_all(target, requests, batch_size=size)] for size in (1, 7, 64)
    )
    assert alone == few == many


def test_a_row_costs_no_more_steps_than_it_has_tokens(target, tools, tokens_read):
    requests = [
        Request(text, Sampling(temperature=1, max_tokens=100 if number == 0 else 4), number)
        for number, text in enumerate(prompts(40, most=2))
    ]
    completions = tools.complete_all(target, requests, batch_size=8)
    tokens = sum(one.prompt_tokens + one.completion_tokens for one in completions)
    assert sum(tokens_read) < 2 * tokens  # in batches to the end of the longest row it would be 8 * 100 steps and more


def test_samples_of_one_problem_read_its_prompt_once(target, tools, tokens_read):
    text = " ".join(random.Random(0).choices(WORDS, k=100))
    requests = [Request(text, Sampling(temperature=1, max_tokens=3), seed) for seed in range(16)]
    answers = tools.complete_all(target, requests, batch_size=4)
    assert sum(tokens_read) < 2 * answers[0].prompt_tokens
    tokens_read.clear()
    assert tools.complete_all(target, requests, batch_size=4, prefix_cache=0) == answers
    assert sum(tokens_read) >= 16 * answers[0].prompt_tokens


def test_prompts_that_begin_alike_read_the_beginning_once(target, tools, tokens_read):
    shots = " ".join(random.Random(0).choices(WORDS, k=100))
    requests = [Request(f"{shots} {text}", Sampling(temperature=0, max_tokens=2)) for text in prompts(12, most=5)]
    together = tools.complete_all(target, requests, batch_size=6)
    read = sum(tokens_read)
    assert tools.complete_all(target, requests, batch_size=1, prefix_cache=0) == together
    assert read < sum(tokens_read[-24:]) / 4


def test_what_is_too_much_to_keep_is_read_together(monkeypatch, target, tools, tokens_read):
    from skillforge_transformers.prefixes import Prefixes

    monkeypatch.setattr(Prefixes, "add", lambda self, ids, prefix: None)
    text = " ".join(random.Random(0).choices(WORDS, k=100))
    requests = [Request(text, Sampling(temperature=1, max_tokens=1), seed) for seed in range(16)]
    tools.complete_all(target, requests, batch_size=16)
    assert len(tokens_read) <= 4  # not a call for each of them


def test_a_tool_loop_goes_on_without_reading_its_conversation_again(target, tools, tokens_read):
    async def use(client):
        asked = tools.user(" ".join(random.Random(0).choices(WORDS, k=60)))
        sampling = Sampling(temperature=0, max_tokens=40)
        first = await client.complete(Request(asked, sampling, whole=True))
        tokens_read.clear()
        going_on = (*asked, Message("assistant", f"{first.text} the cat"))
        second = await client.complete(Request(going_on, Sampling(temperature=0, max_tokens=1), whole=True))
        return first, second

    first, second = tools.with_client(target, use)
    assert second.prompt_tokens > 70
    assert sum(tokens_read) <= second.prompt_tokens - first.prompt_tokens


def test_what_is_kept_of_prompts_is_bounded():
    from skillforge_transformers.cache import Prefix
    from skillforge_transformers.prefixes import Prefixes

    def prefix(length: int) -> Prefix:
        return Prefix([(torch.zeros(1, length, 4), torch.zeros(1, length, 4))])  # 32 bytes a token

    prefixes = Prefixes(32 * 100)
    for number in range(50):
        prefixes.add((number, *range(29)), prefix(30))
    found = [prefixes.find((number, *range(29), 7)).length for number in range(50)]
    assert found == [0] * 47 + [30] * 3
    prefixes.find((47, 0))  # used, and so kept longer than 48
    prefixes.add((99, *range(29)), prefix(30))
    assert [prefixes.find((number, *range(29), 7)).length for number in (47, 48, 49)] == [30, 0, 30]
    prefixes.add((200, *range(200)), prefix(201))  # more than there is room for
    assert prefixes.find((200, 0, 1)).length == 0
    prefixes.add((49, *range(40)), prefix(41))  # takes the place of what it holds
    assert prefixes.find((49, *range(40), 9)).length == 41
    assert not prefixes.wants((49, *range(40)))
    assert prefixes.find((49, *range(10))).length == 10  # the last token is to be read: its logits are needed


def test_requests_that_come_later_join_those_that_run(target, tools):
    async def use(client):
        long = asyncio.create_task(client.complete(Request("the cat", Sampling(temperature=1, max_tokens=200), 1)))
        await asyncio.sleep(0.05)
        late = await client.complete(Request("one", Sampling(temperature=0, max_tokens=3)))
        return late, long.done(), await long

    late, was_done, long = tools.with_client(target, use)
    assert late.completion_tokens <= 3
    assert not was_done or long.completion_tokens < 200
