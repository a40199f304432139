"""Tiny random checkpoints of models whose caches can't be trimmed, with a template as models that think have it."""

from pathlib import Path

from tests.support.checkpoints import SPECIALS
from tests.support.family_checkpoints import FAMILIES as PLAIN
from tests.support.family_checkpoints import Family, write_checkpoint

#: The last of them ends an answer.
_SPECIALS = [SPECIALS[0], "<think>", "</think>", *SPECIALS[1:]]
#: It leaves the reasoning of earlier answers out, and begins that of the next one.
_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content.split('</think>')[-1] + '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n<think>\\n' }}{%- endif -%}"
)

FAMILIES: dict[str, Family] = {
    # Three layers with a state of a fixed size, and one with keys and values.
    "hybrid": Family(
        {
            "architectures": ["Qwen3NextForCausalLM"],
            "model_type": "qwen3_next",
            "num_hidden_layers": 4,
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "linear_conv_kernel_dim": 4,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "decoder_sparse_step": 1,
            "shared_expert_intermediate_size": 64,
            "mlp_only_layers": [],
            "moe_intermediate_size": 64,
            "partial_rotary_factor": 0.5,
            "norm_topk_prob": True,
            "full_attention_interval": 4,
        },
        _SPECIALS,
        _TEMPLATE,
    ),
    # The window is shorter than any conversation.
    "window": Family(
        {
            "architectures": ["Gemma3ForCausalLM"],
            "model_type": "gemma3_text",
            "num_hidden_layers": 4,
            "query_pre_attn_scalar": 16,
            "sliding_window": 64,
            "sliding_window_pattern": 2,
        },
        _SPECIALS,
        _TEMPLATE,
    ),
    # Layers that forget a piece of the text when it is full, which can't be batched.
    "pieces": Family(PLAIN["llama4"].config, _SPECIALS, _TEMPLATE),
    # Nothing but states of a fixed size.
    "recurrent": Family(
        {
            "architectures": ["MambaForCausalLM"],
            "model_type": "mamba",
            "intermediate_size": 128,
            "state_size": 16,
            "conv_kernel": 4,
            "use_bias": False,
            "use_conv_bias": True,
            "time_step_rank": 8,
            "tie_word_embeddings": True,
        },
        _SPECIALS,
        _TEMPLATE,
    ),
}


def stateful_checkpoint(folder: Path, name: str, seed: int = 0) -> Path:
    """Write a checkpoint of that kind, of about 100,000 parameters, into `folder` and return it."""
    return write_checkpoint(folder, FAMILIES[name], seed)
