"""Languages as clients write them: codes of ISO 639, tags of BCP 47, names in English or in the language itself.

This module does not know which languages a model supports.
"""

import re
from collections.abc import Iterable

from jobs.errors import InvalidRequest

#: Words that leave the choice to the model.
_NONE = frozenset({"", "auto", "autodetect", "auto-detect", "default", "detect", "none", "null", "und"})
#: A tag of BCP 47: a language, and what is added to it.
_TAG = re.compile(r"([a-z]{2,3})((?:-[a-z0-9]{1,8})*)")

#: A language in each line: its code as Whisper has it, its other codes, then its names.
_LANGUAGES = """
af afr | afrikaans
am amh | amharic, አማርኛ
ar ara | arabic, العربية
as asm | assamese
az aze | azerbaijani, azərbaycan
ba bak | bashkir
be bel | belarusian, беларуская
bg bul | bulgarian, български
bn ben | bengali, bangla, বাংলা
bo bod tib | tibetan
br bre | breton, brezhoneg
bs bos | bosnian, bosanski
ca cat | catalan, valencian, català
cs ces cze | czech, čeština
cy cym wel | welsh, cymraeg
da dan | danish, dansk
de deu ger | german, deutsch
el ell gre | greek, ελληνικά
en eng | english
es spa | spanish, castilian, español
et est | estonian, eesti
eu eus baq | basque, euskara
fa fas per | persian, farsi, فارسی
fi fin | finnish, suomi
fo fao | faroese
fr fra fre | french, français
gl glg | galician, galego
gu guj | gujarati
ha hau | hausa
haw | hawaiian
he heb iw | hebrew, עברית
hi hin | hindi, हिन्दी
hr hrv | croatian, hrvatski
ht hat | haitian creole, haitian
hu hun | hungarian, magyar
hy hye arm | armenian, հայերեն
id ind in | indonesian, bahasa indonesia
is isl ice | icelandic, íslenska
it ita | italian, italiano
ja jpn jp | japanese, 日本語
jw jv jav | javanese
ka kat geo | georgian, ქართული
kk kaz | kazakh
km khm | khmer
kn kan | kannada
ko kor kr | korean, 한국어
la lat | latin
lb ltz | luxembourgish, letzeburgesch
ln lin | lingala
lo lao | lao
lt lit | lithuanian, lietuvių
lv lav | latvian, latviešu
mg mlg | malagasy
mi mri mao | maori
mk mkd mac | macedonian, македонски
ml mal | malayalam
mn mon | mongolian
mr mar | marathi
ms msa may | malay, bahasa melayu
mt mlt | maltese
my mya bur | myanmar, burmese
ne nep | nepali
nl nld dut | dutch, flemish, nederlands
nn nno | nynorsk
no nor nb nob | norwegian, norsk, bokmål
oc oci | occitan
pa pan | punjabi, panjabi
pl pol | polish, polski
ps pus | pashto, pushto
pt por | portuguese, português
ro ron rum mo | romanian, moldavian, moldovan, română
ru rus | russian, русский
sa san | sanskrit
sd snd | sindhi
si sin | sinhala, sinhalese
sk slk slo | slovak, slovenčina
sl slv | slovenian, slovene, slovenščina
sn sna | shona
so som | somali
sq sqi alb | albanian, shqip
sr srp | serbian, српски
su sun | sundanese
sv swe | swedish, svenska
sw swa | swahili, kiswahili
ta tam | tamil, தமிழ்
te tel | telugu
tg tgk | tajik
th tha | thai, ไทย
tk tuk | turkmen
tl tgl fil | tagalog, filipino
tr tur | turkish, türkçe
tt tat | tatar
uk ukr ua | ukrainian, українська
ur urd | urdu, اردو
uz uzb | uzbek
vi vie | vietnamese, tiếng việt
yi yid | yiddish
yo yor | yoruba
yue | cantonese, 粵語, 粤语, 广东话, 廣東話
zh zho chi cmn cn | chinese, mandarin, 中文, 普通话, 汉语
"""

#: Codes by other codes, and by names.
_CODES: dict[str, str] = {}
_NAMES: dict[str, str] = {}
for _line in _LANGUAGES.strip().splitlines():
    _codes, _, _names = _line.partition(" | ")
    _first, *_others = _codes.split()
    _CODES.update(dict.fromkeys([_first, *_others], _first))
    _NAMES.update((name.strip().casefold(), _first) for name in _names.split(","))


def language_tag(said: str | None) -> str | None:
    """`de`, `en-US`: the tag of what was said. None leaves it to the model. What is no language stays as it is."""
    if said is None:
        return None
    name = said.strip()
    tag = name.replace("_", "-").casefold()
    if tag in _NONE:
        return None
    if (code := _NAMES.get(name.casefold())) is not None:
        return code
    found = _TAG.fullmatch(tag)
    if found is None:
        return name
    # Regions are written in capitals: en-US.
    rest = "".join(f"-{each.upper() if len(each) == 2 else each}" for each in found[2].split("-")[1:])
    return _CODES.get(found[1], found[1]) + rest


def choose(said: str, known: Iterable[str]) -> str:
    """Which of the codes or names that a model knows is meant: with its region, or without.

    Raises InvalidRequest, which lists them.
    """
    names = list(known)
    by_tag = {(language_tag(name) or name).casefold(): name for name in names}
    tag = (language_tag(said) or said).casefold()
    chosen = by_tag.get(tag) or by_tag.get(tag.partition("-")[0])
    if chosen is None:
        raise InvalidRequest(
            f"Invalid 'language': '{said[:32]}' is none of the model's languages: {', '.join(names)}.",
            param="language",
            code="unsupported_value",
        )
    return chosen
