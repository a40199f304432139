"""The voices of the operating system: a program speaks each piece of the text into a file.

The engine steps on while the program runs, so that other lanes get the device meanwhile.
"""

import logging
import subprocess
import tempfile
import time
import unicodedata
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from config.settings import Settings
from jobs.errors import EngineFailure, InvalidRequest, NotSupported
from mlxq.media.languages import language_tag
from mlxq.media.system_speech import RATE, Synthesiser, SystemVoice, synthesiser, voice_for
from worker.engines.tts.mlx_audio import INTERVAL, SpeechModel, SpeechParams

log = logging.getLogger(__name__)

#: Seconds for which a step waits for the program, and that it may take for one piece.
_LOOK, _LONGEST = 0.02, 60.0
#: What both programs read as commands in the text, and what is spoken instead.
_COMMANDS = {"[[": "[ [", "]]": "] ]"}
#: The language of a text that names none, by its script, as Unicode's names of its letters begin.
_SCRIPTS: Mapping[str, str] = {
    "CJK": "zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "THAI": "th",
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """Samples [n] from -1 to 1. A program has no tokens."""

    audio: mx.array
    token_count: int = 0


class Program:
    """The synthesiser in the place of a model."""

    sample_rate = RATE

    def __init__(self, program: Synthesiser) -> None:
        self._program = program
        self.voices: tuple[SystemVoice, ...] = program.voices()

    def parameters(self) -> list[mx.array]:
        """It has no weights."""
        return []

    def generate(self, text: str, voice: str | None = None, lang_code: str | None = None) -> Iterator[Spoken]:
        """Speak a text, without sound while the program runs. Raises EngineFailure."""
        voice = voice or voice_for(lang_code or _language(text), self.voices)
        for command, spoken in _COMMANDS.items():
            text = text.replace(command, spoken)
        with tempfile.TemporaryDirectory(prefix="mlxq-") as scratch:
            file = Path(scratch) / "spoken.wav"
            with subprocess.Popen(
                self._program.command(voice, file),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            ) as running:
                try:
                    yield from self._wait(running, text.encode())
                finally:
                    running.kill()
            samples = _samples(file)
        step = int(INTERVAL * RATE)
        for start in range(0, len(samples), step):
            yield Spoken(mx.array(samples[start : start + step]))

    def _wait(self, running: subprocess.Popen[bytes], text: bytes) -> Iterator[Spoken]:
        """Until it has ended."""
        deadline, unsent = time.monotonic() + _LONGEST, text
        while True:
            try:
                _, said = running.communicate(unsent or None, timeout=_LOOK)
            except subprocess.TimeoutExpired:
                unsent = b""
                if time.monotonic() > deadline:
                    raise EngineFailure("The voice of the system did not answer in time.") from None
                yield Spoken(mx.zeros(0))
            else:
                break
        if running.returncode:
            log.error("%s ended with %d: %s", self._program.program, running.returncode, said.decode()[:500])
            raise EngineFailure("The voice of the system could not speak this text.")


class SystemVoices(SpeechModel):
    @classmethod
    def import_library(cls, kind: str) -> None:
        """There is none."""

    @classmethod
    def load(cls, path: Path, kind: str, settings: Settings) -> Program:
        program = synthesiser()
        if program is None:
            raise NotSupported("No program that speaks is installed any more.", param="model")
        return Program(program)

    def arguments(self, params: SpeechParams) -> dict[str, object]:
        if params.recording is not None and not params.default:
            raise InvalidRequest(
                "The voices of the system do not speak with the voice of a recording.",
                param="voice",
                code="unsupported_value",
            )
        return super().arguments(params)

    def language(self, language: str) -> str:
        tag = language_tag(language) or language
        if voice_for(tag, self.model.voices) is None:
            known = sorted({voice.language for voice in self.model.voices})
            raise InvalidRequest(
                f"Invalid 'language': the system has voices for {', '.join(known)}.",
                param="language",
                code="unsupported_value",
            )
        return tag


def _language(text: str) -> str:
    """By the first letter of another script than Latin. Japanese has Chinese characters too."""
    names = [unicodedata.name(sign, "") for sign in text]
    found = [_SCRIPTS[name.split()[0]] for name in names if name and name.split()[0] in _SCRIPTS]
    if "ja" in found:
        return "ja"
    return found[0] if found else "en"


def _samples(file: Path) -> npt.NDArray[np.float32]:
    """A file of one channel of 16 bits. Raises EngineFailure."""
    try:
        with wave.open(str(file), "rb") as sound:
            if (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) != (1, 2, RATE):
                raise EngineFailure("The voice of the system speaks in a form that is not known.")
            data = sound.readframes(sound.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise EngineFailure("The voice of the system made no sound of this text.") from error
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


MODEL = SystemVoices
