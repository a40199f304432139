"""The formats that speech comes in, and what they are called on the way."""

#: Content types by the names that OpenAI's API has for the formats.
CONTENT_TYPES = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "opus": "audio/ogg; codecs=opus",
    "aac": "audio/aac",
    "pcm": "audio/pcm; rate=24000; channels=1",
}
#: Their heads say how long they are, which is known at the end: they are sent whole unless a stream is asked for.
WHOLE = ("wav", "flac")
