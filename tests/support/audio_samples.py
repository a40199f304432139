"""Recordings made of nothing, and what can be told of a sound."""

import io
import wave

import miniaudio
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]


def hum(pitch: float = 220, seconds: float = 0.6, rate: int = 16_000, loudness: float = 0.3) -> bytes:
    """A voice of a sort, as a WAV file: a tone with overtones that swells and fades."""
    time = np.arange(int(rate * seconds)) / rate
    tone = sum(np.sin(2 * np.pi * pitch * part * time) / part for part in (1, 2, 3, 5))
    samples = loudness * tone * (1 + np.sin(2 * np.pi * 4 * time)) / 2
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        writer.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def stereo(file: bytes) -> bytes:
    """The same WAV file with its only channel twice."""
    with wave.open(io.BytesIO(file)) as reader:
        rate = reader.getframerate()
    both = io.BytesIO()
    with wave.open(both, "wb") as writer:
        writer.setparams((2, 2, rate, 0, "NONE", "not compressed"))
        writer.writeframes((np.repeat(samples_of(file), 2) * 32768).astype("<i2").tobytes())
    return both.getvalue()


def samples_of(file: bytes) -> Samples:
    """The samples of a WAV file of 16 bits, between -1 and 1, also of one whose head does not know its length."""
    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        return np.frombuffer(reader.readframes(reader.getnframes()), "<i2") / 32768


def seconds_of(file: bytes, form: str) -> float:
    """How long a file is by a decoder that has nothing to do with the one that made it, where there is one."""
    if form == "pcm":
        return len(file) / 2 / 24_000
    if form == "wav":
        with wave.open(io.BytesIO(file)) as reader:
            return float(reader.getnframes() / reader.getframerate())
    if form in ("mp3", "flac"):
        decoded = miniaudio.decode(file)
        return float(len(decoded.samples) / decoded.nchannels / decoded.sample_rate)
    return _by_its_frames(file, form)


def _by_its_frames(file: bytes, form: str) -> float:
    """Ogg's and ADTS' own account of their length, read by hand: no decoder is needed for it."""
    if form == "opus":
        assert file[:4] == b"OggS" and file[28:36] == b"OpusHead"  # noqa: PT018
        skip = int.from_bytes(file[38:40], "little")
        last = file.rindex(b"OggS")
        return (int.from_bytes(file[last + 6 : last + 14], "little") - skip) / 48_000
    rates = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
    place = frames = rate = 0
    while place < len(file):
        assert file[place] == 0xFF and file[place + 1] & 0xF6 == 0xF0, "no ADTS frame"  # noqa: PT018
        rate = rates[(file[place + 2] >> 2) & 15]
        place += ((file[place + 3] & 3) << 11) | (file[place + 4] << 3) | (file[place + 5] >> 5)
        frames += 1
    assert place == len(file)
    return frames * 1024 / rate
