"""The phonemes of GPT-SoVITS version 2 and their numbers: those of Chinese, English and Japanese, and punctuation.

The model knows Korean and Cantonese too: their phonemes come after these, and have no numbers here.
"""

PUNCTUATION = ("!", "?", "…", ",", ".", "-")
UNKNOWN = "UNK"
_OTHERS = ("_", "SP", "SP2", "SP3", UNKNOWN)
#: Chinese initials; the first three stand where a syllable has none.
_INITIALS = "AA EE OO b c ch d f g h j k l m n p q r s sh t w x y z zh"
#: Chinese finals, each of which has five tones.
_FINALS = (
    "E En a ai an ang ao e ei en eng er i i0 ia ian iang iao ie in ing iong ir iu o ong ou u ua uai uan uang ui un "
    "uo v van ve vn"
)
_JAPANESE = "I N U a b by ch cl d dy e f g gy h hy i j k ky m my n ny o p py r ry s sh t ts u v w y z"
#: English consonants, and vowels, each of which has three stresses.
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH ER IH"
_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
#: The rise and the fall of Japanese pitch.
_PITCH = ("[", "]")


ENGLISH = frozenset(
    {*_CONSONANTS.split(), *(f"{vowel}{stress}" for vowel in _VOWELS.split() for stress in range(3))}
)


def _symbols() -> list[str]:
    known = {*PUNCTUATION, *_OTHERS, *_INITIALS.split(), *_JAPANESE.split(), *ENGLISH}
    known |= {f"{final}{tone}" for final in _FINALS.split() for tone in range(1, 6)}
    return [*sorted(known), *_PITCH]


SYMBOLS: tuple[str, ...] = tuple(_symbols())
_IDS = {symbol: number for number, symbol in enumerate(SYMBOLS)}


def ids(symbols: list[str]) -> list[int]:
    """The numbers of phonemes. What is none of them is unknown."""
    return [_IDS.get(symbol, _IDS[UNKNOWN]) for symbol in symbols]
