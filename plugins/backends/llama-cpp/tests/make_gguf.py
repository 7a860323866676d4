"""A GGUF file of a small Llama that Hugging Face transformers saved, such as `tiny`:  python make_gguf.py FOLDER FILE

Its tokenizer must be a list of whole words. It becomes a unigram model in which each token costs the same, so that
llama.cpp takes the fewest tokens for a text: where all words are known, that is the word list's own division. A word that
is not known may be cut into known pieces, where transformers has one `<unk>` for it.

The file also has a token for each byte of ASCII, as unlikely as padding, so that every JSON can be written: llama.cpp has
no way on where no token fits a grammar. No text is read as these tokens.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

BYTES = [f"<0x{byte:02X}>" for byte in range(0x20, 0x7F)]
EMBEDDINGS = "model.embed_tokens.weight"

Array = npt.NDArray[np.float32]

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def main(folder: Path, file: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(file, "llama")
    write_shape(writer, config)
    write_tokenizer(writer, folder, config)
    tensors = read_safetensors(folder / "model.safetensors")
    embeddings = with_bytes(tensors.pop(EMBEDDINGS), config)
    writer.add_tensor("token_embd.weight", embeddings)
    for name, tensor in tensors.items():
        writer.add_tensor(renamed(name), rotated(name, tensor, config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_shape(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_name("tiny")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"] + len(BYTES))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def write_tokenizer(writer: gguf.GGUFWriter, folder: Path, config: dict[str, Any]) -> None:
    stored = json.loads((folder / "tokenizer.json").read_text())
    ids: dict[str, int] = stored["model"]["vocab"]
    special = {each["content"] for each in stored["added_tokens"] if each["special"]}
    words = sorted(ids, key=lambda word: ids[word])
    unknown = stored["model"]["unk_token"]
    kinds = [gguf.TokenType.CONTROL if word in special else gguf.TokenType.NORMAL for word in words]
    kinds[ids[unknown]] = gguf.TokenType.UNKNOWN
    writer.add_tokenizer_model("t5")  # what GGUF calls a unigram model
    writer.add_token_list([word if word in special else word.replace(" ", "▁") for word in words] + BYTES)
    writer.add_token_types(kinds + [gguf.TokenType.BYTE] * len(BYTES))
    writer.add_token_scores([-1.0] * (len(words) + len(BYTES)))
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_unk_token_id(ids[unknown])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_remove_extra_whitespaces(False)
    writer.add_chat_template((folder / "chat_template.jinja").read_text())


def read_safetensors(file: Path) -> dict[str, Array]:
    """The tensors in `file`, which must be of 32-bit floats."""
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, about in header.items():
        assert about["dtype"] == "F32", f"{name} is {about['dtype']}"
        start, end = about["data_offsets"]
        tensors[name] = np.frombuffer(data[8 + size :][start:end], dtype="<f4").reshape(about["shape"])
    return tensors


def renamed(name: str) -> str:
    """`name` as llama.cpp calls the tensor."""
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def with_bytes(embeddings: Array, config: dict[str, Any]) -> Array:
    """The embeddings of all tokens: those of bytes are that of padding."""
    padding = embeddings[config["pad_token_id"]]
    return np.concatenate([embeddings, np.tile(padding, (len(BYTES), 1))])


def rotated(name: str, tensor: Array, config: dict[str, Any]) -> Array:
    """Rows of queries and keys in llama.cpp's order: it turns neighbours, transformers one half against the other."""
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    for part, count in heads.items():
        if part in name:
            halves = tensor.reshape(config[count], 2, -1, tensor.shape[1])
            return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(tensor.shape))
    return tensor


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
