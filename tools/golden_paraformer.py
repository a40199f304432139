"""Make tests/engines/golden/paraformer.json: what FunASR's own classes answer with a tiny Paraformer.

It needs PyTorch (CPU) and FunASR, which the project does not have; in an environment of its own:
`pip install torch && pip install --no-deps funasr==1.4.16`, then kaldi-native-fbank, rapidfuzz, six, kaldiio,
librosa, pyyaml, omegaconf, hydra-core, torch_complex, scipy, tqdm, requests and safetensors. From the repository:

    python -m tools.golden_paraformer
    python -m tools.golden_paraformer --full FOLDER

The second makes a checkpoint of the real size in FOLDER and FunASR's answer beside it, for
`python -m tools.compare_paraformer FOLDER` in the project's environment.
"""

# FunASR and PyTorch are not there when types are checked.
# mypy: disable-error-code="import-not-found, untyped-decorator"

import argparse
import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from funasr.frontends.wav_frontend import WavFrontend
from funasr.models.paraformer.cif_predictor import CifPredictorV2  # noqa: F401 (registers itself)
from funasr.models.paraformer.decoder import ParaformerSANMDecoder  # noqa: F401
from funasr.models.paraformer.model import Paraformer
from funasr.models.sanm.encoder import SANMEncoder  # noqa: F401
from funasr.tokenizer.char_tokenizer import CharTokenizer
from funasr.utils.postprocess_utils import sentence_postprocess
from safetensors.numpy import load_file

from tests.support.paraformer_checkpoint import FULL, TINY, TOKENS, Sizes, paraformer_checkpoint, sound

OUT = Path(__file__).parents[1] / "tests" / "engines" / "golden" / "paraformer.json"
SEED = 11
#: Seconds: some that are no whole number of frames, one with a single feature frame, one without any token.
SECONDS = [3.0, 1.637, 0.5, 0.13, 0.04]
#: Sentences of every kind of word; random ones come to them.
SENTENCES = [
    "你 好 世 界",
    "hello world",
    "he@@ llo@@ ther",
    "s@@ pea@@ king of the good mo@@ ther",
    "u s a",
    "we play i s",
    "i think it's a good day",
    "今 天 hello 世 界",
    "今 天 hello world 很 好",
    "我 们 去 看 u s 电 影",
    "一 二 a 三 b c 四",
    "<unk> 你 <unk> hello <s> 好 </s>",
    "a",
    "<unk>",
    "",
]


def reference(folder: Path, sizes: Sizes) -> tuple[WavFrontend, Paraformer, CharTokenizer]:
    """FunASR's parts with a folder's weights, in the configuration of paraformer-large."""
    attention: dict[str, Any] = {
        "attention_heads": 4,
        "linear_units": sizes.hidden,
        "kernel_size": sizes.kernel,
    }
    model = Paraformer(
        encoder="SANMEncoder",
        encoder_conf={
            **attention,
            "output_size": sizes.width,
            "num_blocks": sizes.encoder_layers,
            "input_layer": "pe",
            "sanm_shfit": 0,
        },
        decoder="ParaformerSANMDecoder",
        decoder_conf={
            **attention,
            "num_blocks": sizes.decoder_layers,
            "att_layer_num": sizes.decoder_layers,
            "sanm_shfit": 0,
        },
        predictor="CifPredictorV2",
        predictor_conf={
            "idim": sizes.width,
            "threshold": 1.0,
            "l_order": 1,
            "r_order": 1,
            "tail_threshold": 0.45,
        },
        ctc_weight=0.0,
        input_size=sizes.features,
        vocab_size=sizes.vocabulary,
    )
    weights = {
        theirs(name): torch.from_numpy(value)
        for name, value in load_file(folder / "paraformer.safetensors").items()
    }
    model.load_state_dict(weights, strict=True)
    model.eval()
    frontend = WavFrontend(cmvn_file=str(folder / "am.mvn"), lfr_m=7, lfr_n=6, n_mels=80, dither=0.0)
    tokens = (folder / "tokens.txt").read_text(encoding="utf-8").split()
    return frontend, model, CharTokenizer(token_list=tokens, unk_symbol="<unk>")


def theirs(name: str) -> str:
    """FunASR's name of a tensor of paraformer.safetensors."""
    part, _, rest = name.partition(".")
    stack = {"encoder": "encoders", "decoder": "decoders"}.get(part, "")
    for ours, funasr in (
        ("layers.", f"{stack}."),
        ("ffn.up_proj.", "feed_forward.w_1."),
        ("ffn.down_proj.", "feed_forward.w_2."),
        ("_attn.out_proj.", "_attn.linear_out."),
        ("q_proj.", "linear_q."),
    ):
        rest = rest.replace(ours, funasr)
    if part == "predictor":
        rest = rest.replace("conv.", "cif_conv1d.").replace("output_proj.", "cif_output.")
    return f"{part}.{rest.replace('output_proj.', 'output_layer.')}"


@torch.no_grad()
def answer(parts: tuple[WavFrontend, Paraformer, CharTokenizer], samples: Any) -> dict[str, Any]:
    """Each stage's numbers, and the text that FunASR's own `inference` makes of the sound."""
    frontend, model, tokenizer = parts
    features, lengths = frontend(torch.from_numpy(samples)[None], [len(samples)])
    encoded, lengths = model.encode(features, lengths)
    embeddings, count, weights, _ = model.calc_predictor(encoded, lengths)
    tokens = int(count.item())
    logprobs = np.zeros((0, model.vocab_size), dtype=np.float32)
    text = ""
    if tokens:
        logprobs = model.cal_decoder_with_predictor(encoded, lengths, embeddings, count.long())[0][0].numpy()
        result, _ = model.inference(
            samples, key=["sound"], tokenizer=tokenizer, frontend=frontend, device="cpu", data_type="sound"
        )
        text = result[0]["text"]
    return {
        "features": features[0].numpy(),
        "encoded": encoded[0].numpy(),
        # Without the empty frame at the end.
        "weights": weights[0, :-1].numpy(),
        "logprobs": logprobs,
        "ids": logprobs.argmax(axis=-1).tolist(),
        "text": text,
    }


def sentences() -> list[dict[str, Any]]:
    """Tokens, and FunASR's text and words of them. No piece is left without its end: FunASR loses those."""
    source = random.Random(SEED)
    pieces = [token for token in TOKENS if "@@" in token]
    ends = [token for token in TOKENS[3:] if "@@" not in token]
    drawn = [sentence.split() for sentence in SENTENCES]
    for _ in range(60):
        tokens: list[str] = []
        for _ in range(source.randint(1, 8)):
            if source.random() < 0.2:
                tokens += [*source.choices(pieces, k=source.randint(1, 2)), "ther"]
            else:
                tokens.append(source.choice(ends))
        drawn.append(tokens)
    table = []
    for tokens in drawn:
        text, words = sentence_postprocess(list(tokens))
        table.append({"tokens": tokens, "text": text, "words": words})
    return table


def rounded(numbers: Any) -> Any:
    return (
        [float(f"{number:.7g}") for number in numbers]
        if numbers.ndim == 1
        else [rounded(row) for row in numbers]
    )


def golden() -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        parts = reference(paraformer_checkpoint(Path(folder), SEED, TINY), TINY)
        clips = []
        for seconds in SECONDS:
            numbers = answer(parts, sound(seconds, SEED))
            clips.append(
                {
                    "seconds": seconds,
                    "frames": len(numbers["features"]),
                    # Every frame, but not every number of it.
                    "features": rounded(numbers["features"][:, ::37]),
                    "encoded": rounded(numbers["encoded"][:, ::7]),
                    "weights": rounded(numbers["weights"]),
                    "logprobs": rounded(numbers["logprobs"]),
                    "ids": numbers["ids"],
                    "text": numbers["text"],
                }
            )
    return {"seed": SEED, "clips": clips, "sentences": sentences()}


def full(folder: Path) -> None:
    """The real size: checkpoint and answers to two sounds, in `folder`."""
    parts = reference(paraformer_checkpoint(folder, SEED, FULL), FULL)
    for seconds in (20.0, 3.0):
        numbers = answer(parts, sound(seconds, SEED))
        np.savez(folder / f"answer-{seconds:g}.npz", seconds=seconds, seed=SEED, **numbers)
        print(f"{seconds:g} s: {len(numbers['features'])} frames, {len(numbers['ids'])} tokens")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", type=Path)
    arguments = parser.parse_args()
    if arguments.full:
        full(arguments.full)
        return
    OUT.write_text(json.dumps(golden(), ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
