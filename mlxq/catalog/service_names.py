"""Names of models of OpenAI, Anthropic and Google that programs have written into them, and what each is for.

Which model answers to them is not known here.
"""

import re

from jobs.kinds import Category

#: The first that matches the whole name counts.
_PATTERNS: tuple[tuple[Category, re.Pattern[str]], ...] = tuple(
    (category, re.compile(pattern))
    for category, pattern in (
        (Category.EMBEDDING, r"(text|gemini)-embedding-.+"),
        (Category.ASR, r"whisper-1|gpt-\d.*-transcribe(-.+)?"),
        (Category.TTS, r"tts-1(-.+)?|(gpt|gemini)-\d.*-tts(-.+)?"),
        (Category.IMAGE, r"dall-e-\d|(chat)?gpt-image-.+|gemini-\d.*-image(-.+)?|imagen-\d.*"),
        # Open models are called gpt-oss, gpt-neo and gpt-j.
        (Category.LLM, r"gpt-\d.*|gpt-(audio|realtime)(-.+)?|chatgpt-.+|o\d(-.+)?|codex-mini(-.+)?"),
        (Category.LLM, r"claude-.+|gemini-(\d|pro|flash).*"),
    )
)
#: What routers of several services put before a name.
_SERVICE = re.compile(r"(openai|anthropic|google)/")

#: Names that lists of aliases have. Those of chats are left out: coding agents that find one take the server for
#: its maker's, and ask for what only that has.
LISTED: dict[Category, tuple[str, ...]] = {
    Category.EMBEDDING: ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"),
    Category.ASR: ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
    Category.TTS: ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15"),
    Category.IMAGE: (
        "dall-e-2",
        "dall-e-3",
        "gpt-image-1",
        "gpt-image-1-mini",
        "gpt-image-1.5",
        "chatgpt-image-latest",
    ),
}


def service_category(name: str) -> Category | None:
    """What a model of that name is for; None for a name of no such service."""
    plain = name.lower()
    if found := _SERVICE.match(plain):
        plain = plain[found.end() :]
    return next((category for category, pattern in _PATTERNS if pattern.fullmatch(plain)), None)
