"""Voices that the user has named: `voices.json` in the voices folder, with a recording for each.

    {"default_voice": "ann", "models_base_path": "~/recordings",
     "voices": {"ann": {"ref_audio": "ann.wav", "ref_text": "What she says.", "speed_factor": 1.0, "aliases": ["a"]}}}

It reads names and paths; it opens no recording. Entries that are wrong are logged and left out.
"""

import logging
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.values import JsonObject
from mlxq.catalog import foreign_json

log = logging.getLogger(__name__)

FILE = "voices.json"
_LONGEST = 4 << 20
#: What a speaker's speed may be changed by.
SPEEDS = (0.25, 4.0)


@dataclass(frozen=True, slots=True)
class Voice:
    """A recording to speak like. `text`: what is said in it, if that is known; `speed`: how fast to speak then."""

    name: str
    recording: Path
    text: str | None = None
    speed: float = 1.0
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Voices:
    """The voices of one file. `default` is the name of one of them, or None."""

    voices: tuple[Voice, ...] = ()
    default: str | None = None

    def find(self, name: str) -> Voice | None:
        """By name or alias, in any case; a name goes before an alias."""
        wanted = name.casefold()
        for voice in self.voices:
            if voice.name.casefold() == wanted:
                return voice
        for voice in self.voices:
            if wanted in (alias.casefold() for alias in voice.aliases):
                return voice
        return None


class VoiceRegistry:
    """The file as it is now: it is read again when it has changed, and kept as it was while it is broken."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._voices = Voices()

    def read(self) -> Voices:
        with self._lock:
            try:
                stat = self._file.stat()
            except OSError:
                self._seen, self._voices = None, Voices()
                return self._voices
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                self._seen = seen
                try:
                    content = foreign_json.read(self._file, _LONGEST)
                    if not isinstance(content, dict):
                        raise ValueError("it must be an object")
                except (OSError, ValueError) as error:
                    log.error("%s can't be read and is left as it was: %s", FILE, error)
                else:
                    self._voices = _voices(content, self._file.parent)
            return self._voices


def _voices(content: JsonObject, folder: Path) -> Voices:
    said = content.get("models_base_path")
    base = folder / Path(said).expanduser() if isinstance(said, str) and said else folder
    entries = content.get("voices")
    found = tuple(_read(entries, base)) if isinstance(entries, dict) else ()
    voices = Voices(found)
    default = content.get("default_voice")
    if not isinstance(default, str) or not default:
        return voices
    named = voices.find(default)
    if named is None:
        log.error("%s: the default_voice %r is not among the voices", FILE, default)
    return Voices(found, named.name if named else None)


def _read(entries: JsonObject, base: Path) -> Iterator[Voice]:
    for name, entry in entries.items():
        try:
            yield _voice(name, entry, base)
        except ValueError as error:
            log.error("%s: the voice %r is left out: %s", FILE, name, error)


def _voice(name: str, entry: object, base: Path) -> Voice:
    """Raises ValueError."""
    if not isinstance(entry, dict):
        raise ValueError("it must be an object")
    recording, text = entry.get("ref_audio"), entry.get("ref_text")
    speed, aliases = entry.get("speed_factor", 1.0), entry.get("aliases", [])
    if not isinstance(recording, str) or not recording:
        raise ValueError("ref_audio must be the path of a recording")
    if text is not None and not isinstance(text, str):
        raise ValueError("ref_text must be a text")
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not math.isfinite(speed):
        raise ValueError("speed_factor must be a number")
    if not SPEEDS[0] <= speed <= SPEEDS[1]:
        raise ValueError(f"speed_factor must be from {SPEEDS[0]} to {SPEEDS[1]}")
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise ValueError("aliases must be a list of names")
    return Voice(name, base / Path(recording).expanduser(), text or None, float(speed), tuple(aliases))
