"""Make tests/engines/golden/gpt_sovits.json: what GPT-SoVITS' own classes answer with a tiny checkpoint.

It needs PyTorch (CPU), einops, tqdm and transformers, which the project does not have, in an environment of their
own, and a checkout of RVC-Boss/GPT-SoVITS. From this repository:

    python -m tools.golden_gpt_sovits CHECKOUT/GPT_SoVITS
"""

# ruff: noqa: RUF001

# PyTorch and the checkout are not there when types are checked.
# mypy: disable-error-code="import-not-found, untyped-decorator"

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
from transformers import BertConfig, BertModel, HubertConfig, HubertModel

from tests.support.gpt_sovits_checkpoint import CODES, NETWORKS, PHONEMES, RATES, TINY, TOKENS, Tensors, sound

OUT = Path(__file__).parents[1] / "tests" / "engines" / "golden" / "gpt_sovits.json"
SEED = 23
SECONDS = 3.2
#: Codes that are made of a text: with random weights none of them ends it.
LENGTH = 30
#: Rows that are kept of the means, and every how many samples one is kept.
ROWS, STRIDE = (0, 7, 19), 37
SPEEDS = (1.0, 1.25, 0.8)
#: top_k, top_p, temperature, repetition_penalty.
SAMPLINGS = ((15, 1.0, 1.0, 1.35), (5, 0.8, 0.7, 1.35), (1025, 0.5, 1.3, 1.0), (1, 1.0, 1.0, 1.35))

Floats = Any


def reference(source: Path) -> dict[str, Any]:
    """The original's classes. Libraries that only training or other versions use are left out."""
    sys.path.insert(0, str(source))
    for name in ("torchmetrics", "torchmetrics.classification", "f5_tts", "f5_tts.model", "matplotlib"):
        sys.modules[name] = mock.MagicMock(spec=ModuleType)
    for name in ("torchmetrics.classification", "f5_tts.model", "matplotlib"):
        for inner in ("MulticlassAccuracy", "DiT", "pyplot"):
            setattr(sys.modules[name], inner, mock.MagicMock())
    librosa = mock.MagicMock()
    sys.modules.update({"librosa": librosa, "librosa.filters": librosa.filters})
    from AR.models import t2s_model
    from AR.models.utils import logits_to_probs
    from module.mel_processing import spectrogram_torch
    from module.models import SynthesizerTrn
    from module.mrte_model import MRTE
    from module.quantize import ResidualVectorQuantizer

    return {
        "t2s_model": t2s_model,
        "probabilities": logits_to_probs,
        "spectrogram": spectrogram_torch,
        "synthesizer": SynthesizerTrn,
        "mrte": MRTE,
        "quantizer": ResidualVectorQuantizer,
    }


def load(module: Any, tensors: Tensors, prefix: str = "") -> Any:
    """Give a module its weights. What only training uses stays as it is."""
    named = {name.removeprefix(prefix): torch.from_numpy(value) for name, value in tensors.items()}
    missing, unexpected = module.load_state_dict(named, strict=False)
    left = [name for name in missing if not name.startswith(("enc_q.", "quantizer.", "position_ids"))]
    if left or unexpected:
        raise SystemExit(f"missing: {left}, unexpected: {unexpected}")
    module.eval()
    return module


def gpt(parts: dict[str, Any]) -> Any:
    model = parts["t2s_model"].Text2SemanticDecoder(
        {
            "model": {
                "hidden_dim": TINY.width,
                "embedding_dim": TINY.width,
                "head": TINY.width // 32,
                "n_layer": TINY.layers,
                "vocab_size": CODES,
                "phoneme_vocab_size": PHONEMES,
                "dropout": 0,
                "EOS": CODES - 1,
            }
        }
    )
    model.bert_proj = torch.nn.Linear(TINY.text, TINY.width)
    return load(model, NETWORKS["gpt"](TINY, SEED), "model.")


def sovits(parts: dict[str, Any]) -> Any:
    """The original, with the widths that it has written into it made smaller."""
    model = parts["synthesizer"](
        1025,
        32,
        TINY.channels,
        TINY.hidden,
        TINY.filter,
        2,
        TINY.encoder_layers,
        3,
        0.0,
        "1",
        [3, 7, 11],
        [[1, 3, 5]] * 3,
        list(RATES),
        TINY.up,
        [16, 16, 8, 2, 2],
        gin_channels=TINY.voice,
        semantic_frame_rate="25hz",
        version="v2",
    )
    model.enc_p.mrte = parts["mrte"](TINY.hidden, TINY.voice, TINY.hidden)
    model.enc_p.ssl_proj = torch.nn.Conv1d(TINY.sound, TINY.hidden, 1)
    model.ssl_proj = torch.nn.Conv1d(TINY.sound, TINY.sound, 2, stride=2)
    model.quantizer = parts["quantizer"](dimension=TINY.sound, n_q=1, bins=CODES - 1)
    load(model, NETWORKS["sovits"](TINY, SEED))
    # Otherwise the codebook would be made of the first sound.
    model.quantizer.vq.layers[0]._codebook.inited.fill_(1)
    return model


def hubert() -> Any:
    config = HubertConfig(
        hidden_size=TINY.sound,
        num_hidden_layers=TINY.deep,
        num_attention_heads=1,
        intermediate_size=TINY.wide,
        conv_dim=(TINY.heard,) * 7,
        num_conv_pos_embeddings=TINY.positions,
        num_conv_pos_embedding_groups=TINY.groups,
    )
    tensors = {}
    for name, value in NETWORKS["hubert"](TINY, SEED).items():
        name = name.replace("conv.weight_g", "conv.parametrizations.weight.original0")
        tensors[name.replace("conv.weight_v", "conv.parametrizations.weight.original1")] = value
    return load(HubertModel(config), tensors)


def bert() -> Any:
    config = BertConfig(
        vocab_size=len(TOKENS),
        hidden_size=TINY.text,
        num_hidden_layers=TINY.deep,
        num_attention_heads=1,
        intermediate_size=TINY.wide,
    )
    return load(BertModel(config), NETWORKS["bert"](TINY, SEED), "bert.")


def noise(frames: int) -> Floats:
    drawn = np.random.RandomState(SEED).standard_normal((frames, TINY.channels)).astype(np.float32)
    return torch.from_numpy(drawn.T.copy())[None]


def decoded(model: Any, codes: Floats, phonemes: Floats, magnitudes: Floats, speed: float) -> Floats:
    frames = 2 * len(codes) if speed == 1 else int(2 * len(codes) / speed) + 1
    with mock.patch("torch.randn_like", return_value=noise(frames)):
        return model.decode(codes[None, None], phonemes[None], magnitudes, speed=speed)[0, 0]


def sampled(parts: dict[str, Any], model: Any, inputs: tuple[Any, ...]) -> tuple[list[int], list[Floats]]:
    """The most probable codes of a text, and the logits before each."""
    phonemes, features, prompt = inputs
    seen: list[Floats] = []
    original = parts["t2s_model"].sample

    def watched(logits: Floats, *arguments: Any, **keywords: Any) -> Any:
        seen.append(logits[0].clone())
        return original(logits, *arguments, **keywords)

    with mock.patch.object(parts["t2s_model"], "sample", watched):
        y, _ = model.infer_panel(
            phonemes[None],
            torch.tensor([len(phonemes)]),
            None if prompt is None else prompt[None],
            features.T[None],
            top_k=1,
            top_p=1.0,
            early_stop_num=LENGTH,
            temperature=1.0,
            repetition_penalty=1.35,
        )
    start = 0 if prompt is None else len(prompt)
    return y[0, start:][:LENGTH].tolist(), seen


@torch.no_grad()
def golden(source: Path) -> dict[str, Any]:
    parts = reference(source)
    t2s, vits = gpt(parts), sovits(parts)
    low, high = (torch.from_numpy(sound(SECONDS, rate, SEED)) for rate in (16_000, 32_000))
    magnitudes = parts["spectrogram"](high[None], 2048, 32_000, 640, 2048, center=False)
    heard = hubert()(torch.cat([low, torch.zeros(9600)])[None])["last_hidden_state"]
    prompt = vits.extract_latent(heard.transpose(1, 2))[0, 0]
    voice = vits.ref_enc(magnitudes[:, :704], torch.ones(1, 1, magnitudes.shape[2]))[0, :, 0]

    source_of = np.random.RandomState(SEED)
    transcript, text = (torch.from_numpy(source_of.randint(0, 324, count)) for count in (18, 24))
    characters = "你好，世界。".replace("，", ",").replace("。", ".")
    repeats = [2, 2, 1, 2, 2, 1]
    ids = torch.tensor([[2, *(TOKENS.index(each) for each in characters), 3]])
    hidden = bert()(ids, output_hidden_states=True)["hidden_states"][-3][0, 1:-1]
    told = torch.cat([hidden[place].repeat(times, 1) for place, times in enumerate(repeats)])
    features = torch.zeros(len(transcript) + len(text), TINY.text)
    features[: len(told)] = told

    cloned, logits = sampled(parts, t2s, (torch.cat([transcript, text]), features, prompt))
    free, _ = sampled(parts, t2s, (text, features[len(transcript) :], None))
    codes = torch.tensor(cloned)
    content = torch.nn.functional.interpolate(
        vits.quantizer.decode(codes[None, None]), scale_factor=2, mode="nearest"
    )
    _, means, deviations, mask, _, _ = vits.enc_p(
        content, torch.tensor([content.shape[2]]), text[None], torch.tensor([len(text)]), voice[None, :, None]
    )
    back = vits.flow(means, mask, g=voice[None, :, None], reverse=True)
    drawn = []
    for top_k, top_p, temperature, penalty in SAMPLINGS:
        chances = parts["probabilities"](
            logits[12][None].clone(), codes[None, :12], temperature, top_k, top_p, penalty
        )
        likely = chances[0].nonzero()[:, 0]
        drawn.append({"codes": likely.tolist()[:60], "chances": rounded(chances[0][likely][:60])})
    return {
        "seed": SEED,
        "seconds": SECONDS,
        "transcript": transcript.tolist(),
        "text": text.tolist(),
        "characters": characters,
        "repeats": repeats,
        "heard": rounded(heard[0, ::31, ::5]),
        "magnitudes": rounded(magnitudes[0, ::97, ::23].T),
        "prompt": prompt.tolist(),
        "voice": rounded(voice),
        "told": rounded(told[:, ::5]),
        "cloned": cloned,
        "free": free,
        "logits": [rounded(logits[step][::19]) for step in (0, 1, LENGTH - 1)],
        "sampled": [{"settings": list(kind), **each} for kind, each in zip(SAMPLINGS, drawn, strict=True)],
        "means": rounded(means[0].T[list(ROWS)]),
        "deviations": rounded(torch.exp(deviations)[0].T[list(ROWS)]),
        "back": rounded(back[0].T[list(ROWS)]),
        "samples": {
            f"{speed:g}": rounded(decoded(vits, codes, text, magnitudes, speed)[::STRIDE]) for speed in SPEEDS
        },
    }


def rounded(numbers: Any) -> Any:
    if numbers.ndim == 1:
        return [float(f"{number:.7g}") for number in numbers.tolist()]
    return [rounded(row) for row in numbers]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    OUT.write_text(
        json.dumps(golden(parser.parse_args().source), ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
