"""Files that are no recordings, and what is said of them."""

from pathlib import Path

import numpy as np

from tests.support.audio import film, speech, write

#: What is said of files that are no recordings, or not whole.
BROKEN = "it is no audio file, or it is broken"
COMPLAINTS = {
    "empty": "it is empty",
    "much silence": "it is longer than 2000 s",
    "too short": "it is shorter than 0.1 s",
    "no sound": "there is no sound in it",
}


def bad_files(folder: Path, clips: dict[str, Path]) -> dict[str, bytes]:
    """What is no recording, or none that may be sent. A bomb is small and plays for long."""
    bomb = write(folder / "bomb.flac", np.zeros(2100 * 2000, np.float32), rate=2000).read_bytes()
    silence = bytearray(clips["wav"].read_bytes()[:44])
    silence[24:28] = (2**31 - 1).to_bytes(4, "little")
    endless = bytearray(clips["wav"].read_bytes()[:44] + bytes(4000))
    endless[24:28] = (1).to_bytes(4, "little")
    return {
        "empty": b"",
        "random": np.random.default_rng(1).bytes(100_000),
        "text": b"this is no recording " * 1000,
        "half a header": clips["wav"].read_bytes()[:30],
        "no samples": clips["wav"].read_bytes()[:44],
        "cut m4a": clips["m4a"].read_bytes()[:10_000],
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(5000),
        "two billion samples a second": bytes(silence) + bytes(100_000),
        "one sample a second": bytes(endless),
        "much silence": bomb,
        "too short": write(folder / "short.wav", speech(0.05)).read_bytes(),
        "no sound": film(folder / "silent.mp4").read_bytes(),
        "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    }
