"""Files of weights with a single tensor: enough for a model to be known, and for nothing else."""

import struct
from pathlib import Path

_HEADER = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}'


def weights(size: int = 100) -> bytes:
    """A safetensors file whose tensor has so many bytes."""
    header = _HEADER % (size, size)
    return struct.pack("<Q", len(header)) + header + bytes(size)


def put_codec(folder: Path) -> None:
    """The codec without which no Qwen3-TTS is complete."""
    codec = folder / "speech_tokenizer"
    codec.mkdir(parents=True)
    (codec / "config.json").write_text("{}")
    (codec / "model.safetensors").write_bytes(weights())
