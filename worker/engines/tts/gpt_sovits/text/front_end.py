"""Makes phonemes of a text: it is cut by language, and each part goes to the rules of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jieba

from mlxq.catalog.families.kokoro import english_model
from worker.engines.tts.english import EnglishPhonemes, tagger
from worker.engines.tts.gpt_sovits.text import Phonemes, chinese, english, japanese
from worker.engines.tts.gpt_sovits.text.alphabet import PUNCTUATION, UNKNOWN, ids
from worker.engines.tts.gpt_sovits.text.dictionary import Dictionary
from worker.engines.tts.gpt_sovits.text.han import CHINESE, JAPANESE
from worker.engines.tts.gpt_sovits.text.split import ENGLISH, Part, split

#: Fewer phonemes than these are not spoken well: a pause comes before them.
_FEWEST, _FEWEST_ENGLISH = 6, 4
_PAUSE = "."
#: Phonemes that are heard only beside others.
_UNSPOKEN = frozenset(ids([*PUNCTUATION, UNKNOWN]))


class FrontEnd:
    """The rules of all languages, with what they have loaded."""

    def __init__(self, cache: Path, dictionary: Path | None = None) -> None:
        """`cache`: where the dictionary of Chinese words may be kept. `dictionary`: one of English, as CMU's.

        Raises ValueError for a `dictionary` that cannot be read.
        """
        self._dictionary = english.COMMON if dictionary is None else Dictionary.read(dictionary)
        # By default it reads a file from the shared folder for temporary files, which anybody may have written.
        jieba.dt.tmp_dir = str(cache)
        jieba.initialize()
        self._english: Any = EnglishPhonemes(tagger(str(english_model())), british=False)

    def __call__(self, text: str, language: str | None) -> Sequence[Phonemes]:
        """The parts of a text; none if nothing of it can be spoken. `language` is one of `split`, or None for any."""
        parts = [part for each in split(text, language) if (part := self._part(each)).ids]
        if all(_UNSPOKEN.issuperset(part.ids) for part in parts):
            return []
        if sum(len(part.ids) for part in parts) < _FEWEST:
            parts[0] = _paused(parts[0])
        return parts

    @property
    def languages(self) -> tuple[str, ...]:
        """What can be spoken here. Japanese needs a library that is an extra of this server."""
        return (CHINESE, ENGLISH, JAPANESE) if japanese.can_speak() else (CHINESE, ENGLISH)

    def knows(self, text: str) -> bool:
        """Whether anything of the text can be spoken."""
        return bool(self(text, None))

    def _part(self, part: Part) -> Phonemes:
        if part.language == CHINESE:
            text = chinese.normalised(part.text)
            found, repeats = chinese.symbols(text)
            return Phonemes(ids(found), text, repeats)
        if part.language == ENGLISH:
            found = english.symbols(part.text, self._english, self._dictionary)
            if len(found) < _FEWEST_ENGLISH:
                found = [",", *found]
            return Phonemes(ids(found), part.text)
        return Phonemes(ids(japanese.symbols(part.text)) if japanese.can_speak() else [], part.text)


def _paused(part: Phonemes) -> Phonemes:
    """The same with a pause before it."""
    repeats = None if part.repeats is None else [1, *part.repeats]
    return Phonemes([*ids([_PAUSE]), *part.ids], f"{_PAUSE}{part.text}", repeats)
