"""Answers of several messages, each with a header that names its recipient: Harmony of gpt-oss, Muse Spark.

Harmony: `<|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>commentary to=functions.NAME
<|constrain|>json<|message|>{…}<|call|>`. Muse Spark has no channels: `to=self<|message|>…<|eom|>`.
"""

from dataclasses import dataclass
from typing import Any

import regex

from worker.engines.llm.formats.headed import known
from worker.engines.llm.formats.typed import Tools

#: Markers after a message. The last two begin the header of the next one.
ENDS = ("<|end|>", "<|call|>", "<|return|>", "<|eom|>", "<|eot|>", "<|start|>", "<|channel|>")
HEADERS = frozenset(ENDS[-2:])
#: The start of an answer in Harmony, and the header of a message to the user.
HEADERS_START, FINAL = "<|channel|>", "<|channel|>final<|message|>"
#: The end of a prompt that has opened a message of reasoning.
THINKING = ("<|channel|>analysis<|message|>", "to=self<|message|>")

#: The last of several channels counts: gpt-oss repeats a header that it has begun.
HEADER = regex.compile(
    r"(?:\s*<\|(?:end|call|return|eom|eot)\|>)*\s*(?:<\|start\|>\s*\w+\s*)?(?:to=[^\s<]+\s*)?"
    r"(?:<\|channel\|>[^\w<]*(?P<channel>\w*)[^<]*(?:<\|constrain\|>[^<]*)?)*<\|message\|>"
)
_TO = regex.compile(r"to=([^\s<]+)")


@dataclass(frozen=True, slots=True)
class Message:
    """`tool`: the tool that a message calls, None for other messages. `thought`: whether it is reasoning.

    `certain`: it is a call also where nothing follows, and no markers have to.
    """

    thought: bool = False
    tool: str | None = None
    certain: bool = False

    @staticmethod
    def of(header: Any, tools: Tools) -> "Message":
        found = _TO.search(header[0])
        to, channel = found[1] if found else "", header["channel"] or ""
        tool = known(to, tools)
        if tool is not None and (to.startswith("functions.") or channel != "final"):
            return Message(tool=tool, certain=bool(channel))
        return Message(thought=channel == "analysis" or to == "self")
