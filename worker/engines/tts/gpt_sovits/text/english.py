"""English text to phonemes: misaki's, which know numbers and words that are written alike, as those of CMU.

With CMU's own dictionary words are read as it has them, which is what the original does.
"""

# ruff: noqa: RUF001 (apostrophes of texts)

import re
from difflib import SequenceMatcher

from num2words import num2words

from worker.engines.tts.english import EnglishPhonemes
from worker.engines.tts.gpt_sovits.text.alphabet import PUNCTUATION
from worker.engines.tts.gpt_sovits.text.dictionary import Dictionary

#: misaki's vowels and consonants → CMU's.
_VOWELS = {
    **{"A": "EY", "I": "AY", "O": "OW", "W": "AW", "Y": "OY", "i": "IY", "u": "UW", "ɑ": "AA", "ɔ": "AO"},
    **{
        "æ": "AE",
        "ɛ": "EH",
        "ɪ": "IH",
        "ᵻ": "IH",
        "ʊ": "UH",
        "ʌ": "AH",
        "ə": "AH",
        "ᵊ": "AH",
        "ɐ": "AH",
        "ɜ": "ER",
    },
}
_CONSONANTS = {
    **{"h": "HH", "j": "Y", "ɡ": "G", "ŋ": "NG", "ɹ": "R", "ʃ": "SH", "ʒ": "ZH", "ð": "DH", "θ": "TH"},
    **{"ʤ": "JH", "ʧ": "CH", "ɾ": "T", "ʔ": "T", "T": "T"},
    **{sign: sign.upper() for sign in "bdfklmnpstvwz"},
}
_STRESSES = {"ˈ": "1", "ˌ": "2"}
#: Vowels that are never stressed.
_WEAK = frozenset("əᵊɐᵻ")
#: Common words that CMU's dictionary has otherwise than misaki's.
COMMON = Dictionary({"and": "AH0 N D", "in": "IH0 N", "on": "AA1 N", "was": "W AA1 Z", "your": "Y AO1 R"})
#: Chinese punctuation, which misaki takes for parts of words, → that of English.
_CHINESE = str.maketrans(dict(zip("，；：、。！？", (", ", "; ", ": ", ", ", ". ", "! ", "? "), strict=True)))
#: Punctuation → that of the alphabet.
_SIGNS = str.maketrans(";:—–", ",,--")
#: Numbers whose words the dictionary may have.
_NUMBER = re.compile(r"(\d{1,2})(st|nd|rd|th)?")


def symbols(text: str, phonemes: EnglishPhonemes, dictionary: Dictionary = COMMON) -> list[str]:
    """The phonemes of a text, with its punctuation, of which none follows another."""
    found: list[str] = []
    for token in phonemes(text.translate(_CHINESE))[1]:
        said = token.phonemes or ""
        if any(sign in _VOWELS or sign in _CONSONANTS for sign in said):
            heard = [symbol for word in said.split() for symbol in word_symbols(word)]
            found += _read(token.text, heard, phonemes, dictionary)
        else:
            found += [sign for sign in token.text.translate(_SIGNS) if sign in PUNCTUATION][:1]
    return [
        sign
        for sign, before in zip(found, ["", *found], strict=False)
        if not {sign, before} <= {*PUNCTUATION}
    ]


def _read(word: str, heard: list[str], phonemes: EnglishPhonemes, dictionary: Dictionary) -> list[str]:
    """The dictionary's reading of a word, or what misaki makes of it."""
    if (number := _NUMBER.fullmatch(word)) is not None:
        word = num2words(int(number[1]), to="ordinal" if number[2] else "cardinal")
    # misaki tells the article from the letter, and abbreviations from words.
    readings = [] if len(word) == 1 or word.isupper() else dictionary.readings(word)
    if not readings:
        return heard
    if isinstance(phonemes.lexicon.golds.get(word), dict):
        # It is read by its part of speech, which misaki knows.
        return max(
            readings, key=lambda reading: SequenceMatcher(None, reading, heard, autojunk=False).ratio()
        )
    return readings[0]


def word_symbols(word: str) -> list[str]:
    """CMU's phonemes of misaki's of one word."""
    vowels = [sign for sign in word if sign in _VOWELS]
    # A word of one syllable is stressed, unless its vowel is weak.
    single = len(vowels) == 1 and vowels[0] not in _WEAK
    found: list[str] = []
    stress = "1" if single else "0"
    place = 0
    while place < len(word):
        sign, rest = word[place], word[place + 1 :]
        place += 1
        if sign in _STRESSES:
            stress = "1" if single else _STRESSES[sign]
        elif sign in _VOWELS:
            name = _VOWELS[sign]
            # CMU has a phoneme for a vowel that is coloured by r, unless a stressed syllable begins with the r.
            if rest.startswith("ɹ") and (sign == "ɜ" or (sign == "ə" and rest[1:2] not in _STRESSES)):
                name = "ER"
                place += 1
            found.append(f"{name}{'1' if sign == 'ʌ' and stress == '0' else stress}")
            stress = "0"
        elif sign in _CONSONANTS:
            found.append(_CONSONANTS[sign])
    return found
