"""A GGUF written by the format's own rules comes back as the model it was made from."""

import gguf
import numpy as np
import pytest
import torch
from tiny import tiny_model
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM

from sparring.errors import SparringError
from sparring.sources.source import Source
from sparring.sources.subject import prepare_subject
from sparring.subject_model import load_subject
from sparring.tokenizer import load_tokenizer

NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def _interleave(weight, heads):
    """Rotary halves as llama.cpp wants them: rows (0, d/2, 1, d/2 + 1, ...) of each head."""
    rows = weight.shape[0] // heads
    order = np.arange(rows).reshape(2, rows // 2).T.reshape(-1)
    return weight.reshape(heads, rows, -1)[:, order].reshape(weight.shape)


def _write(path, model, *, quantised=False):
    config, weights = model.config, {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    tokens = ["<pad>", "<bos>", "<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens[-1] = "ab"  # the one merge
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)

    def add(name, value):
        if quantised and value.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q4_1
            writer.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, np.ascontiguousarray(value))

    add("token_embd.weight", weights["model.embed_tokens.weight"])
    add("output.weight", weights["lm_head.weight"])
    add("output_norm.weight", weights["model.norm.weight"])
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for layer in range(config.num_hidden_layers):
        for theirs, ours in NAMES.items():
            value = weights[f"model.layers.{layer}.{theirs}.weight"]
            add(f"blk.{layer}.{ours}.weight", _interleave(value, heads[ours]) if ours in heads else value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _prepare(path, out):
    out.mkdir()
    return prepare_subject(Source(f"path:{path}"), out=out)


def test_weights_come_back_bit_for_bit(tmp_path):
    model = tiny_model("llama", d=32).eval()
    meta = _prepare(_write(tmp_path / "m.gguf", model), tmp_path / "out")
    loaded = load_subject(tmp_path / "out")
    assert meta["num_hidden_layers"] == 2 and meta["hidden_size"] == 32
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    ids = torch.randint(3, 259, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits, rtol=1e-5, atol=1e-6)
    tokenizer = load_tokenizer(tmp_path / "out")
    assert tokenizer.decode(tokenizer("abc abc")["input_ids"]) == "abc abc"
    assert len(tokenizer("abc")["input_ids"]) == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir())[:2] == ["config.json", "model.safetensors"]


def test_quantised_weights_equal_what_plain_transformers_loads(tmp_path):
    """The faster way in changes nothing: bit for bit `from_pretrained(gguf_file=...)`."""
    path = _write(tmp_path / "m.gguf", tiny_model("llama", d=32).eval(), quantised=True)
    reader, names = gguf.GGUFReader, gguf.get_tensor_name_map
    _prepare(path, tmp_path / "out")
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == (reader, names)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="m.gguf").state_dict()
    loaded = load_subject(tmp_path / "out").state_dict()
    assert plain.keys() == loaded.keys()
    assert all(torch.equal(plain[name], loaded[name]) for name in plain)


def test_a_file_that_is_no_gguf_is_one_line(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGML" + bytes(100))
    with pytest.raises(SparringError, match=r"m.gguf: transformers cannot read this GGUF"):
        _prepare(tmp_path / "m.gguf", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
