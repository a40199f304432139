"""MiniCPM-SALA: softmax attention and Lightning attention in turn, on mlx-lm's parts.

After openbmb/MiniCPM-SALA's modeling_minicpm_sala.py; agrees with it to 1e-5 (tests/engines/test_minicpm_sala.py).
Not from there is its sparse attention (InfLLM-v2), which the model uses in prompts beyond `dense_len`, 8,192
tokens: attention is dense here at every length.
"""

import math
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.bailing_hybrid import recurrent_gla
from mlx_lm.models.base import (
    BaseModelArgs,
    create_attention_mask,
    create_ssm_mask,
    scaled_dot_product_attention,
)
from mlx_lm.models.cache import ArraysCache, KVCache
from mlx_lm.models.minicpm import MLP
from mlx_lm.models.rope_utils import initialize_rope

SOFTMAX = "minicpm4"
#: What the scale of the Lightning layers is called in config.json, and the power of the head's width that it means.
SCALES = {"1/sqrt(d)": -0.5, "1/d": -1.0}


@dataclass
class ModelArgs(BaseModelArgs):
    """config.json. `mixer_types` says which kind of attention each layer has."""

    model_type: str
    hidden_size: int
    num_hidden_layers: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    rms_norm_eps: float
    vocab_size: int
    mixer_types: list[str]
    scale_emb: float = 1.0
    scale_depth: float = 1.0
    dim_model_base: int = 0
    head_dim: int = 0
    attention_bias: bool = False
    attn_use_rope: bool = False
    attn_use_output_gate: bool = True
    lightning_nh: int = 0
    lightning_nkv: int = 0
    lightning_head_dim: int = 0
    lightning_scale: str = "1/sqrt(d)"
    lightning_use_rope: bool = True
    qk_norm: bool = True
    use_output_norm: bool = True
    use_output_gate: bool = True
    max_position_embeddings: int = 524288
    rope_theta: float = 10000.0
    rope_scaling: dict[str, object] | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self) -> None:
        if len(self.mixer_types) != self.num_hidden_layers or SOFTMAX not in self.mixer_types:
            raise ValueError(f"mixer_types must name every layer's kind, at least one of them '{SOFTMAX}'.")
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads
        self.lightning_nh = self.lightning_nh or self.num_attention_heads
        self.lightning_nkv = self.lightning_nkv or self.num_key_value_heads
        self.lightning_head_dim = self.lightning_head_dim or self.head_dim
        self.dim_model_base = self.dim_model_base or self.hidden_size


class _Projections(nn.Module):
    """What both kinds of attention share: projections, and a rotary embedding where config.json has one."""

    def __init__(self, args: ModelArgs, heads: int, kv_heads: int, head_dim: int, rope: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        bias = args.attention_bias
        self.q_proj = nn.Linear(args.hidden_size, heads * head_dim, bias=bias)
        self.k_proj = nn.Linear(args.hidden_size, kv_heads * head_dim, bias=bias)
        self.v_proj = nn.Linear(args.hidden_size, kv_heads * head_dim, bias=bias)
        self.o_proj = nn.Linear(heads * head_dim, args.hidden_size, bias=bias)
        if rope:
            self.rope = initialize_rope(
                head_dim, args.rope_theta, False, args.rope_scaling, args.max_position_embeddings
            )

    def split(self, x: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """Queries, keys and values, [batch, heads, length, head_dim]."""
        q, k, v = (
            mx.unflatten(projection(x), -1, (heads, self.head_dim)).swapaxes(1, 2)
            for projection, heads in (
                (self.q_proj, self.heads),
                (self.k_proj, self.kv_heads),
                (self.v_proj, self.kv_heads),
            )
        )
        return q, k, v

    def rotate(self, q: mx.array, k: mx.array, offset: int | mx.array) -> tuple[mx.array, mx.array]:
        return (self.rope(q, offset), self.rope(k, offset)) if "rope" in self else (q, k)


class Attention(_Projections):
    """Softmax attention with grouped queries and an output gate."""

    def __init__(self, args: ModelArgs) -> None:
        super().__init__(
            args, args.num_attention_heads, args.num_key_value_heads, args.head_dim, args.attn_use_rope
        )
        if args.attn_use_output_gate:
            self.o_gate = nn.Linear(args.hidden_size, self.heads * self.head_dim, bias=args.attention_bias)

    def __call__(self, x: mx.array, mask: Any, cache: Any, offset: int | mx.array) -> mx.array:
        q, k, v = self.split(x)
        q, k = self.rotate(q, k, offset)
        if cache is not None:
            k, v = cache.update_and_fetch(k, v)
        out = scaled_dot_product_attention(q, k, v, cache=cache, scale=self.head_dim**-0.5, mask=mask)
        out = mx.flatten(out.swapaxes(1, 2), -2)
        if "o_gate" in self:
            out = out * mx.sigmoid(self.o_gate(x))
        return self.o_proj(out)


class LightningAttention(_Projections):
    """Linear attention with a fixed decay per head; its state does not grow with the text."""

    def __init__(self, args: ModelArgs) -> None:
        heads, head_dim = args.lightning_nh, args.lightning_head_dim
        super().__init__(args, heads, args.lightning_nkv, head_dim, args.lightning_use_rope)
        self.scale = head_dim ** SCALES.get(args.lightning_scale, 0.0)
        if args.qk_norm:
            self.q_norm = nn.RMSNorm(head_dim, eps=args.rms_norm_eps)
            self.k_norm = nn.RMSNorm(head_dim, eps=args.rms_norm_eps)
        if args.use_output_norm:
            self.o_norm = nn.RMSNorm(heads * head_dim, eps=args.rms_norm_eps)
        if args.use_output_gate:
            self.z_proj = nn.Linear(args.hidden_size, heads * head_dim, bias=args.attention_bias)
        # The underscore keeps it out of the weights.
        self._decay = -mx.array(alibi_slopes(heads))

    def __call__(self, x: mx.array, mask: Any, cache: Any, offset: int | mx.array) -> mx.array:
        q, k, v = self.split(x)
        if "q_norm" in self:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k = self.rotate(q, k, offset)
        if self.heads > self.kv_heads:
            k, v = (mx.repeat(each, self.heads // self.kv_heads, axis=1) for each in (k, v))
        # In single precision, as in the reference: the state sums up the whole text.
        q, k, v = (each.astype(mx.float32) for each in (q, k, v))
        state = cache[0] if cache is not None else None
        out, state = recurrent_gla(q, k, v, self._decay, scale=self.scale, h=state, mask=mask)
        if cache is not None:
            cache[0] = state
            cache.advance(x.shape[1])
        out = mx.flatten(out.swapaxes(1, 2), -2).astype(x.dtype)
        if "o_norm" in self:
            out = self.o_norm(out)
        if "z_proj" in self:
            out = out * mx.sigmoid(self.z_proj(x))
        return self.o_proj(out)


class DecoderLayer(nn.Module):
    def __init__(self, args: ModelArgs, mixer: str) -> None:
        super().__init__()
        self.softmax = mixer == SOFTMAX
        self.self_attn = Attention(args) if self.softmax else LightningAttention(args)
        self.mlp = MLP(args)
        self.input_layernorm = nn.RMSNorm(args.hidden_size, eps=args.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(args.hidden_size, eps=args.rms_norm_eps)
        self.residual = args.scale_depth / math.sqrt(args.num_hidden_layers)

    def __call__(self, x: mx.array, mask: Any, cache: Any, offset: int | mx.array) -> mx.array:
        x = x + self.self_attn(self.input_layernorm(x), mask, cache, offset) * self.residual
        return x + self.mlp(self.post_attention_layernorm(x)) * self.residual


class Decoder(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.scale_emb = args.scale_emb
        self.embed_tokens = nn.Embedding(args.vocab_size, args.hidden_size)
        self.layers = [DecoderLayer(args, mixer) for mixer in args.mixer_types]
        self.norm = nn.RMSNorm(args.hidden_size, eps=args.rms_norm_eps)

    def __call__(self, inputs: mx.array, cache: list[Any] | None = None) -> mx.array:
        x = self.embed_tokens(inputs) * self.scale_emb
        caches = cache or [None] * len(self.layers)
        kinds = {layer.softmax: each for layer, each in zip(self.layers, caches, strict=True)}
        masks = {True: create_attention_mask(x, kinds[True])}
        if False in kinds:
            masks[False] = create_ssm_mask(x, kinds[False])
        # Only the key-value caches count the tokens that all layers' positions start from.
        offset = kinds[True].offset if cache else 0
        for layer, each in zip(self.layers, caches, strict=True):
            x = layer(x, masks[layer.softmax], each, offset)
        return self.norm(x)


class Model(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.args = args
        self.model_type = args.model_type
        self.model = Decoder(args)
        if not args.tie_word_embeddings:
            self.lm_head = nn.Linear(args.hidden_size, args.vocab_size, bias=False)

    def __call__(self, inputs: mx.array, cache: list[Any] | None = None) -> mx.array:
        out = self.model(inputs, cache) * (self.args.dim_model_base / self.args.hidden_size)
        return self.model.embed_tokens.as_linear(out) if self.args.tie_word_embeddings else self.lm_head(out)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        tied = self.args.tie_word_embeddings
        return {name: value for name, value in weights.items() if not (tied and name.startswith("lm_head."))}

    @property
    def layers(self) -> list[DecoderLayer]:
        return self.model.layers

    def make_cache(self) -> list[Any]:
        return [KVCache() if layer.softmax else ArraysCache(size=1) for layer in self.layers]


def alibi_slopes(heads: int) -> list[float]:
    """The decay of each head: ALiBi's slopes (Press et al. 2022), a geometric series for 2^n heads."""
    power = 2 ** int(math.log2(heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    return slopes + (alibi_slopes(2 * power)[::2][: heads - power] if heads > power else [])
