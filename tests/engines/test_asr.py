"""Speech-to-text by itself: each family hears what its library hears, in pieces and in little steps."""

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_whisper
import numpy as np
import psutil
import pytest
from mlx_audio.stt.utils import load_model
from mlx_whisper import decoding, timing
from mlx_whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram

from config.settings import Settings
from jobs.blobs import BlobStore, LocalBlobs
from jobs.errors import InvalidRequest
from jobs.kinds import Category
from mlxq.catalog import Catalog
from tests.support.asr_checkpoints import (
    random_parakeet,
    random_qwen3_asr,
    random_sensevoice,
    random_whisper,
)
from tests.support.audio import RATE, Samples, as_played, speech, write
from tests.support.events import plain
from tests.support.payloads import typed
from worker.engines.asr import engine, family, whisper
from worker.engines.asr.pieces import cut
from worker.engines.asr.transcription import Options, Piece, TranscriptionEngine
from worker.engines.asr.whisper_mel import Spectrogram
from worker.engines.base import Delta, Done, Failed, Output, Progress


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_whisper(tmp_path_factory.mktemp("asr") / "whisper")


@pytest.fixture
def fair_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's draws are all the same, for the random state is compiled into them."""
    monkeypatch.setattr(
        decoding, "categorical", lambda logits, temperature: mx.random.categorical(logits / temperature)
    )


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library compiles this for seconds; a few words need less."""
    for name in ("dtw_cpu", "backtrace"):
        monkeypatch.setattr(timing, name, getattr(timing, name).py_func)


def bits(samples: Samples) -> Iterator[Samples]:
    return iter(np.array_split(samples, max(1, len(samples) // 5000)))


def read(folder: Path, samples: Samples, **options: Any) -> tuple[str, list[Piece]]:
    reading = whisper.load(folder).read(bits(samples), Options(**options))
    pieces = []
    while not reading.ended:
        piece = reading.step()
        pieces += [piece] if piece is not None else []
    return "".join(piece.text for piece in pieces), pieces


def library(folder: Path, samples: Samples, seed: int = 0, **options: Any) -> dict[str, Any]:
    mlx_whisper.transcribe.__globals__["ModelHolder"].get_model(str(folder), mx.float32)
    mx.random.seed(seed)
    said: dict[str, Any] = mlx_whisper.transcribe(samples, path_or_hf_repo=str(folder), fp16=False, **options)
    return said


@pytest.mark.usefixtures("fair_library", "interpreted")
@pytest.mark.parametrize(
    ("seconds", "ours", "theirs"),
    [
        (0.3, {}, {}),
        (40, {}, {}),
        (35, {"words": True}, {"word_timestamps": True}),
        (
            20,
            {"prompt": "Ada, Bo.", "language": "de"},
            {"initial_prompt": "Ada, Bo.", "language": "de"},
        ),
        (
            20,
            {"translate": True, "temperature": 0.4, "seed": 5},
            {"task": "translate", "temperature": 0.4, "seed": 5},
        ),
    ],
    ids=["a moment", "several windows", "words", "prompt and language", "translation, drawn"],
)
def test_whisper_says_what_the_library_says(
    whisper_folder: Path, seconds: float, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    samples = speech(seconds, seed=3)
    said = library(whisper_folder, samples, **theirs)
    text, pieces = read(whisper_folder, samples, **ours)
    assert text == said["text"]
    assert "!" not in text
    assert pieces[-1].language == said["language"]
    spoken = [segment for segment in said["segments"] if segment["text"]]
    segments = [segment for piece in pieces for segment in piece.segments]
    for name in ("start", "end", "text", "tokens", "temperature", "compression_ratio"):
        assert [getattr(segment, name) for segment in segments] == [segment[name] for segment in spoken]
    for name in ("avg_logprob", "no_speech_prob"):
        assert [getattr(segment, name) for segment in segments] == pytest.approx(
            [segment[name] for segment in spoken], abs=1e-4
        )
    assert [(word.word, word.start, word.end) for piece in pieces for word in piece.words] == [
        (word["word"].strip(), word["start"], word["end"])
        for segment in spoken
        for word in segment.get("words", ())
    ]


def test_after_two_timestamps_comes_text_where_the_library_knows_nothing_to_say(whisper_folder: Path) -> None:
    """mlx_whisper 0.4.3 forbids text because a third timestamp is likely, and forbids that one too."""
    samples, prompt = speech(40, seed=3), "Hello there"
    assert "!" in library(whisper_folder, samples, initial_prompt=prompt, language="de")["text"]
    text, _ = read(whisper_folder, samples, prompt=prompt, language="de")
    assert text
    assert "!" not in text


@pytest.mark.parametrize("prompt", ["Ada <|endoftext|> Bo", "<|startoftranscript|><|de|>", "<|0.00|>"])
def test_markers_in_a_prompt_are_text(whisper_folder: Path, prompt: str) -> None:
    samples = speech(20, seed=3)
    text, _ = read(whisper_folder, samples, prompt=prompt, language="en")
    assert text == read(whisper_folder, samples, prompt=f" {prompt} ", language="en")[0]
    assert "<|" not in text


@pytest.mark.parametrize("language", ["yue", "Cantonese", "yue-HK"])
def test_a_language_of_newer_models_is_none_of_this_one(whisper_folder: Path, language: str) -> None:
    with pytest.raises(InvalidRequest, match=r"none of the model's languages: .*jw, su\.$"):
        read(whisper_folder, speech(1), language=language)


def test_the_spectrogram_of_a_stream_is_that_of_the_whole() -> None:
    for seconds in (0.005, 0.05, 12.3, 31.0, 64.0):
        samples = speech(seconds, seed=1)
        whole = np.array(log_mel_spectrogram(samples, 80, padding=N_SAMPLES))
        mel = Spectrogram(80)
        for some in bits(samples):
            mel.write(some)
        mel.finish()
        assert mel.length == len(whole) - N_FRAMES
        for start in range(0, mel.length + 1, N_FRAMES):
            count = min(N_FRAMES, len(whole) - start)
            assert np.abs(np.array(mel.frames(start, count)) - whole[start : start + count]).max() < 1e-5
        mel.close()


def test_the_spectrogram_of_ten_minutes_takes_no_more_memory_than_that_of_two() -> None:
    """In whole, the frames would take 15 MB more, and the samples 31 MB."""
    minute = speech(60, seed=1)
    mel = Spectrogram(80)
    process = psutil.Process()
    level = 0
    for number in range(10):
        mel.write(minute)
        if number == 1:
            level = process.memory_info().rss
    mel.finish()
    assert mel.length == 10 * 60 * 100
    assert process.memory_info().rss < level + 10e6
    mel.close()


def test_long_recordings_are_cut_in_pauses() -> None:
    loud = np.ones(7 * RATE, np.float32)
    quiet = np.zeros(RATE // 2, np.float32)
    recording = np.concatenate([loud, quiet, loud, quiet, loud, loud[:100]])
    pieces = list(cut(bits(recording), RATE, 10.0))
    assert np.array_equal(np.concatenate(pieces), recording)
    assert all(len(piece) <= 10 * RATE for piece in pieces)
    for piece in pieces[:2]:
        assert not piece[-1000:].any()
    assert list(cut(iter(()), RATE, 10.0)) == []


def loaded(root: Path, name: str) -> tuple[TranscriptionEngine, BlobStore]:
    settings = Settings.model_validate({"model_roots": (root,), "data_dir": root / "data"})
    ref = Catalog(settings).resolve(name, Category.ASR)
    assert ref.path is not None
    assert ref.category == "asr"
    return engine(family(ref, ref.path).load(ref.path), settings), LocalBlobs(settings.blob_folder)


def run(speaker: TranscriptionEngine, **payload: Any) -> list[Output]:
    speaker.add("task", typed(payload), 0)
    told: list[Output] = []
    while not any(isinstance(output, Done | Failed) for output in told):
        told += speaker.step()
    return told


FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "parakeet": (random_parakeet, {}),
    "qwen3_asr": (random_qwen3_asr, {"language": "German", "system_prompt": "Ada", "max_tokens": 120}),
    "sensevoice": (random_sensevoice, {"language": "ja", "use_itn": True}),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_other_families_hear_what_their_library_hears(tmp_path: Path, name: str) -> None:
    make, options = FAMILIES[name]
    folder = make(tmp_path / "models" / name)
    samples = as_played(speech(6, seed=4))
    theirs = load_model(folder, model_type=name).generate(mx.array(samples), **options)
    speaker, blobs = loaded(tmp_path / "models", name)
    blob = blobs.put(write(tmp_path / "clip.flac", samples).read_bytes())
    *_, done = run(speaker, audio=blob, language="ja-JP" if name == "sensevoice" else "de", prompt="Ada")
    assert isinstance(done, Done), done
    assert plain(done.result)["text"] == theirs.text.strip() != ""
    assert plain(done.result)["duration"] == 6.0
    if name != "parakeet":  # it is told no language
        with pytest.raises(InvalidRequest, match=r"none of the model.s languages: .*(English|english|en)"):
            raise _failure(run(speaker, audio=blob, language="Klingon")[-1])
    speaker.close()


def test_a_recording_is_told_as_it_is_understood(tmp_path: Path) -> None:
    random_sensevoice(tmp_path / "models" / "sense")
    speaker, blobs = loaded(tmp_path / "models", "sense")
    clip = blobs.put(write(tmp_path / "clip.wav", speech(50)).read_bytes())
    told = run(speaker, audio=clip, seconds=50.0)
    done = told[-1]
    assert isinstance(done, Done), done
    assert "".join(each.text for each in told if isinstance(each, Delta)) == plain(done.result)["text"]
    progress = [(each.done, each.total) for each in told if isinstance(each, Progress)]
    assert len(progress) >= 2
    assert progress == sorted(progress)
    assert all(total == 50_000 for _, total in progress)
    starts = [segment["start"] for segment in plain(done.result)["segments"]]
    assert starts == sorted(starts)
    assert starts[-1] > 30
    with pytest.raises(InvalidRequest):
        raise _failure(run(speaker, audio=blobs.put(b"RIFF nothing"), words=True)[-1])
    with pytest.raises(InvalidRequest, match="no times of words"):
        raise _failure(
            run(speaker, audio=blobs.put(write(tmp_path / "a.wav", speech(2)).read_bytes()), words=True)[-1]
        )
    speaker.close()


@pytest.mark.parametrize(
    ("make", "steps"), [(random_whisper, 1), (random_whisper, 3), (random_sensevoice, 1)]
)
def test_a_recording_that_is_left_half_heard_leaves_no_file_open(
    tmp_path: Path, make: Callable[[Path], Path], steps: int
) -> None:
    make(tmp_path / "models" / "model")
    speaker, blobs = loaded(tmp_path / "models", "model")
    clip = blobs.put(write(tmp_path / "clip.wav", speech(70)).read_bytes())
    process = psutil.Process()
    gc.collect()
    gc.disable()
    try:
        before = process.num_fds()
        speaker.add("task", typed({"audio": clip, "language": "en"}), 0)
        for _ in range(steps):
            speaker.step()
        assert process.num_fds() > before
        speaker.remove("task")
        assert process.num_fds() == before
    finally:
        gc.enable()
    speaker.close()


def _failure(output: Output) -> Exception:
    assert isinstance(output, Failed), output
    return output.error


def test_weights_that_are_not_there_are_missed(tmp_path: Path) -> None:
    folder = random_sensevoice(tmp_path / "models" / "sense")
    weights: Any = mx.load(str(folder / "model.safetensors"))
    weights.pop("ctc_lo.bias")
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    with pytest.raises(InvalidRequest, match=r"ctc_lo\.bias"):
        loaded(tmp_path / "models", "sense")


def test_a_checkpoint_of_transformers_is_the_same_whisper(tmp_path: Path, whisper_folder: Path) -> None:
    config = json.loads((whisper_folder / "config.json").read_text())
    weights: Any = mx.load(str(whisper_folder / "weights.npz"))
    weights.pop("alignment_heads")
    names = (
        ("decoder.positional_embedding", "decoder.embed_positions.weight"),
        ("decoder.token_embedding.", "decoder.embed_tokens."),
        ("encoder.ln_post.", "encoder.layer_norm."),
        ("decoder.ln.", "decoder.layer_norm."),
        (".blocks.", ".layers."),
        (".cross_attn_ln.", ".encoder_attn_layer_norm."),
        (".attn_ln.", ".self_attn_layer_norm."),
        (".mlp_ln.", ".final_layer_norm."),
        (".cross_attn.", ".encoder_attn."),
        (".attn.", ".self_attn."),
        (".query.", ".q_proj."),
        (".key.", ".k_proj."),
        (".value.", ".v_proj."),
        (".out.", ".out_proj."),
        (".mlp1.", ".fc1."),
        (".mlp2.", ".fc2."),
    )
    renamed = {"proj_out.weight": mx.zeros((1, 1)), "model.encoder.embed_positions.weight": mx.zeros((1, 1))}
    for name, value in weights.items():
        conv = name in ("encoder.conv1.weight", "encoder.conv2.weight")
        for ours, theirs in names:
            name = name.replace(ours, theirs)
        renamed[f"model.{name}"] = value.transpose(0, 2, 1) if conv else value
    folder = tmp_path / "hf"
    folder.mkdir()
    mx.save_safetensors(str(folder / "model.safetensors"), renamed, metadata={"format": "pt"})
    sizes = {
        "d_model": 32,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
        "encoder_attention_heads": 2,
        "encoder_layers": 1,
        "vocab_size": config["n_vocab"],
        "max_target_positions": 448,
        "decoder_attention_heads": 2,
        "decoder_layers": 2,
    }
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper", **sizes}))
    samples = speech(20, seed=3)
    assert read(folder, samples)[0] == read(whisper_folder, samples)[0] != ""


def test_a_model_that_hears_english_only_says_so(tmp_path: Path) -> None:
    folder = random_whisper(tmp_path / "english", multilingual=False, dtype=mx.float16)
    samples = speech(20, seed=3)
    assert read(folder, samples)[1][-1].language == "en"
    for options in ({"language": "de"}, {"translate": True}):
        with pytest.raises(InvalidRequest, match="English only"):
            read(folder, samples, **options)
    with pytest.raises(InvalidRequest, match="none of the model's languages"):
        read(folder, samples, language="klingon")
