"""Speech from Debian's synthesisers, eSpeak NG and Flite, as programs. Knows voices, speeds and files, not training.

The programs are looked for in PATH. Debian's packages: espeak-ng and flite.
"""

from __future__ import annotations

import io
import math
import random
import subprocess
import wave
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

RATE = 16_000

#: Accents and timbres of eSpeak NG that the training hears. The held-out ones are heard by the evaluation only.
ACCENTS = {
    "en": (
        "en-us",
        "en-us",
        "en-gb",
        "en-gb-x-rp",
        "en-gb-x-gbclan",
        "en-gb-scotland",
        "en-029",
        "en-us-nyc",
    ),
    "es": ("es", "es-419"),
}
_TIMBRES = (
    "m1 m2 m3 m4 m5 m6 m7 f1 f2 f3 f4 Alex Alicia Andrea Andy Denis Diogo Gene Henrique Hugo Jacky Lee Mario "
    "Michael Mike adam anika aunty belinda boris caleb david ed john klatt klatt3 linda max michel miguel "
    "norbert pablo paul quincy rob robert steph steph2"
)
TIMBRES = tuple(_TIMBRES.split())
HELD_OUT_TIMBRES = ("m8", "f5", "Annie", "Marco", "edward", "victor", "marcelo", "shelby")
FLITE = ("slt", "rms", "awb", "kal")
HELD_OUT_FLITE = ("kal16",)

SPEEDS = (110, 230)
#: Words a minute that the training leaves out, with everything up to 5 beside them.
HELD_OUT_SPEEDS = (140, 170, 200)


@dataclass(frozen=True)
class Voice:
    """How something is said: the program, its voice, words a minute, and the pitch of eSpeak (0 to 99)."""

    program: str
    name: str
    speed: int
    pitch: int = 50


def trained_speed(rng: random.Random) -> int:
    """A speed that is not near a held-out one."""
    while True:
        speed = rng.randint(*SPEEDS)
        if all(abs(speed - kept) > 5 for kept in HELD_OUT_SPEEDS):
            return speed


def trained_voice(rng: random.Random, language: str) -> Voice:
    """A voice of the training: one in eight English ones is Flite's."""
    if language == "en" and rng.random() < 0.125:
        return Voice("flite", rng.choice(FLITE), trained_speed(rng))
    timbre = rng.choice(["", *(f"+{name}" for name in TIMBRES)])
    return Voice("espeak-ng", rng.choice(ACCENTS[language]) + timbre, trained_speed(rng), rng.randint(30, 70))


def speak(text: str, voice: Voice) -> NDArray[np.float32]:
    """`text` as mono samples at 16 kHz between -1 and 1, without the silence around it."""
    if voice.program == "flite":
        # Flite's voices speak about 160 words a minute.
        stretch = f"duration_stretch={160 / voice.speed:.3f}"
        command = ["flite", "-voice", voice.name, "--setf", stretch, "-t", text, "-o", "/dev/stdout"]
    else:
        command = [
            "espeak-ng",
            "-v",
            voice.name,
            "-s",
            str(voice.speed),
            "-p",
            str(voice.pitch),
            "--stdout",
            text,
        ]
    made = subprocess.run(command, check=True, capture_output=True).stdout
    return _trimmed(_samples(made))


def _samples(wav: bytes) -> NDArray[np.float32]:
    with wave.open(io.BytesIO(wav)) as file:
        rate = file.getframerate()
        # eSpeak writes to a pipe and does not know the length beforehand: read what is there.
        samples = np.frombuffer(wav[44:], dtype="<i2").astype(np.float32) / 32768
    common = math.gcd(rate, RATE)
    if rate != RATE:
        samples = resample_poly(samples, RATE // common, rate // common)
    return np.asarray(samples, dtype=np.float32)


def _trimmed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut where blocks of 10 ms are 40 dB below the loudest."""
    blocks = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    level = np.sqrt((blocks**2).mean(axis=1))
    loud = np.flatnonzero(level > 0.01 * level.max())
    return samples[160 * loud[0] : 160 * (loud[-1] + 1)]
