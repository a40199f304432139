"""Files of sound written by hand: forms that are rare, and such that are made to cost much."""

import struct
import zlib

import numpy as np

from tests.support.audio import RATE, Samples

#: PCM and floats, in a WAV file.
PCM, FLOAT = 1, 3
_GUID = bytes.fromhex("000000001000800000aa00389b71")


def wav(
    data: bytes, *, rate: int = RATE, channels: int = 1, bits: int = 16, kind: int = PCM, more: bytes = b""
) -> bytes:
    """`more`: chunks before the samples."""
    align = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * align, align, bits)
    return _riff(chunk(b"fmt ", form) + more + chunk(b"data", data))


def extensible(data: bytes, *, channels: int, bits: int, valid: int, mask: int) -> bytes:
    """WAVEFORMATEXTENSIBLE: `valid` of the bits of each sample, and the places of the channels."""
    align = channels * bits // 8
    form = struct.pack("<HHIIHH", 0xFFFE, channels, RATE, RATE * align, align, bits)
    form += struct.pack("<HHIH", 22, valid, mask, PCM) + _GUID
    return _riff(chunk(b"fmt ", form) + chunk(b"data", data))


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def pcm(samples: Samples, channels: int = 1, bits: int = 16) -> bytes:
    """The same samples in each channel."""
    whole = np.round(np.repeat(samples, channels).astype(np.float64) * (2 ** (bits - 1) - 1)).astype("<i4")
    data: bytes = whole.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()
    return data


def aiff(samples: Samples, channels: int, *, frames: int | None = None) -> bytes:
    """`frames`: how many its header tells."""
    data = np.round(np.repeat(samples, channels) * 32767).astype(">i2").tobytes()
    # The rate is a float of 80 bits.
    rate = struct.pack(">HQ", 16383 + RATE.bit_length() - 1, RATE << (64 - RATE.bit_length()))
    common = struct.pack(">hIh", channels, len(samples) if frames is None else frames, 16) + rate
    chunks = _box(b"COMM", common) + _box(b"SSND", bytes(8) + data)
    return b"FORM" + struct.pack(">I", 4 + len(chunks)) + b"AIFF" + chunks


def _box(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">I", len(data)) + data


def tag(text: int = 0, cover: bytes = b"") -> bytes:
    """An ID3 tag with a text of so many bytes, which is packed, and a cover."""
    frames = b""
    if text:
        packed = zlib.compress(b"\0packed\0" + b"x" * text)
        frames += b"TXXX" + _seven_bits(len(packed) + 4) + b"\0\x09" + _seven_bits(text + 8) + packed
    if cover:
        image = b"\0image/png\0\3\0" + cover
        frames += b"APIC" + _seven_bits(len(image)) + b"\0\0" + image
    return b"ID3\4\0\0" + _seven_bits(len(frames)) + frames


def _seven_bits(number: int) -> bytes:
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


def one_block(samples: int, rate: int) -> bytes:
    """A Matroska file of silence, all of whose samples are in one block."""
    audio = _ebml("b5", struct.pack(">d", rate)) + _ebml("9f", b"\1") + _ebml("6264", b"\x08")
    track = _ebml("d7", b"\1") + _ebml("73c5", b"\1") + _ebml("83", b"\2") + _ebml("86", b"A_PCM/INT/LIT")
    cluster = _ebml("e7", b"\0") + _ebml("a3", b"\x81\0\0\x80" + b"\x80" * samples)
    segment = (
        _ebml("1549a966", _ebml("2ad7b1", (1_000_000).to_bytes(3, "big")))
        + _ebml("1654ae6b", _ebml("ae", track + _ebml("e1", audio)))
        + _ebml("1f43b675", cluster)
    )
    return _ebml("1a45dfa3", _ebml("4282", b"matroska")) + _ebml("18538067", segment)


def _ebml(name: str, data: bytes) -> bytes:
    return bytes.fromhex(name) + (len(data) | 1 << 56).to_bytes(8, "big") + data


def packed_index(mp4: bytes, padding: int) -> bytes:
    """The same film with its index packed, as early QuickTime did, and so many bytes of nothing in it."""
    at = mp4.index(b"moov") - 4
    index = mp4[at : at + int.from_bytes(mp4[at : at + 4], "big")]
    inner = _atom(b"moov", index[8:] + _atom(b"free", bytes(padding)))
    packed = _atom(b"dcom", b"zlib") + _atom(b"cmvd", struct.pack(">I", len(inner)) + zlib.compress(inner))
    return mp4[:at] + _atom(b"moov", _atom(b"cmov", packed)) + mp4[at + len(index) :]


def _atom(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data
