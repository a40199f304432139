"""Recordings as other programs leave them: each is heard to its end, and its words stand where they are said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.errors import InvalidRequest
from mlxq.media.audio import UnreadableAudio, probe
from tests.support.audio import RATE, Keep, Samples, write
from tests.support.films import recording, tone
from worker.audio import decode
from worker.timeline import Timeline

#: Seconds by which codecs and containers may miss.
NEAR = 0.12
HOUR = 3600.0


def hear(path: Path, longest: float = HOUR) -> tuple[Samples, Timeline]:
    timeline = Timeline()
    return np.concatenate(list(decode(path, RATE, longest, timeline))), timeline


def pitch(samples: Samples) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples))


def loud(samples: Samples, timeline: Timeline) -> list[tuple[float, float]]:
    """When there is sound, by the recording's own time."""
    blocks = np.abs(samples[: len(samples) // 160 * 160]).reshape(-1, 160).max(axis=1) > 0.1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], blocks, [0]])))
    return [timeline.span(begin / 100, end / 100) for begin, end in edges.reshape(-1, 2)]


JOINED = {
    "adts": ("adts", "aac", 16_000, 44_100),
    "adts, slower": ("adts", "aac", 44_100, 8_000),
    "mp3": ("mp3", "libmp3lame", 16_000, 44_100),
    "mpegts": ("mpegts", "aac", 16_000, 44_100),
    "ac3": ("ac3", "ac3", 32_000, 48_000),
    "ogg, opus": ("ogg", "libopus", 48_000, 48_000),
    "ogg, flac": ("ogg", "flac", 16_000, 44_100),
    "flac": ("flac", "flac", 16_000, 44_100),
}


@pytest.mark.parametrize("channels", [("mono", "stereo"), ("stereo", "mono"), ("mono", "mono")], ids="-".join)
@pytest.mark.parametrize("name", JOINED)
def test_rate_and_channels_change_on_the_way(name: str, channels: tuple[str, str], keep: Keep) -> None:
    container, codec, first, second = JOINED[name]
    before = recording(container, codec, [(0, tone(300, 2, first))], rate=first, layout=channels[0])
    after = recording(container, codec, [(0, tone(700, 2, second))], rate=second, layout=channels[1])
    path = keep(before + after)

    samples, timeline = hear(path)

    assert timeline.time(len(samples) / RATE) == pytest.approx(4, abs=0.3)
    assert pitch(samples[RATE // 2 : RATE * 3 // 2]) == pytest.approx(300, abs=2)
    assert pitch(samples[-RATE * 3 // 2 : -RATE // 2]) == pytest.approx(700, abs=2)
    assert probe(path, HOUR).seconds == pytest.approx(4, abs=0.3)
    with pytest.raises(UnreadableAudio, match="longer than 3 s"):
        probe(path, 3)


FILMS = [("matroska", "flac"), ("mp4", "aac"), ("webm", "libopus"), ("mpegts", "aac"), ("flv", "aac")]


@pytest.mark.parametrize(("container", "codec"), FILMS, ids=[container for container, _ in FILMS])
@pytest.mark.parametrize(
    ("starts", "clock"),
    [([8.0], 0.0), ([0.0, 3.0], 0.0), ([2.0, 5.3, 30.0], 0.0), ([8.0], 5 * HOUR)],
    ids=["late", "a gap", "late, with gaps", "a clock of hours"],
)
def test_sound_stands_where_the_film_has_it(
    container: str, codec: str, starts: list[float], clock: float, keep: Keep
) -> None:
    if container in ("webm", "flv", "mpegts") and not clock:
        starts = [0.0, *(start + 2 for start in starts)]  # without pictures they begin with their sound
    rate = 44_100 if container == "flv" else 48_000
    path = keep(
        recording(
            container,
            codec,
            [(start, tone(400, 1, rate)) for start in starts],
            rate=rate,
            clock=clock,
            pictures=40 if container in ("matroska", "mp4") else 0,
        )
    )
    samples, timeline = hear(path)
    expected = starts if container in ("matroska", "mp4") or not clock else [0.0]
    assert [begin for begin, _ in loud(samples, timeline)] == pytest.approx(expected, abs=NEAR)
    assert [end for _, end in loud(samples, timeline)] == pytest.approx(
        [start + 1 for start in expected], abs=NEAR
    )


def test_a_gap_of_hours_takes_seconds(keep: Keep) -> None:
    sounds = [(0.0, tone(400, 2, 48_000)), (10 * HOUR, tone(400, 2, 48_000))]
    samples, timeline = hear(keep(recording("matroska", "flac", sounds, pictures=1)))
    assert len(samples) < 10 * RATE
    spans = np.array(loud(samples, timeline))
    assert spans == pytest.approx(np.array([[0, 2], [10 * HOUR, 10 * HOUR + 2]]), abs=NEAR)


def test_what_overlaps_is_heard_once(keep: Keep) -> None:
    sounds = [(0.0, tone(400, 3, 48_000)), (2.0, tone(800, 3, 48_000))]
    samples, _ = hear(keep(recording("mpegts", "aac", sounds)))
    assert len(samples) / RATE == pytest.approx(5, abs=NEAR)
    assert pitch(samples[-RATE:]) == pytest.approx(800, abs=2)


def test_a_clock_that_is_set_back_takes_nothing_away(keep: Keep) -> None:
    files = [recording("mpegts", "aac", [(0.0, tone(400, 2, 48_000))], clock=clock) for clock in (0, 0, HOUR)]
    samples, timeline = hear(keep(files[0] + files[1]))
    assert len(samples) / RATE == pytest.approx(4, abs=NEAR)
    samples, timeline = hear(keep(files[2] + files[0]))
    assert timeline.time(len(samples) / RATE) == pytest.approx(4, abs=NEAR)


@pytest.mark.parametrize(
    ("container", "codec"), [("ogg", "libopus"), ("webm", "libopus"), ("matroska", "flac"), ("mp4", "aac")]
)
def test_a_clock_of_days_is_no_length(container: str, codec: str, keep: Keep) -> None:
    path = keep(recording(container, codec, [(0.0, tone(400, 3, 48_000))], clock=30 * HOUR))
    assert probe(path, 4 * HOUR).seconds == pytest.approx(3, abs=NEAR)
    samples, timeline = hear(path)
    assert timeline.time(len(samples) / RATE) == pytest.approx(3, abs=NEAR)


@pytest.mark.parametrize(
    ("container", "codec", "options"), [("adts", "aac", {}), ("mp3", "libmp3lame", {"write_xing": "0"})]
)
def test_an_estimate_refuses_nothing(container: str, codec: str, options: dict[str, Any], keep: Keep) -> None:
    """Silence takes few bytes: by its first packets the rest would last for hours."""
    noise = np.random.default_rng(1).normal(0, 0.2, 55 * 22_050).astype(np.float32)
    sound = np.concatenate([np.zeros(5 * 22_050, np.float32), noise])
    path = keep(recording(container, codec, [(0.0, sound)], rate=22_050, **options))
    assert probe(path, 100).seconds == pytest.approx(60, abs=0.2)
    with pytest.raises(UnreadableAudio, match="longer than 59 s"):
        probe(path, 59)
    with pytest.raises(InvalidRequest, match="longer than 59 s"):
        hear(path, 59)


def test_a_header_that_lies_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "lying.flac", tone(400, 5, RATE))
    content = bytearray(path.read_bytes())
    # The count of samples in FLAC's header: 36 bits.
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert probe(path, 100).seconds == pytest.approx(5, abs=0.01)
