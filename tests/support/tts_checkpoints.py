"""Random speech models in the hub's real layout, small enough to be made by a test.

They say noise; which noise depends on the text, the voice and the seed, as it does with real weights.
"""

import io
import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import sentencepiece
from mlx.utils import tree_flatten
from mlx_audio.tts.models.indextts.indextts import Model as IndexTTS
from mlx_audio.tts.models.qwen3_tts.config import ModelConfig, Qwen3TTSTokenizerConfig
from mlx_audio.tts.models.qwen3_tts.qwen3_tts import Model as Qwen3TTS
from mlx_audio.tts.models.qwen3_tts.speech_tokenizer import Qwen3TTSSpeechTokenizer
from tokenizers import AddedToken

from tests.support.checkpoints import SPECIALS, byte_tokenizer
from tests.support.tts_codec import on_the_hub

#: The speakers of a `custom_voice` model.
SPEAKERS = ("vivian", "ryan")
#: Tokens of sound that a random model makes. It does not end by itself.
TOKENS = 10

_TTS_SPECIALS = ["<tts_pad>", "<tts_bos>", "<tts_eos>"]
#: What a layer must have at least, for a convolution of width 1 to be recognised as one by the library.
_WIDTH = 72


def random_qwen3_tts(
    folder: Path, kind: str = "base", *, seed: int = 0, tokens: int = TOKENS, groups: int = 2
) -> Path:
    """A Qwen3-TTS: `base`, `custom_voice` or `voice_design`. With 16 groups its codec has an encoder."""
    folder.mkdir(parents=True)
    tokenizer = byte_tokenizer([*SPECIALS, *_TTS_SPECIALS])
    tokenizer.add_tokens([AddedToken("assistant", normalized=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = _qwen3_tts_config(kind, groups, tokenizer.token_to_id, tokenizer.get_vocab_size())
    mx.random.seed(seed)
    model = Qwen3TTS(ModelConfig.from_dict(config))
    weights = {name: value * 3 for name, value in _parameters(model)}
    for name in weights:
        # Else the voice that is heard is of the biases, whoever speaks.
        if name.startswith("speaker_encoder.") and name.endswith(".bias"):
            weights[name] = mx.zeros_like(weights[name])
        # Attention that is no choice of one place: what came before is heard in all that follows.
        elif name.startswith("talker.model.") and name.endswith("self_attn.q_norm.weight"):
            weights[name] *= 0.02
        elif name.startswith("talker.model.") and name.endswith("self_attn.o_proj.weight"):
            weights[name] *= 5
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    _speech_tokenizer(folder / "speech_tokenizer", groups)
    files = {
        "config.json": config,
        "generation_config.json": {"max_new_tokens": tokens, "temperature": 0.9, "top_k": 50},
        "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer", "model_max_length": 4096},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def _qwen3_tts_config(kind: str, groups: int, token: Any, vocabulary: int) -> dict[str, Any]:
    layer = {
        "hidden_size": _WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "num_code_groups": groups,
    }
    talker = {
        **layer,
        # The library takes the last 1024 for signs that are no sound.
        "vocab_size": 64 + 1024,
        "code_predictor_config": {**layer, "vocab_size": 64},
        "rope_scaling": {"interleaved": True, "mrope_section": [6, 5, 5], "rope_type": "default"},
        "text_hidden_size": 64,
        "text_vocab_size": vocabulary,
        # None of its tokens: else it would end by chance, sometimes before the first sound.
        "codec_eos_token_id": 64 + 1024,
        "codec_think_id": 71,
        "codec_nothink_id": 72,
        "codec_think_bos_id": 73,
        "codec_think_eos_id": 74,
        "codec_pad_id": 75,
        "codec_bos_id": 76,
        "codec_language_id": {"english": 77, "chinese": 78},
    }
    if kind == "custom_voice":
        talker |= {
            "spk_id": {name: 80 + number for number, name in enumerate(SPEAKERS)},
            "spk_is_dialect": {},
        }
    return {
        "architectures": ["Qwen3TTSForConditionalGeneration"],
        "model_type": "qwen3_tts",
        "tts_model_type": kind,
        "tts_model_size": "1b7",
        "talker_config": talker,
        "speaker_encoder_config": {
            "enc_dim": _WIDTH,
            "enc_channels": [2 * _WIDTH] * 4 + [6 * _WIDTH],
            "enc_res2net_scale": 2,
            "enc_attention_channels": _WIDTH,
            "enc_se_channels": _WIDTH,
        },
        "im_start_token_id": token("<|im_start|>"),
        "im_end_token_id": token("<|im_end|>"),
        "tts_pad_token_id": token("<tts_pad>"),
        "tts_bos_token_id": token("<tts_bos>"),
        "tts_eos_token_id": token("<tts_eos>"),
    }


def _speech_tokenizer(folder: Path, groups: int) -> None:
    """The codec: 12.5 tokens of `groups` codes are a second of sound at 24 kHz."""
    config: dict[str, Any] = {
        "decoder_config": {
            "latent_dim": 32,
            "codebook_dim": 2 * _WIDTH,
            "codebook_size": 64,
            "decoder_dim": 16,
            "hidden_size": 32,
            "intermediate_size": 32,
            "head_dim": 16,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "num_hidden_layers": 1,
            "num_quantizers": groups,
            # All of the way up to samples is made by the cheap layers.
            "upsample_rates": [],
            "upsampling_ratios": [8, 8, 30],
        },
    }
    if groups == 16:
        config["encoder_config"] = {
            "num_filters": 8,
            "hidden_size": 64,
            "codebook_dim": 16,
            "codebook_size": 64,
            "head_dim": 16,
            "intermediate_size": 64,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "num_hidden_layers": 1,
            "num_quantizers": 16,
        }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    codec = Qwen3TTSSpeechTokenizer(Qwen3TTSTokenizerConfig(**config))
    weights = {}
    for name, value in _parameters(codec):
        if name.startswith("decoder.") and name.endswith(".codebook.embed.weight"):
            base = name.removesuffix(".codebook.embed.weight")
            weights[f"{base}._codebook.embedding_sum"] = value
            weights[f"{base}._codebook.cluster_usage"] = mx.ones((value.shape[0],))
        elif name.startswith("decoder."):
            weights[name] = value * 100 if name.startswith("decoder.decoder.2") else value
        else:
            weights |= on_the_hub(name, value)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def _parameters(model: Any) -> Any:
    return tree_flatten(model.parameters())


def random_indextts(folder: Path, *, seed: int = 0, positions: int = 40) -> Path:
    """An IndexTTS whose config.json names a tokenizer on a hub. Its text and its sound share `positions`."""
    folder.mkdir(parents=True)
    sentencepiece_tokenizer(folder / "tokenizer.model")
    config = {
        "tokenizer_name": "nobody/has-this",
        "bigvgan": {
            "num_mels": 100,
            "upsample_rates": [16, 16],
            "upsample_kernel_sizes": [32, 32],
            "upsample_initial_channel": 16,
            "resblock": "1",
            "resblock_kernel_sizes": [3],
            "resblock_dilation_sizes": [[1, 3, 5]],
            "activation": "snakebeta",
            "snake_logscale": True,
            "gpt_dim": 64,
            "speaker_embedding_dim": 32,
            "cond_d_vector_in_each_upsampling_layer": True,
        },
        "gpt": {
            "model_dim": 64,
            "heads": 2,
            "layers": 1,
            "max_mel_tokens": positions - 3,
            "max_text_tokens": 400,
            "number_text_tokens": 400,
            "number_mel_codes": 64,
            "start_mel_token": 62,
            "stop_mel_token": 63,
            "start_text_token": 0,
            "stop_text_token": 1,
            "use_mel_codes_as_input": True,
            "mel_length_compression": 256,
            "condition_type": "conformer_perceiver",
            "condition_module": {
                "output_size": 64,
                "input_layer": "conv2d2",
                "linear_units": 64,
                "attention_heads": 2,
                "num_blocks": 1,
                "perceiver_mult": 1,
            },
            "condition_num_latent": 8,
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    mx.random.seed(seed)
    model = IndexTTS({**config, "tokenizer_name": str(folder)})
    weights = {name: value * (4 if name.startswith("mel") else 1) for name, value in _parameters(model)}
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    return folder


def with_its_tokenizer(folder: Path, copy: Path) -> Path:
    """An IndexTTS as the library loads it without a hub, in the folder `copy`."""
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "tokenizer_name": str(copy)}))
    return copy


def sentencepiece_tokenizer(path: Path, *, byte_fallback: bool = True) -> None:
    """A tokenizer of single signs."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG, AND SAYS: HELLO!"] * 10),
        model_writer=model,
        model_type="char",
        vocab_size=300,
        hard_vocab_limit=False,
        byte_fallback=byte_fallback,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())
