"""Sound on its way into files: six formats, piece by piece, faster and slower."""

import io

import av
import miniaudio
import numpy as np
import numpy.typing as npt
import pytest

from jobs.errors import EngineFailure
from mlxq.media.formats import SPEECH_TYPES
from tests.support.audio_samples import seconds_of
from worker.encoder import Encoder
from worker.time_stretch import TimeStretch

Samples = npt.NDArray[np.float32]
SECONDS = 8.3


def tone(rate: int, seconds: float = SECONDS, pitch: float = 440) -> Samples:
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def pieces(samples: Samples, size: int) -> list[Samples]:
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def encoded(form: str, samples: Samples, rate: int, *, live: bool) -> tuple[list[bytes], bytes]:
    """What came out on the way, and the file."""
    encoder = Encoder(form, rate, live=live)
    out = [encoder.encode(piece) for piece in pieces(samples, rate // 4)]
    assert encoder.duration == pytest.approx(len(samples) / rate)
    return [*out, encoder.finish()], encoder.data


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 44_100])
@pytest.mark.parametrize("form", SPEECH_TYPES)
def test_a_file_is_as_long_as_its_sound(form: str, rate: int) -> None:
    out, file = encoded(form, tone(rate), rate, live=True)
    sent = b"".join(out)
    assert len(sent) == len(file)
    assert sent[100:] == file[100:]
    assert seconds_of(file, form) == pytest.approx(SECONDS, rel=0.02)
    if form not in ("wav", "flac"):
        assert sent == file


@pytest.mark.parametrize("live", [True, False], ids=["stream", "file"])
@pytest.mark.parametrize("seconds", [0.5, 0.53, 0.8, 1.3])
@pytest.mark.parametrize("form", ["mp3", "aac", "opus"])
def test_a_short_clip_is_as_long_as_its_sound_to_every_decoder(form: str, seconds: float, live: bool) -> None:
    """Codecs add 20 to 60 ms: their silence is told in the file or left out of it."""
    for rate in (16_000, 24_000, 44_100):
        _, file = encoded(form, tone(rate, seconds), rate, live=live)
        with av.open(io.BytesIO(file), "r") as container:
            played = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
        assert [played, seconds_of(file, form)] == pytest.approx([seconds] * 2, rel=0.02)


@pytest.mark.parametrize("form", ["mp3", "aac"])
def test_a_sound_begins_where_it_began(form: str) -> None:
    """Half a second of silence, then a tone."""
    samples = np.concatenate([np.zeros(12_000, np.float32), tone(24_000, 1)])
    for live in (True, False):
        _, file = encoded(form, samples, 24_000, live=live)
        with av.open(io.BytesIO(file), "r") as container:
            heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        begin = np.flatnonzero(np.abs(heard) > 0.1)[0] / 48_000
        assert begin == pytest.approx(0.5, abs=0.01)
        assert np.abs(heard[40_000:60_000]).max() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("form", SPEECH_TYPES)
def test_bytes_come_with_the_first_half_second(form: str) -> None:
    out, file = encoded(form, tone(24_000), 24_000, live=True)
    # A few frames at least, more than any head.
    assert 500 < len(b"".join(out[:2])) < len(file) / 4


@pytest.mark.parametrize("form", SPEECH_TYPES)
def test_nothing_depends_on_chance(form: str) -> None:
    first = encoded(form, tone(24_000), 24_000, live=True)
    assert encoded(form, tone(24_000), 24_000, live=True) == first


@pytest.mark.parametrize("form", ["wav", "mp3", "flac"])
def test_a_whole_file_is_exact(form: str) -> None:
    _, file = encoded(form, tone(24_000), 24_000, live=False)
    assert seconds_of(file, form) == pytest.approx(SECONDS, abs=1e-3)
    rate = 48_000 if form == "mp3" else 24_000
    decoded = miniaudio.decode(file, nchannels=1, sample_rate=rate)
    heard = np.array(decoded.samples[rate // 2 : rate * 7 // 2]) / 32768
    assert np.abs(heard - tone(rate)[rate // 2 : rate * 7 // 2]).max() < (0.03 if form == "mp3" else 1e-4)


def test_too_loud_is_cut_and_no_number_is_refused() -> None:
    encoder = Encoder("pcm", 24_000, live=True)
    samples = np.frombuffer(encoder.encode(np.full(2400, 3, np.float32)) + encoder.finish(), "<i2")
    assert (samples == 32767).all()
    with pytest.raises(EngineFailure):
        Encoder("pcm", 24_000, live=True).encode(np.full(10, np.nan, np.float32))


@pytest.mark.parametrize("speed", [0.25, 0.7, 1.5, 2.0, 4.0])
def test_speed_changes_the_length_and_not_the_pitch(speed: float) -> None:
    tempo = TimeStretch(24_000, speed)
    out = [tempo.stretch(piece) for piece in pieces(tone(24_000, 5), 4000)]
    heard = np.concatenate([*out, tempo.finish()])
    assert len(heard) / 24_000 == pytest.approx(5 / speed, rel=0.01)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert spectrum.argmax() * 24_000 / len(heard) == pytest.approx(440, abs=2)
