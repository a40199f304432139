"""A tiny MiniCPM-SALA: its config.json as the real one is, and weights under the real names. numpy only.

The weights come from numpy's RandomState, whose stream never changes: golden numbers made from them stay true.
"""

from typing import Any

import numpy as np

Weights = dict[str, np.ndarray[Any, np.dtype[np.float32]]]

#: Six heads make the decays of a number that is no power of two; keys and values are shared in both kinds of layer.
CONFIG: dict[str, Any] = {
    "architectures": ["MiniCPMSALAForCausalLM"],
    "attention_bias": False,
    "attn_use_output_gate": True,
    "attn_use_rope": False,
    # Code of the checkpoint's own, which is not run.
    "auto_map": {
        "AutoConfig": "configuration_minicpm_sala.MiniCPMSALAConfig",
        "AutoModelForCausalLM": "modeling_minicpm_sala.MiniCPMSALAForCausalLM",
    },
    "dim_model_base": 32,
    "head_dim": 16,
    "hidden_act": "silu",
    "hidden_size": 96,
    "intermediate_size": 128,
    "lightning_head_dim": 16,
    "lightning_nh": 6,
    "lightning_nkv": 3,
    "lightning_scale": "1/sqrt(d)",
    "lightning_use_rope": True,
    "max_position_embeddings": 524288,
    "mixer_types": ["minicpm4", "lightning-attn", "lightning-attn", "minicpm4"],
    "model_type": "minicpm_sala",
    "mup_denominator": 32,
    "num_attention_heads": 6,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "qk_norm": True,
    "rms_norm_eps": 1e-6,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "scale_depth": 1.4,
    "scale_emb": 12,
    "sparse_config": {
        "block_size": 64,
        "dense_len": 8192,
        "init_blocks": 1,
        "kernel_size": 32,
        "kernel_stride": 16,
        "topk": 64,
        "use_nope": False,
        "window_size": 2048,
    },
    "tie_word_embeddings": False,
    "use_output_gate": True,
    "use_output_norm": True,
    "vocab_size": 259,
}


def weights(seed: int) -> Weights:
    """A model's worth of random weights for CONFIG."""
    source = np.random.RandomState(seed)

    def matrix(rows: int, columns: int, width: float = 1.0) -> Any:
        return (source.standard_normal((rows, columns)) * width / columns**0.5).astype(np.float32)

    def norm(size: int) -> Any:
        return (1 + 0.2 * source.standard_normal(size)).astype(np.float32)

    hidden, head = CONFIG["hidden_size"], CONFIG["head_dim"]
    drawn: Weights = {"model.embed_tokens.weight": matrix(CONFIG["vocab_size"], hidden)}
    for number, mixer in enumerate(CONFIG["mixer_types"]):
        layer = f"model.layers.{number}"
        attention = f"{layer}.self_attn"
        softmax = mixer == "minicpm4"
        heads = CONFIG["num_attention_heads"] if softmax else CONFIG["lightning_nh"]
        kv_heads = CONFIG["num_key_value_heads"] if softmax else CONFIG["lightning_nkv"]
        drawn[f"{attention}.q_proj.weight"] = matrix(heads * head, hidden)
        drawn[f"{attention}.k_proj.weight"] = matrix(kv_heads * head, hidden)
        drawn[f"{attention}.v_proj.weight"] = matrix(kv_heads * head, hidden)
        drawn[f"{attention}.o_proj.weight"] = matrix(hidden, heads * head)
        if softmax:
            drawn[f"{attention}.o_gate.weight"] = matrix(heads * head, hidden)
        else:
            drawn[f"{attention}.z_proj.weight"] = matrix(heads * head, hidden)
            drawn[f"{attention}.o_norm.weight"] = norm(heads * head)
            drawn[f"{attention}.q_norm.weight"] = norm(head)
            drawn[f"{attention}.k_norm.weight"] = norm(head)
        inner = CONFIG["intermediate_size"]
        drawn[f"{layer}.mlp.gate_proj.weight"] = matrix(inner, hidden)
        drawn[f"{layer}.mlp.up_proj.weight"] = matrix(inner, hidden)
        drawn[f"{layer}.mlp.down_proj.weight"] = matrix(hidden, inner)
        drawn[f"{layer}.input_layernorm.weight"] = norm(hidden)
        drawn[f"{layer}.post_attention_layernorm.weight"] = norm(hidden)
    drawn["model.norm.weight"] = norm(hidden)
    drawn["lm_head.weight"] = matrix(CONFIG["vocab_size"], hidden, width=4.0)
    return drawn
