"""Checkpoints that say what a test chooses, with real MLX: one that always says the same, and one that acts.

Its only layer does nothing; the embedding of a token is the token, and the head knows what follows each.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlx.core as mx
import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, normalizers

from tests.support.checkpoints import byte_tokenizer

_START, _END = "<|im_start|>", "<|im_end|>"
_TEMPLATE = (
    "{{% for message in messages %}}<|im_start|>{{{{ message.role }}}}\n{{{{ message.content }}}}<|im_end|>\n"
    "{{% endfor %}}<|im_start|>{opening}"
)


def saying(
    folder: Path,
    pieces: list[str],
    *,
    markers: tuple[str, ...] = (),
    opening: str = "",
    endless: bool = False,
) -> Path:
    """Write a model into `folder` that says `pieces`, each one token, all different.

    `markers`: special tokens of its vocabulary. `opening`: how its prompt ends. `endless`: it begins again after the
    last piece, up to a million tokens.
    """
    tokenizer = _tokenizer(pieces, markers)
    every: dict[str | None, Sequence[str]] = {None: pieces}
    after = pieces[0] if endless else _END
    context = 1 << 20 if endless else 4096
    return _write(folder, tokenizer, every, _TEMPLATE.format(opening=opening), context, after)


def acting(folder: Path, answers: dict[str, list[str]], template: str, *, context: int = 1 << 20) -> Path:
    """Write a model into `folder` that says one of several answers: the one whose mark its prompt ends with.

    `template` is the Jinja template of a chat, which chooses the mark. Words of a prompt are one token each, whatever
    they are: long prompts are read in a moment.
    """
    pieces = [piece for answer in answers.values() for piece in answer]
    tokenizer = _tokenizer(pieces, tuple(answers))
    tokenizer.normalizer = normalizers.Replace(Regex(r"\S+\s*|\s+"), "w")
    marked: dict[str | None, Sequence[str]] = dict(answers.items())
    return _write(folder, tokenizer, marked, template, context)


def _tokenizer(pieces: Sequence[str], markers: tuple[str, ...]) -> Tokenizer:
    assert len(set(pieces)) == len(pieces), "a token is followed by one other only"
    tokenizer = byte_tokenizer([_START, _END, *markers])
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in pieces if piece not in markers])
    return tokenizer


def _write(
    folder: Path,
    tokenizer: Tokenizer,
    answers: Mapping[str | None, Sequence[str]],
    template: str,
    context: int,
    after: str = _END,
) -> Path:
    """`answers` by the token that they follow; None: any other. `after`: the token that follows their last one."""
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    size = tokenizer.get_vocab_size()
    width = -(-size // 32) * 32
    vocabulary = tokenizer.get_vocab()
    follows = np.full(size, vocabulary[answers[None][0] if None in answers else _END])
    for mark, answer in answers.items():
        said = [vocabulary[piece] for piece in ([] if mark is None else [mark]) + [*answer, after]]
        follows[said[:-1]] = said[1:]
    embedding, head = np.zeros((size, width), np.float32), np.zeros((size, width), np.float32)
    embedding[range(size), range(size)] = 1
    head[follows, range(size)] = 1
    none = {"o_proj": (width, 32), "q_proj": (32, width), "k_proj": (32, width), "v_proj": (32, width)}
    layer = {f"self_attn.{name}": mx.zeros(shape) for name, shape in none.items()}
    layer |= {"mlp.down_proj": mx.zeros((width, 32)), "mlp.gate_proj": mx.zeros((32, width))}
    layer |= {"mlp.up_proj": mx.zeros((32, width)), "input_layernorm": mx.ones(width)}
    layer["post_attention_layernorm"] = mx.ones(width)
    weights = {f"model.layers.0.{name}.weight": value for name, value in layer.items()}
    weights |= {"model.embed_tokens.weight": mx.array(embedding), "lm_head.weight": mx.array(head)}
    weights["model.norm.weight"] = mx.ones(width)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    end = tokenizer.token_to_id(_END)
    files = {
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": width,
            "num_hidden_layers": 1,
            "intermediate_size": 32,
            "num_attention_heads": 1,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "rms_norm_eps": 1e-6,
            "vocab_size": size,
            "max_position_embeddings": context,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
            "eos_token_id": end,
        },
        "generation_config.json": {"eos_token_id": end, "do_sample": False},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": _END,
            "pad_token": _END,
            "model_max_length": context,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "chat_template.jinja").write_text(template)
    return folder
