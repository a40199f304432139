"""A random GOT-OCR in the hub's layout. mlx-vlm always loads its tokenizer with trust_remote_code=True."""

from pathlib import Path
from typing import Any

from tests.support.vision_checkpoints import QWEN_SPECIALS, QWEN_TEMPLATE, _tokenizer, _write


def random_got(folder: Path, *, seed: int = 0) -> Path:
    """Write a GOT-OCR checkpoint into `folder` and return it."""
    tokenizer = _tokenizer(QWEN_SPECIALS)
    vocabulary = tokenizer.get_vocab_size()
    sizes: dict[str, Any] = {
        "num_hidden_layers": 1,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "vocab_size": vocabulary,
    }
    config = {
        "architectures": ["GOTQwenForCausalLM"],
        "model_type": "got",
        "hidden_size": 64,
        **sizes,
        "eos_token_id": 257,
        "im_patch_token": 258,
        "im_start_token": 259,
        "im_end_token": 260,
        # The library's projection has this width, whatever config.json says.
        "text_config": {"model_type": "qwen2", "hidden_size": 1024, **sizes, "max_position_embeddings": 2048},
        "vision_config": {
            "model_type": "got",
            "img_size": 64,
            "patch_size": 16,
            "embed_dim": 32,
            "depth": 1,
            "num_heads": 2,
            "out_chans": 16,
            "out_dim": 1024,
            "window_size": 4,
            "global_attn_indexes": [0],
        },
    }
    return _write(folder, seed, tokenizer, config, {}, template=QWEN_TEMPLATE)
