"""The voices of the operating system as a model: a folder that names them. It is one where a program speaks."""

from pathlib import Path

from mlxq.catalog.families.speech import LANGUAGE, SpeechFamily
from mlxq.media.system_speech import synthesiser

_FILE = "system_voice.json"


class SystemVoices(SpeechFamily):
    def matches_files(self, path: Path) -> bool:
        return (path / _FILE).is_file() and synthesiser() is not None

    def voices(self, path: Path) -> tuple[str, ...]:
        program = synthesiser()
        return () if program is None else tuple(voice.name for voice in program.voices())


SYSTEM_VOICE = SystemVoices(name="system_voice", options=frozenset({LANGUAGE}))
