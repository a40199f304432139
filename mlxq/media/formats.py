"""The formats of audio and images: their names in requests, content types, suffixes and sizes.

This module knows names; `audio.py` and `images.py` open files, and the worker's encoders write them.
"""

from typing import Literal

SpeechFormat = Literal["wav", "mp3", "flac", "opus", "aac", "pcm"]
ImageFormat = Literal["png", "jpeg", "webp"]

#: Content types of speech.
SPEECH_TYPES: dict[str, str] = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "opus": "audio/ogg; codecs=opus",
    "aac": "audio/aac",
    "pcm": "audio/pcm; rate=24000; channels=1",
}
#: Their heads say how long they are, which is known at the end: they are sent whole unless a stream is asked for.
WHOLE: tuple[str, ...] = ("wav", "flac")

#: Content types of images.
IMAGE_TYPES: dict[str, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
#: Suffixes of files by content type, without the dot.
IMAGE_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

#: How names of recordings end. In the place of a voice's or a model's name, such a name means a file.
RECORDING_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aiff", ".aac", ".webm")

#: Pixels: the sides of an image that is made are multiples of it.
GRID = 16
