"""Stand-ins for `say` and `espeak-ng`: they list voices as those do, check their arguments and write a tone."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

_SAY_VOICES = """\
Albert              en_US    # Hello! My name is Albert.
Anna                de_DE    # Hallo! Ich heiße Anna.
Daniel              en_GB    # Hello! My name is Daniel.
Eddy (German (Germany)) de_DE    # Hallo! Ich heiße Eddy.
Kyoko               ja_JP    # こんにちは! 私の名前はKyokoです。
Samantha            en_US    # Hello! My name is Samantha.
Tingting            zh_CN    # 你好!我叫婷婷。
"""
_ESPEAK_VOICES = """\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  de              --/M      German             gmw/de
 2  en-gb           --/M      English_(Great_Britain) gmw/en          (en 2)
 2  en-us           --/M      English_(America)  gmw/en-US            (en 3)
 5  cmn             --/M      Chinese_(Mandarin,_latin_as_English) sit/cmn (zh-cmn 5)(zh 5)
"""

_PROGRAM = """\
#!{python}
import json, math, struct, sys, time, wave
from pathlib import Path

here = Path(__file__).parent
arguments = sys.argv[1:]
if arguments == {listing}:
    sys.stdout.write((here / "voices").read_text())
    sys.exit()
text = sys.stdin.read()
with (here / "calls").open("a") as calls:
    calls.write(json.dumps([arguments, text]) + "\\n")
number = len((here / "calls").read_text().splitlines())
while (hold := here / "hold").exists() and number > int(hold.read_text()):
    time.sleep(0.01)
if (here / "broken").exists():
    sys.exit("it is out of order")
file = arguments[arguments.index("{output}") + 1]
with wave.open(file, "wb") as sound:
    sound.setparams((1, 2, 22050, 0, "NONE", ""))
    for number in range(2205 * len(text.split())):
        sound.writeframesraw(struct.pack("<h", int(9000 * math.sin(number / 10))))
"""


@dataclass(frozen=True)
class SpeakingProgram:
    """`folder` is for the PATH. A tenth of a second is spoken for each word."""

    folder: Path

    @property
    def calls(self) -> list[tuple[list[str], str]]:
        """The arguments of each call, and the text that it read."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(arguments, text) for arguments, text in map(json.loads, lines)]

    def hold(self, after: int = 0) -> None:
        """Have all calls but the first few wait before they write anything."""
        (self.folder / "hold").write_text(str(after))

    def go_on(self) -> None:
        (self.folder / "hold").unlink()

    def break_down(self) -> None:
        (self.folder / "broken").touch()


def fake_say(folder: Path) -> SpeakingProgram:
    return _program(folder, "say", _SAY_VOICES, listing=["-v", "?"], output="-o")


def fake_espeak(folder: Path) -> SpeakingProgram:
    return _program(folder, "espeak-ng", _ESPEAK_VOICES, listing=["--voices"], output="-w")


def _program(folder: Path, name: str, voices: str, listing: list[str], output: str) -> SpeakingProgram:
    folder.mkdir(parents=True)
    (folder / "voices").write_text(voices)
    file = folder / name
    file.write_text(_PROGRAM.format(python=sys.executable, listing=listing, output=output))
    file.chmod(0o755)
    return SpeakingProgram(folder)
