"""The speech synthesiser of the operating system: `say` on macOS, `espeak-ng` elsewhere; its voices and its commands.

It knows programs and their output. It starts one only to ask which voices there are.
"""

import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: Samples per second of what both programs write, one channel of 16 bits.
RATE = 22_050
#: Seconds that the list of voices may take.
_PATIENCE = 20


@dataclass(frozen=True, slots=True)
class SystemVoice:
    """`name` is how the program knows it, `language` a tag such as en-US."""

    name: str
    language: str


class Synthesiser(ABC):
    """A program that speaks. `voices`: those that stand for OpenAI's names first, in that order."""

    #: the name of the program
    program: str
    #: voices for OpenAI's names, the best known first
    _preferred: Sequence[str] = ()

    def __init__(self, path: str) -> None:
        self._path = path

    def voices(self) -> tuple[SystemVoice, ...]:
        """Empty where the program can't be asked, which is tried again the next time."""
        try:
            return _voices(self)
        except (OSError, subprocess.SubprocessError):
            return ()

    @abstractmethod
    def command(self, voice: str | None, file: Path) -> list[str]:
        """How to have it speak what it reads from its input into a WAV file. None: its usual voice."""

    @abstractmethod
    def listed(self) -> Iterator[SystemVoice]:
        """The voices as the program lists them."""

    def ask(self, *arguments: str) -> str:
        """What it prints. Raises OSError and subprocess.SubprocessError."""
        done = subprocess.run(
            [self._path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=True,
        )
        return done.stdout.decode(errors="replace")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(self._path)


class Say(Synthesiser):
    """macOS. A line of its list: `Samantha            en_US    # Hello! My name is Samantha.`"""

    program = "say"
    _preferred = (
        *("Samantha", "Alex", "Daniel", "Karen", "Fred", "Arthur", "Moira"),
        *("Rishi", "Tessa", "Kathy", "Oliver", "Martha", "Gordon"),
    )
    _LINE = re.compile(r"(\S.*?)\s+([a-z]{2,3}[_-]\w+)\s+#")

    def command(self, voice: str | None, file: Path) -> list[str]:
        chosen = [] if voice is None else ["-v", voice]
        written = ["-o", str(file), "--file-format=WAVE", f"--data-format=LEI16@{RATE}"]
        return [self._path, *chosen, *written, "-f", "-"]

    def listed(self) -> Iterator[SystemVoice]:
        for line in self.ask("-v", "?").splitlines():
            if found := self._LINE.match(line):
                yield SystemVoice(found[1], found[2].replace("_", "-"))


class Espeak(Synthesiser):
    """eSpeak NG. Its voices are called by their languages; a variant comes after a plus."""

    program = "espeak-ng"
    _preferred = (
        *("en-us+f2", "en-us+m3", "en-us+m1", "en-us+f3", "en-us+m2", "en-gb+m4", "en-us+f4"),
        *("en-gb+m1", "en-us+f1", "en-gb+f3", "en-gb+m2", "en-us+f5", "en-us+m7"),
    )

    def command(self, voice: str | None, file: Path) -> list[str]:
        return [self._path, "-v", voice or self._preferred[0], "-w", str(file), "--stdin"]

    def listed(self) -> Iterator[SystemVoice]:
        lines = [line.split() for line in self.ask("--voices").splitlines()[1:]]
        known = {line[1] for line in lines if len(line) > 4}
        for variant in self._preferred:
            if (language := variant.partition("+")[0]) in known:
                yield SystemVoice(variant, language)
        for language in sorted(known):
            yield SystemVoice(language, language)


def synthesiser() -> Synthesiser | None:
    """The one that is installed."""
    for kind in (Say, Espeak):
        if path := shutil.which(kind.program):
            return kind(path)
    return None


def voice_for(language: str, voices: Sequence[SystemVoice]) -> str | None:
    """The first voice of a language, by its tag in any case; of another region where none is of this one."""
    wanted = language.lower()
    tags = [voice.language.lower() for voice in voices]
    matches = (tags.index(tag) for tag in tags if tag == wanted)
    alike = (tags.index(tag) for tag in tags if _base(tag) == _base(wanted))
    place = next(matches, next(alike, None))
    return None if place is None else voices[place].name


def _base(tag: str) -> str:
    """The language of a tag, without region; Mandarin has two codes."""
    base = tag.partition("-")[0]
    return "zh" if base == "cmn" else base


@cache
def _voices(program: Synthesiser) -> tuple[SystemVoice, ...]:
    listed = program.listed()
    order = {name: place for place, name in enumerate(program._preferred)}
    english = ("en-us", "en-gb")
    return tuple(
        sorted(
            listed,
            key=lambda voice: (
                order.get(voice.name, len(order)),
                voice.language.lower() not in english,
                not voice.language.lower().startswith("en"),
            ),
        )
    )
