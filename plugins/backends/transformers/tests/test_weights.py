"""LoRA adapters and quantized weights. What needs peft or bitsandbytes skips where they are not installed."""

from __future__ import annotations

import importlib.util
import os

import pytest
import torch

from skillforge import BackendUnusable, Request, Sampling, UsageError

GREEDY = Sampling(temperature=0, max_tokens=16)


def require(package: str) -> None:
    """Skip without `package`, unless SKILLFORGE_REQUIRE_TRANSFORMERS_EXTRAS=1 says that it has to be there."""
    if importlib.util.find_spec(package) is None and os.environ.get("SKILLFORGE_REQUIRE_TRANSFORMERS_EXTRAS") != "1":
        pytest.skip(f"{package} is not installed")


@pytest.fixture
def adapter(target, tmp_path):
    """A LoRA adapter of strong random weights, and the model's greedy answer with it as peft gives it."""
    require("peft")
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(target.model.location)
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(target.model.location), config).eval()
    model.save_pretrained(tmp_path / "adapter")
    inputs = tokenizer("the cat", return_tensors="pt", return_token_type_ids=False)
    output = model.generate(**inputs, do_sample=False, max_new_tokens=16, pad_token_id=0)
    return tmp_path / "adapter", tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def test_an_adapter_is_added(target, tools, adapter):
    folder, expected = adapter
    [adapted] = tools.complete_all(target, [Request("the cat", GREEDY)], adapter=str(folder))
    assert adapted.text == expected
    assert adapted != tools.complete_all(target, [Request("the cat", GREEDY)])[0]


def test_an_adapter_of_another_model_is_told(tmp_path, tools, adapter):
    tools.make_tokenizer(tmp_path)
    from transformers import GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config(vocab_size=320, n_embd=32, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    with pytest.raises(
        BackendUnusable, match=r"cannot add the adapter .*; name the model that the adapter was trained on"
    ):
        tools.complete_all(tools.target_of(tmp_path), [Request("a", GREEDY)], adapter=str(adapter[0]))


def test_a_folder_that_is_no_adapter(target, tools, tmp_path):
    require("peft")
    with pytest.raises(BackendUnusable, match=r"holds no LoRA adapter: it has no adapter_config\.json"):
        tools.complete_all(target, [Request("a", GREEDY)], adapter=str(tmp_path))


def test_an_adapter_named_as_the_model(tools, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(BackendUnusable, match=r"without its base model; .* -o backend\.adapter="):
        tools.complete_all(tools.target_of(tmp_path), [Request("a", GREEDY)])


@pytest.mark.parametrize(
    ("package", "options"), [("peft", {"adapter": "some/adapter"}), ("bitsandbytes", {"quantization": "int8"})]
)
def test_a_package_that_is_missing_is_named(target, tools, monkeypatch, package, options):
    from skillforge_transformers import weights

    real = importlib.util.find_spec
    monkeypatch.setattr(
        weights.importlib.util, "find_spec", lambda name, *more: None if name == package else real(name, *more)
    )
    with pytest.raises(UsageError, match=f"needs the package {package}, which is not installed; pip install {package}"):
        tools.complete_all(target, [Request("a", GREEDY)], **options)


@pytest.mark.parametrize("bits", ["int8", "nf4"])
def test_quantized_weights_take_less_memory_and_answer(target, tools, bits):
    require("bitsandbytes")
    import skillforge_transformers.loading as loading
    from skillforge_transformers import TransformersOptions

    plain = loading.load(target, TransformersOptions(threads=1)).model
    quantized = loading.load(target, TransformersOptions(threads=1, quantization=bits)).model
    assert quantized.get_memory_footprint() < 0.7 * plain.get_memory_footprint()
    requests = [Request("the cat", GREEDY), Request("one two", Sampling(temperature=1, max_tokens=9), 3)]
    first, again = (tools.complete_all(target, requests, quantization=bits) for _ in range(2))
    assert first == again
    assert [one.completion_tokens > 0 for one in first] == [True, True]
