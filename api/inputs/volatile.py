"""Parts of requests that change every time and that no model needs: they would defeat the prompt cache.

Claude Code begins its system prompt with a line for Anthropic's billing, `x-anthropic-billing-header: cc_version=…;
cc_entrypoint=…; cch=…;`, whose last value is a hash of the request. Its setting CLAUDE_CODE_ATTRIBUTION_HEADER=0
turns that off. This module knows such lines. It does not know dialects.
"""

import re

from jobs.payloads import Message

_VALUE = r"[^;\s\"\\]{0,128}"
_LINE = rf"x-anthropic-billing-header:(?: cc[a-z_]{{0,32}}={_VALUE};){{1,16}}"
_BEGINNING = re.compile(rf"{_LINE}\s*")


def without_volatile(messages: list[Message]) -> list[Message]:
    """The messages without such lines at the beginning of the system prompt."""
    kept = list(messages)
    for place, message in enumerate(messages):
        content = message["content"]
        if message["role"] != "system":
            break
        if isinstance(content, str) and (found := _BEGINNING.match(content)):
            rest = content[found.end() :]
            # A message of nothing but that line is left out, unless it is the only one.
            kept[place : place + 1] = [{**message, "content": rest}] if rest or len(messages) == 1 else []
            break
    return kept
