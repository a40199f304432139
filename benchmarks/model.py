"""Models that generate exactly as many tokens as asked, on any server.

`random_qwen3` writes a Qwen3 checkpoint with random weights in the layout of the hub: greedy decoding only
ever picks printable ASCII tokens, so its end token never comes and every token shows as text at once.
`endless` copies a trained checkpoint and gives it an end token that the model cannot produce. Neither says
anything sensible.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models import qwen3
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks.prompts import WORDS, prompt

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKERS = ["<think>", "</think>", "<tool_call>", "</tool_call>"]
NEVER = "<|never|>"


@dataclass(frozen=True)
class Size:
    """Shape of a Qwen3 model; `parameters` are about `layers * (3 * width * ffn + 3 * width**2)`."""

    width: int = 512
    layers: int = 8
    heads: int = 8
    kv_heads: int = 4
    ffn: int = 1024


BIG = Size()
TINY = Size(width=128, layers=4, heads=4, kv_heads=2, ffn=384)
#: For long prompts: as in large models, attention to 32,000 tokens takes about as long for a token as all the rest.
SMALL = Size(width=64, layers=2, heads=2, kv_heads=1, ffn=6144)


def random_qwen3(folder: Path, size: Size = BIG, seed: int = 0, context: int = 8192) -> Path:
    """Write the checkpoint (float32) into `folder` and return it. BIG has about 20 M parameters, TINY 1 M."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, printable = _tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id("<|im_end|>")
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": size.width,
        "num_hidden_layers": size.layers,
        "intermediate_size": size.ffn,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "head_dim": size.width // size.heads,
        "rms_norm_eps": 1e-6,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": context,
        "rope_theta": 1_000_000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "eos_token_id": end,
    }
    mx.random.seed(seed)
    arguments = qwen3.ModelArgs.from_dict(config)
    weights = dict(tree_flatten(qwen3.Model(arguments).parameters()))
    # A row of zeros has the logit 0: it never beats the best of a thousand random rows.
    rows = mx.zeros((tokenizer.get_vocab_size(), 1))
    rows[mx.array(printable)] = 1.0
    weights["lm_head.weight"] = weights["lm_head.weight"] * rows
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", {"eos_token_id": [end], "do_sample": False})
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
            "chat_template": (Path(__file__).parent / "template.jinja").read_text(),
        },
    )
    return folder


def endless(model: Path, folder: Path) -> Path:
    """Copy the checkpoint `model` to `folder` with a new end token, numbered after all others.

    The model has no row for that token (or an untrained one, where its vocabulary is padded).
    """
    shutil.copytree(model, folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken(NEVER, special=True)])
    tokenizer.save(str(folder / "tokenizer.json"))
    never = tokenizer.token_to_id(NEVER)
    _update(folder / "config.json", eos_token_id=never)
    _update(folder / "generation_config.json", eos_token_id=[never])
    _update(folder / "tokenizer_config.json", eos_token=NEVER)
    return folder


def weight_bytes(folder: Path) -> int:
    """Size of the weight files, in bytes."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _tokenizer() -> tuple[Tokenizer, list[int]]:
    """A byte-level BPE of about 1,100 tokens, and the ids of its printable ASCII tokens but the bare space.

    The bare space is left out because detokenizers hold it back until the next token.
    """
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=1100, initial_alphabet=alphabet, show_progress=False)
    corpus = [prompt(60, f"corpus {i}") for i in range(400)] + [" ".join(WORDS)]
    trained.train_from_iterator(corpus, trainer)
    tokenizer = Tokenizer.from_str(trained.to_str())
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIALS])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in MARKERS])
    plain = {chr(code) for code in range(33, 127)} | {"Ġ"}
    printable = [i for token, i in trained.get_vocab().items() if token != "Ġ" and set(token) <= plain]
    return tokenizer, sorted(printable)


def _write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n")


def _update(file: Path, **changes: object) -> None:
    _write(file, (json.loads(file.read_text()) if file.exists() else {}) | changes)
