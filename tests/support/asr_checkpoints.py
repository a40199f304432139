"""Tiny random-weight speech-to-text models in the layouts of the real ones."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_audio.stt.models import parakeet, sensevoice
from mlx_audio.stt.models.qwen3_asr import qwen3_asr
from mlx_whisper import whisper

from tests.support.audio import RATE
from tests.support.checkpoints import SPECIALS, byte_tokenizer

_WHISPER = {
    "n_mels": 80,
    "n_audio_ctx": 1500,
    "n_audio_state": 32,
    "n_audio_head": 2,
    "n_audio_layer": 1,
    "n_vocab": 51865,
    "n_text_ctx": 448,
    "n_text_state": 32,
    "n_text_head": 2,
    "n_text_layer": 2,
}


def random_whisper(
    folder: Path, *, seed: int = 0, dtype: mx.Dtype = mx.float32, multilingual: bool = True
) -> Path:
    """A Whisper as mlx-whisper's converter writes it.

    Each window's text is a few random words that depend on the sound, is surely meant, and has timestamps in its
    middle: positions push the decoder now to a time, now to the end.
    """
    folder.mkdir(parents=True)
    end, times, vocabulary = (50257, 50364, 51865) if multilingual else (50256, 50363, 51864)
    config = {**_WHISPER, "n_vocab": vocabulary}
    mx.random.seed(seed)
    draw = np.random.default_rng(seed)
    weights = dict(parameters(whisper.Whisper(whisper.ModelDimensions(**config), mx.float32)))
    table = draw.normal(size=(vocabulary, _WHISPER["n_text_state"]))
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    loudness = np.full((vocabulary, 1), 0.1)
    loudness[draw.integers(300, 20_000, 1000)] = 8
    loudness[times:], loudness[end] = 5, 9
    positions = draw.normal(size=(_WHISPER["n_text_ctx"], _WHISPER["n_text_state"])) * 8
    positions[::12] += 150 * table[end]
    for place in (5, 6, 11 + 24):
        count = len(positions[place :: 12 if place < 12 else 36])
        positions[place :: 12 if place < 12 else 36] += 150 * table[times + draw.integers(300, 1400, count)]
    weights["decoder.token_embedding.weight"] = mx.array((table * loudness).astype(np.float32))
    weights["decoder.positional_embedding"] = mx.array(positions.astype(np.float32))
    for name, value in weights.items():
        if ".cross_attn." not in name:
            continue
        # What the decoder hears must matter beside where it is.
        factor = 0 if name.endswith("bias") else {"query": 6, "key": 6, "out": 16}.get(name.split(".")[-2], 1)
        weights[name] = value * factor
    weights = {
        name: value if name == "alignment_heads" else value.astype(dtype) for name, value in weights.items()
    }
    mx.savez(str(folder / "weights.npz"), **weights)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "whisper"}))
    return folder


def random_parakeet(folder: Path, *, seed: int = 0) -> Path:
    """A Parakeet-TDT as NVIDIA's NeMo describes it."""
    words = [
        "<unk>",
        *[
            "▁the",
            "▁a",
            "▁of",
            "s",
            "ing",
            "ed",
            "▁to",
            "▁and",
            "er",
            "ly",
            ".",
            "?",
            "▁in",
            "tion",
            "▁that",
            "re",
        ],
    ]
    config: dict[str, Any] = {
        "target": "nemo.collections.asr.models.rnnt_bpe_models.EncDecRNNTBPEModel",
        "model_defaults": {"tdt_durations": [0, 1, 2, 3, 4]},
        "preprocessor": {
            "sample_rate": RATE,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": 80,
            "n_fft": 512,
            "dither": 0.0,
        },
        "encoder": {
            "feat_in": 80,
            "n_layers": 1,
            "d_model": 32,
            "n_heads": 2,
            "ff_expansion_factor": 2,
            "subsampling_factor": 8,
            "self_attention_model": "rel_pos",
            "subsampling": "dw_striding",
            "conv_kernel_size": 9,
            "subsampling_conv_channels": 8,
            "pos_emb_max_len": 5000,
        },
        "decoder": {
            "blank_as_pad": True,
            "vocab_size": len(words),
            "prednet": {"pred_hidden": 16, "pred_rnn_layers": 1},
        },
        "joint": {
            "num_classes": len(words),
            "vocabulary": words,
            "num_extra_outputs": 5,
            "jointnet": {
                "joint_hidden": 16,
                "activation": "relu",
                "encoder_hidden": 32,
                "pred_hidden": 16,
            },
        },
        "decoding": {"model_type": "tdt", "durations": [0, 1, 2, 3, 4], "greedy": {"max_symbols": 10}},
    }
    mx.random.seed(seed)
    model = parakeet.Model.from_config(config)
    weights = {name: value * 3 if value.ndim > 1 else value for name, value in parameters(model)}
    return _save(folder, config, weights)


def random_qwen3_asr(folder: Path, *, seed: int = 0) -> Path:
    """A Qwen3-ASR of two small parts, one that hears and one that writes."""
    tokenizer = byte_tokenizer([*SPECIALS, "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>", "<asr_text>"])
    config: dict[str, Any] = {
        "model_type": "qwen3_asr",
        "support_languages": ["English", "German"],
        "audio_token_id": tokenizer.token_to_id("<|audio_pad|>"),
        "audio_start_token_id": tokenizer.token_to_id("<|audio_start|>"),
        "audio_end_token_id": tokenizer.token_to_id("<|audio_end|>"),
        "audio_config": {
            "num_mel_bins": 128,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 64,
            "d_model": 32,
            "output_dim": 64,
            "downsample_hidden_size": 8,
        },
        "text_config": {
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
        },
    }
    mx.random.seed(seed)
    model = qwen3_asr.Qwen3ASRModel(qwen3_asr.ModelConfig.from_dict(config))
    # Freshly drawn weights repeat one token for ever; wider ones wander through the vocabulary.
    weights = {name: value * 4 if value.ndim > 1 else value for name, value in parameters(model)}
    _save(folder, config, weights)
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
        },
        "preprocessor_config.json": {
            "feature_extractor_type": "WhisperFeatureExtractor",
            "feature_size": 128,
            "sampling_rate": RATE,
            "hop_length": 160,
            "chunk_length": 30,
            "n_fft": 400,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def random_sensevoice(folder: Path, *, seed: int = 0) -> Path:
    """A SenseVoice whose vocabulary is that of the real one, for its languages are tokens near the end."""
    config: dict[str, Any] = {
        "model_type": "sensevoice",
        "vocab_size": 25055,
        "input_size": 560,
        "encoder_conf": {
            "output_size": 16,
            "attention_heads": 2,
            "linear_units": 32,
            "num_blocks": 2,
            "tp_blocks": 1,
        },
    }
    mx.random.seed(seed)
    model = sensevoice.Model(sensevoice.ModelConfig.from_dict(json.loads(json.dumps(config))))
    weights = dict(parameters(model))
    for name, value in weights.items():
        if "fsmn_block.weight" in name:
            weights[name] = value.transpose(0, 2, 1)
    _save(folder, config, weights)
    pieces = [f"▁{number}" if number % 3 == 0 else f"x{number}" for number in range(25055)]
    (folder / "tokens.json").write_text(json.dumps(pieces))
    zeros, ones = " ".join(["0"] * 560), " ".join(["1"] * 560)
    (folder / "am.mvn").write_text(
        f"<AddShift> 560 560\n<LearnRateCoef> 0 [ {zeros} ]\n<Rescale> 560 560\n<LearnRateCoef> 0 [ {ones} ]\n"
    )
    return folder


def _save(folder: Path, config: dict[str, Any], weights: dict[str, mx.array]) -> Path:
    folder.mkdir(parents=True)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def parameters(model: Any) -> list[tuple[str, mx.array]]:
    flat: Any = tree_flatten(model.parameters())
    return list(flat)
