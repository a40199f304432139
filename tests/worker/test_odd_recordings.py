"""Recordings in rare forms are heard as they are, and no file makes libav do more than hear it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jobs.errors import InvalidRequest
from mlxq.media import audio
from mlxq.media.audio import UnreadableAudio, open_audio, parts_of, probe
from tests.fuzz.bodies import png
from tests.support.audio import RATE, Keep, Samples
from tests.support.films import recording, tone
from tests.support.odd_audio import FLOAT, aiff, chunk, extensible, one_block, packed_index, pcm, tag, wav
from worker.audio import decode

HOUR = 3600.0
TONE = tone(400, 1, RATE)


def hear(path: Path) -> Samples:
    return np.concatenate(list(decode(path, RATE, HOUR)))


FORMS = {
    **{f"wav, {number} channels": wav(pcm(TONE, number), channels=number) for number in (2, 3, 6, 9, 17, 64)},
    "aiff, 32 channels": aiff(TONE, 32),
    "right and low": extensible(pcm(TONE, 2), channels=2, bits=16, valid=16, mask=0b1010),
    "center and back": extensible(pcm(TONE, 2), channels=2, bits=16, valid=16, mask=0b10100),
    "18 places": extensible(pcm(TONE, 18), channels=18, bits=16, valid=16, mask=0x3FFFF),
    "24 bits in 32": extensible(pcm(TONE, 2, 32), channels=2, bits=32, valid=24, mask=3),
    "20 bits in 32": extensible(pcm(TONE, 1, 32), channels=1, bits=32, valid=20, mask=4),
    "20 bits in 24": extensible(pcm(TONE, 1, 24), channels=1, bits=24, valid=20, mask=4),
    "a tag before it": tag(100) + wav(pcm(TONE)),
}


@pytest.mark.parametrize("name", FORMS)
def test_all_channels_count_and_make_it_no_louder(name: str, keep: Keep) -> None:
    path = keep(FORMS[name])
    assert probe(path, HOUR).seconds == pytest.approx(1)
    heard = hear(path)
    assert heard.shape == TONE.shape
    assert np.abs(heard - TONE).max() < 1e-3


def test_channels_that_differ_are_all_heard(keep: Keep) -> None:
    """One speaks in the first channel of sixteen, another in the last."""
    frames = np.zeros((RATE, 17), np.float32)
    frames[:, 0], frames[:, 16] = tone(300, 1, RATE), tone(700, 1, RATE)
    heard = hear(keep(wav(pcm(frames.reshape(-1)), channels=17)))
    spectrum = np.abs(np.fft.rfft(heard))
    assert {int(place) for place in spectrum.argsort()[-2:]} == {300, 700}


@pytest.mark.parametrize("value", [3e38, -1e10, 2.5, np.nan, np.inf])
def test_samples_are_between_one_and_minus_one(value: float, keep: Keep) -> None:
    wrong = np.where(np.arange(RATE) % 5, TONE, np.float32(value)).astype("<f4")
    heard = hear(keep(wav(wrong.tobytes(), bits=32, kind=FLOAT)))
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 1


def test_a_count_of_nothing_is_no_length(keep: Keep) -> None:
    assert probe(keep(aiff(TONE, 1, frames=0)), HOUR).seconds == pytest.approx(1)


@pytest.mark.parametrize("samples", [5_000_000, 20_000_000])
def test_a_block_of_hours_is_not_decoded(samples: int, keep: Keep) -> None:
    """At a rate of models it would take gigabytes."""
    path = keep(one_block(samples, 2_000))
    with pytest.raises(UnreadableAudio, match="no sound"):
        probe(path, 4 * HOUR)
    with pytest.raises(InvalidRequest, match="broken"):
        list(decode(path, RATE, 4 * HOUR))
    assert probe(keep(one_block(20_000, 2_000)), HOUR).seconds == pytest.approx(10, abs=0.1)


def test_an_index_that_unpacks_to_much_is_not_unpacked(keep: Keep) -> None:
    film = recording("mp4", "aac", [(0.0, tone(400, 1, 48_000))])
    assert probe(keep(packed_index(film, 1 << 20)), HOUR).seconds == pytest.approx(1, abs=0.1)
    with pytest.raises(UnreadableAudio, match="broken"):
        probe(keep(packed_index(film, 200 << 20)), HOUR)


TAGGED: dict[str, Callable[[bytes], bytes]] = {
    "mp3": lambda tag: tag + recording("mp3", "libmp3lame", [(0.0, TONE)], rate=RATE),
    "mp3, two": lambda tag: tag + tag + recording("mp3", "libmp3lame", [(0.0, TONE)], rate=RATE),
    "aac": lambda tag: tag + recording("adts", "aac", [(0.0, TONE)], rate=RATE),
    "flac": lambda tag: tag + recording("flac", "flac", [(0.0, TONE)], rate=RATE),
    "wav": lambda tag: wav(pcm(TONE), more=chunk(b"id3 ", tag)),
    "wav, far in": lambda tag: wav(pcm(TONE), more=chunk(b"junk", bytes(131_000)) + chunk(b"ID3 ", tag)),
}


@pytest.mark.parametrize("kind", TAGGED)
def test_what_is_packed_in_tags_stays_there(kind: str, keep: Keep) -> None:
    path = keep(TAGGED[kind](tag(1 << 20, png())))
    assert probe(path, HOUR).seconds == pytest.approx(1, abs=0.1)
    assert np.abs(hear(path)).max() == pytest.approx(0.5, abs=0.05)
    with open_audio(path, parts_of(path)[0]) as (container, _):
        assert "packed" not in container.metadata


def test_pictures_are_not_looked_at(keep: Keep) -> None:
    """A cover of 2 MB may take 2 GB."""
    path = keep(recording("matroska", "aac", [(0.0, tone(400, 1, 48_000))], pictures=1))
    with open_audio(path, parts_of(path)[0]) as (container, _):
        assert container.streams.video[0].codec_context.pix_fmt is None


def test_a_file_of_tags_is_no_recording(keep: Keep) -> None:
    for content in (tag(100), tag(100) * 1_001 + wav(pcm(TONE)), tag(100)[:-5]):
        with pytest.raises(UnreadableAudio, match="broken"):
            probe(keep(content), HOUR)


def test_a_file_that_takes_long_to_open_is_given_up(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "_OPENING", -1.0)
    with pytest.raises(UnreadableAudio, match="too long to open"):
        probe(keep(wav(pcm(TONE))), HOUR)


def test_packets_are_counted_up_to_a_number(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has more is not refused: who hears it counts its seconds."""
    path = keep(recording("mp3", "libmp3lame", [(0.0, tone(400, 20, RATE))], rate=RATE))
    assert probe(path, HOUR).seconds == pytest.approx(20, abs=0.1)
    monkeypatch.setattr(audio, "_MOST_PACKETS", 100)
    assert 1 < probe(path, HOUR).seconds < 5
    with pytest.raises(InvalidRequest, match="longer than 10 s"):
        list(decode(path, RATE, 10))
