"""Paraformer answers what FunASR answers, from the same files; and its text, times and long recordings."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from jobs.errors import InvalidRequest
from tests.support.paraformer_checkpoint import RATE, TINY, Sizes, cmvn, paraformer_checkpoint, sound
from worker.engines.asr.paraformer import Paraformer, load
from worker.engines.asr.paraformer.frontend import Frontend, read_cmvn
from worker.engines.asr.paraformer.model import load as load_network
from worker.engines.asr.paraformer.predictor import integrate, times
from worker.engines.asr.paraformer.text import join, words
from worker.engines.asr.pieces import Pieces
from worker.engines.asr.transcription import Options, Piece

#: tools/golden_paraformer.py makes it.
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "paraformer.json").read_text("utf-8"))
SEED: int = GOLDEN["seed"]
WORDS = Options(words=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paraformer_checkpoint(tmp_path_factory.mktemp("models") / "paraformer", SEED)


@pytest.fixture(scope="module")
def recogniser(folder: Path) -> Paraformer:
    return load(folder)


def close(numbers: Any, expected: Any) -> None:
    np.testing.assert_allclose(
        np.array(numbers), np.array(expected).reshape(numbers.shape), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("clip", GOLDEN["clips"], ids=lambda clip: f"{clip['seconds']} s")
def test_each_stage_equals_funasr(clip: dict[str, Any], folder: Path, recogniser: Paraformer) -> None:
    samples = sound(clip["seconds"], SEED)
    network = load_network(folder / "paraformer.safetensors")
    features = Frontend(*read_cmvn(folder / "am.mvn"))(samples)
    assert features.shape == (clip["frames"], TINY.features)
    close(features[:, ::37], clip["features"])
    close(network.encoder(mx.array(features)[None])[0, :, ::7], clip["encoded"])
    weights, logprobs = network(features)
    close(weights, clip["weights"])
    close(logprobs, clip["logprobs"])
    assert np.array(logprobs).argmax(axis=-1).tolist() == clip["ids"]
    assert recogniser.recognise(samples, Options(), 0.0).text == clip["text"]


def test_the_clips_have_something_to_compare() -> None:
    assert len({id_ for clip in GOLDEN["clips"] for id_ in clip["ids"]}) > 5
    assert [] in [clip["ids"] for clip in GOLDEN["clips"]]


def test_text_is_what_funasr_makes_of_the_tokens() -> None:
    for sentence in GOLDEN["sentences"]:
        spoken = words(sentence["tokens"])
        assert (join(spoken), [word.text for word in spoken]) == (sentence["text"], sentence["words"])


@pytest.mark.parametrize(
    ("tokens", "text", "spans"),
    [
        # FunASR leaves out, or puts elsewhere, a piece whose word never ends.
        ("he@@ 好", "he好", [(0, 0), (1, 1)]),
        ("good mo@@", "good mo", [(0, 0), (1, 1)]),
        ("un@@ der s@@ pea@@ king", "under speaking", [(0, 1), (2, 4)]),
        ("<unk> u <s> s 天 a", "US天a", [(1, 3), (4, 4), (5, 5)]),
    ],
)
def test_words_know_their_tokens(tokens: str, text: str, spans: list[tuple[int, int]]) -> None:
    spoken = words(tokens.split())
    assert join(spoken) == text
    assert [(word.first, word.last) for word in spoken] == spans


def test_tokens_take_the_frames_whose_weights_complete_them() -> None:
    shares = integrate(np.array([0.5, 0.75, 0.25, 0.9, 0.2]))
    # The third token lacked 0.4, which the empty frame at the end has.
    np.testing.assert_allclose(shares, [[0.5, 0.5, 0, 0, 0], [0, 0.25, 0.25, 0.5, 0], [0, 0, 0, 0.4, 0.2]])
    assert integrate(np.array([0.3, 0.2])).shape == (0, 2)


def test_a_pause_belongs_to_no_token() -> None:
    weights = np.zeros(50)
    weights[[5, 8, 30]] = 1
    spans = times(weights, seconds=2.3)
    np.testing.assert_allclose(spans, [(0.21, 0.39), (0.39, 1.11), (1.71, 2.3)])


def test_a_long_recording_is_heard_piece_by_piece(recogniser: Paraformer) -> None:
    samples = sound(50, SEED)
    heard: list[Piece] = []
    ends: list[float] = []
    reading = Pieces(recogniser).read(iter(np.array_split(samples, 40)), WORDS)
    while not reading.ended:
        piece = reading.step()
        assert piece is not None
        heard.append(piece)
        ends.append(reading.done)
    assert len(heard) >= 3
    assert max(np.diff([0.0, *ends])) <= recogniser.piece_seconds
    assert ends[-1] == len(samples) / RATE

    for start, end, piece in zip([0.0, *ends], ends, heard, strict=False):
        assert piece.language in ("zh", "en")
        for told in (piece.segments, piece.words):
            edges = np.array([(each.start, each.end) for each in told])
            assert (edges[:, 0] <= edges[:, 1]).all()
            assert (edges[1:, 0] >= edges[:-1, 1]).all()
            assert start <= edges[0, 0]
            assert edges[-1, 1] <= end + 1e-6
        for texts in ([each.text for each in piece.segments], [each.word for each in piece.words]):
            assert "".join(texts).replace(" ", "") == piece.text.replace(" ", "")
        assert all(segment.avg_logprob is not None and segment.avg_logprob < 0 for segment in piece.segments)


def test_each_piece_is_what_it_is_alone_but_for_its_place(recogniser: Paraformer) -> None:
    samples = sound(3, SEED)
    here, later = (recogniser.recognise(samples, WORDS, offset) for offset in (0.0, 100.0))
    assert (here.text, len(here.words)) == (later.text, len(later.words))
    shifts = [after.start - before.start for before, after in zip(here.words, later.words, strict=True)]
    np.testing.assert_allclose(shifts, 100.0)
    assert recogniser.recognise(samples, Options(), 0.0).words == []


@pytest.mark.parametrize("samples", [0, 1, 399, 400])
def test_hardly_any_sound_has_no_text(samples: int, recogniser: Paraformer) -> None:
    assert recogniser.recognise(sound(1, SEED)[:samples], WORDS, 0.0).text == ""


def test_it_does_not_translate(recogniser: Paraformer) -> None:
    with pytest.raises(InvalidRequest, match="does not translate"):
        recogniser.recognise(sound(1, SEED), Options(translate=True), 0.0)


def test_sizes_come_from_the_tensors(tmp_path: Path) -> None:
    odd = Sizes(280, 32, 48, 2, 1, 5, 40)
    piece = load(paraformer_checkpoint(tmp_path, SEED, odd)).recognise(sound(5, SEED), WORDS, 0.0)
    assert piece.words


def test_files_that_do_not_belong_together_are_refused(folder: Path, tmp_path: Path) -> None:
    def broken(name: str, content: str) -> Path:
        place = tmp_path / name
        place.mkdir()
        for file in folder.iterdir():
            (place / file.name).symlink_to(file)
        (place / name).unlink()
        (place / name).write_text(content)
        return place

    with pytest.raises(ValueError, match=r"tokens in tokens\.txt"):
        load(broken("tokens.txt", "<blank>\n<s>\n"))
    place = broken("am.mvn", cmvn(70, SEED))
    with pytest.raises(ValueError, match=r"560 numbers in am\.mvn"):
        load(place)
    (place / "am.mvn").write_text("<Nnet>\n</Nnet>\n")
    with pytest.raises(ValueError, match="<AddShift>"):
        load(place)
    other = tmp_path / "other.safetensors"
    mx.save_safetensors(str(other), {"model.norm.weight": mx.ones(4)})
    with pytest.raises(ValueError, match="not a Paraformer"):
        load_network(other)
