"""The encoder of Qwen3-TTS's codec, under the names that it has on the hub (Hugging Face's Mimi)."""

import re

import mlx.core as mx

#: (the library's name, the hub's); convolutions are turned, and `in_proj` is three matrices there.
_NAMES = (
    (r"encoder\.init_conv1d\.conv\.conv", "encoder.layers.0.conv"),
    (r"encoder\.final_conv1d\.conv\.conv", "encoder.layers.14.conv"),
    (r"downsample\.conv\.conv\.conv", "downsample.conv"),
    (r"encoder_transformer\.transformer\.layers", "encoder_transformer.layers"),
    (r"self_attn\.out_proj", "self_attn.o_proj"),
    (r"gating\.linear([12])", r"mlp.fc\1"),
    (r"norm1\.", "input_layernorm."),
    (r"norm2\.", "post_attention_layernorm."),
    (r"layer_scale_1", "self_attn_layer_scale"),
    (r"layer_scale_2", "mlp_layer_scale"),
    (r"quantizer\.rvq_first", "quantizer.semantic_residual_vector_quantizer"),
    (r"quantizer\.rvq_rest", "quantizer.acoustic_residual_vector_quantizer"),
    (r"\.vq\.layers", ".layers"),
    (r"codebook\.embedding_sum", "codebook.embed_sum"),
)


def on_the_hub(name: str, value: mx.array) -> dict[str, mx.array]:
    """A weight `encoder_model.…` of the library as the hub's files have it."""
    name = name.removeprefix("encoder_model.")
    if name.endswith("codebook.initialized"):
        return {}
    if name.endswith("in_proj.weight"):
        base = name.removesuffix("in_proj.weight").replace("transformer.transformer", "transformer")
        return {
            f"encoder.{base}{part}_proj.weight": rows
            for part, rows in zip("qkv", mx.split(value, 3), strict=True)
        }
    if found := re.fullmatch(r"encoder\.layers\.(\d)\.residuals\.0\.block\.(\d)\.conv\.conv\.(\w+)", name):
        layer, block = 3 * int(found[1]) + 1, 2 * int(found[2]) + 1
        name = f"encoder.layers.{layer}.block.{block}.conv.{found[3]}"
    elif found := re.fullmatch(r"encoder\.layers\.(\d)\.downsample\.conv\.conv\.(\w+)", name):
        name = f"encoder.layers.{3 * int(found[1]) + 3}.conv.{found[2]}"
    for ours, theirs in _NAMES:
        name = re.sub(ours, theirs, name)
    if name.endswith("cluster_usage"):
        value = mx.ones(value.shape)
    elif name.endswith("embed_sum"):
        value = mx.random.normal(value.shape)
    return {f"encoder.{name}": value.swapaxes(1, 2) if value.ndim == 3 else value}
