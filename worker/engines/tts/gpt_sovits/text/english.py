"""English text to phonemes: misaki's, which know numbers and words that are written alike, as those of CMU."""

# ruff: noqa: RUF001

from worker.engines.tts.english import EnglishPhonemes
from worker.engines.tts.gpt_sovits.text.alphabet import PUNCTUATION

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
#: Words that CMU's dictionary has otherwise.
_WORDS = {
    "and": ["AH0", "N", "D"],
    "in": ["IH0", "N"],
    "on": ["AA1", "N"],
    "was": ["W", "AA1", "Z"],
    "your": ["Y", "AO1", "R"],
}
#: Punctuation → that of the alphabet.
_SIGNS = {**dict.fromkeys(";:，；：、", ","), "。": ".", "！": "!", "？": "?", "—": "-", "–": "-"}


def symbols(text: str, phonemes: EnglishPhonemes) -> list[str]:
    """The phonemes of a text, with its punctuation, of which none follows another."""
    found: list[str] = []
    for token in phonemes(text)[1]:
        said = token.phonemes or ""
        if (known := _WORDS.get(token.text.lower())) is not None:
            found += known
            continue
        if any(sign in _VOWELS or sign in _CONSONANTS for sign in said):
            for word in said.split():
                found += word_symbols(word)
        else:
            signs = (_SIGNS.get(sign, sign) for sign in token.text)
            found += [sign for sign in signs if sign in PUNCTUATION][:1]
    return [
        sign
        for sign, before in zip(found, ["", *found], strict=False)
        if not {sign, before} <= {*PUNCTUATION}
    ]


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
