"""Calls with a name before a JSON object: Mistral, Kimi K2, DeepSeek, GLM without keys."""

# ruff: noqa: RUF001 (DeepSeek writes wide bars)

from dataclasses import dataclass
from typing import Any

import regex

from worker.engines.llm.formats.calls import Report, Verdict, arguments, objects
from worker.engines.llm.formats.source import Source, Wait
from worker.engines.llm.formats.typed import Tools

#: Parts of a fence that was cut.
_FENCE = ("`", "``", "j", "js", "jso")


@dataclass(frozen=True, slots=True)
class Headed:
    """`head` matches the text before the arguments, with the group `name`. `end`: the marker after them.

    The arguments may be fenced as code.
    """

    head: Any
    end: str = ""

    def __call__(self, source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
        verdict = Verdict.NONE
        while not report.full:
            found = yield from source.match(self.head, source.pos)
            if found is None:
                return verdict
            name = known(found["name"], tools)
            if name is None:
                return Verdict.READ if verdict is Verdict.READ else Verdict.BROKEN
            source.pos = found.end()
            if (yield from source.take("```")):
                yield from source.take("json")
            char = yield from source.skip_space()
            if source.cut and source.text[source.pos :] in _FENCE:
                source.pos, char = len(source.text), ""
            if char not in ("{", ""):
                return Verdict.READ if verdict is Verdict.READ else Verdict.BROKEN
            report.open(name)
            if char:
                yield from arguments(source, report, ("```", self.end) if self.end else ("[TOOL_CALLS]",))
            elif not source.cut:
                report.add("{}")
            report.close()
            verdict = Verdict.READ
            yield from source.take("```")
            yield from source.take(self.end)
        return verdict


def known(name: str, tools: Tools) -> str | None:
    """The tool of a written name, such as `functions.NAME:0`."""
    name = name.strip()
    short = name.rpartition(":")[0] if name.rpartition(":")[2].isdecimal() else name
    for each in (name, short, short.removeprefix("functions.")):
        if each in tools:
            return each
    return None


_MISTRAL = Headed(
    regex.compile(r"\s*+(?P<name>[\w.-]{1,128})\s{0,64}(?:\[CALL_ID\]\s*+[\w-]++\s*+)?(?:\[ARGS\]|(?=\{))")
)
_LIST = objects()


def mistral(source: Source, tools: Tools, report: Report) -> Wait[Verdict]:
    """After [TOOL_CALLS]: a list of objects, or `NAME[ARGS]{…}`."""
    char = yield from source.skip_space()
    return (yield from (_LIST if char and char in "[{" else _MISTRAL)(source, tools, report))


KIMI_K2 = Headed(
    regex.compile(
        r"\s*(?:<\|tool_call_begin\|>)?\s*(?P<name>[^<{]{1,128}?)\s{0,64}<\|tool_call_argument_begin\|>"
    ),
    "<|tool_call_end|>",
)
#: V3 and R1 write the type before the name, V3.1 the name alone.
DEEPSEEK = Headed(
    regex.compile(
        r"\s*(?:<｜tool▁call▁begin｜>)?\s*(?:function\s*<｜tool▁sep｜>\s*(?P<name>[^<\n]{1,128}?)\s{0,64}\n"
        r"|(?!function\s*<)(?P<name>[^<\n]{1,128}?)\s{0,64}<｜tool▁sep｜>)"
    ),
    "<｜tool▁call▁end｜>",
)
#: `NAME {…}` or `NAME`, a line and the object, as smaller models write it between <tool_call> and </tool_call>.
NAMED = Headed(regex.compile(r"\s*(?P<name>[\w.-]{1,128})\s{0,64}(?=\{|```)"), "</tool_call>")
#: `NAME>{…}</function>`, as Llama 3.1 writes it after `<function=`.
FUNCTION = Headed(regex.compile(r"(?P<name>[\w.-]{1,128})>\s*(?=\{)"), "</function>")
